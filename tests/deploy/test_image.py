"""The image and the compose file: no engine is needed, because their steps are done by hand."""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
import yaml
from gateway_infra_simulator import Simulator

pytestmark = pytest.mark.xdist_group("deploy")

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
KEY = "sk-deploy-tests"
ASKED = {"model": "claude-opus-4-6", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]}


def stages():
    """The Dockerfile's instructions by stage."""
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    found = []
    for line in filter(None, map(str.strip, text.splitlines())):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            found.append([])
        found[-1].append((word, rest.strip()))
    return found


BUILD, FINAL = stages()


def final(word):
    return [rest for name, rest in FINAL if name == word]


def test_the_image_runs_as_nobody_and_can_be_called_as_announced():
    assert final("USER") == ["10001:10001"]
    assert final("WORKDIR") == ["/app"]
    assert final("EXPOSE") == ["4000"]
    assert json.loads(final("ENTRYPOINT")[0]) == ["gateway", "serve"]
    assert not final("CMD")


def test_nothing_that_is_copied_is_kept_out():
    let_in = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = [
        word
        for name, rest in (*BUILD, *FINAL)
        if name == "COPY" and "--from" not in rest
        for word in shlex.split(rest)[:-1]
    ]
    assert sorted(copied) == sorted(let_in)
    assert all((ROOT / name).exists() for name in copied)


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def test_only_nginx_can_be_reached(compose):
    assert [name for name, service in compose["services"].items() if "ports" in service] == ["nginx"]


@pytest.mark.parametrize("name", ["gateway", "nginx"])
def test_services_can_change_nothing_but_their_volumes(compose, name):
    service = compose["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_a_stop_waits_for_running_answers(compose):
    service = compose["services"]["gateway"]
    assert int(service["stop_grace_period"][:-1]) > service["environment"]["GATEWAY_GRACEFUL_TIMEOUT"]


def test_nginx_of_the_compose_file_finds_the_socket(compose):
    """Its command changes the address in nginx.conf; do that, and look."""
    command = compose["services"]["nginx"]["command"][0].splitlines()[0]
    substitute = shlex.split(command)[1]
    changed = subprocess.run(
        ["sed", substitute, str(DEPLOY / "nginx.conf")], capture_output=True, text=True, check=True
    ).stdout
    socket_path = compose["services"]["gateway"]["environment"]["GATEWAY_BIND"].split(",")[0]
    assert f"server {socket_path};" in changed
    assert "127.0.0.1:4000" not in changed


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """The build stage's steps, done in folders of ours; gives the folder that stands for /."""
    root = tmp_path_factory.mktemp("image")
    source = root / "src"
    source.mkdir()
    unwanted = shutil.ignore_patterns("tests", "__pycache__", "*.egg-info", "build")
    for name, rest in BUILD:
        if name == "COPY":
            *words, _ = shlex.split(rest)
            for word in words:
                origin = ROOT / word
                (
                    shutil.copytree(origin, source / word, ignore=unwanted)
                    if origin.is_dir()
                    else shutil.copy(origin, source)
                )
    faster = {"PIP_NO_BUILD_ISOLATION": "0"}  # pip's way of saying: with the setuptools that is here
    tools = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environ = (
        {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
        | tools
        | faster
    )
    for name, rest in BUILD:
        if name == "RUN":
            step = re.sub(r"(?<=\s)/(wheels|opt)\b", rf"{root}/\1", rest).replace("--no-cache-dir ", "")
            done = subprocess.run(
                ["bash", "-ec", step], cwd=source, env=environ, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr
    shutil.rmtree(source)
    return root


@pytest.fixture
def shipped(image, tmp_path):
    """Runs a command of the image in a folder without any of our code."""
    environ = {
        "PATH": f"{image}/opt/gateway/bin:/usr/bin:/bin",
        "GATEWAY_DATABASE_URL": f"sqlite:///{tmp_path}/gateway.db",
        "ANTHROPIC_API_KEY": "sim-key",
        "GATEWAY_MASTER_KEY": KEY,
        "COLUMNS": "200",
    }
    shutil.copy(DEPLOY / "config.yaml", tmp_path)

    def run(*command, start=subprocess.run, **more):
        return start(command, cwd=tmp_path, env=environ | more.pop("environ", {}), text=True, **more)

    return run


def output(run, *command):
    done = run(*command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_what_is_shipped_is_whole(shipped):
    assert "gateway, version" in output(shipped, "gateway", "--version")
    plugins = output(shipped, "gateway", "plugins")
    assert all(f"gateway-{name}" in plugins for name in ("provider-anthropic", "surface-chat", "infra-ledger"))
    assert "claude-opus-4-6" in output(shipped, "gateway", "prices", "opus-4-6")
    assert "fine." in output(shipped, "gateway", "check", "--config", "config.yaml")


@pytest.mark.slow
def test_what_is_shipped_serves(shipped, tmp_path):
    """Its entry point with the announced argument, its health check, and a call that ends up in its ledger."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = [*json.loads(final("ENTRYPOINT")[0]), "--config", "config.yaml"]
    health = json.loads(final("HEALTHCHECK")[0].partition("CMD ")[2])
    with (
        Simulator(keys=("sim-key",)) as sim,
        shipped(
            *command, start=subprocess.Popen, stdout=subprocess.DEVNULL,
            environ={"PORT": port, "GATEWAY_HOST": "0.0.0.0", "ANTHROPIC_API_BASE": sim.url},
        ) as process,
    ):  # fmt: skip
        try:
            deadline = time.monotonic() + 20
            while shipped(*health, environ={"PORT": port, "http_proxy": "http://127.0.0.1:1"}, stderr=-1).returncode:
                assert process.poll() is None
                assert time.monotonic() < deadline
            url, headers = f"http://127.0.0.1:{port}", {"x-api-key": KEY}
            with requests.Session() as client:
                client.trust_env = False
                answer = client.post(f"{url}/v1/messages", json=ASKED, headers=headers, timeout=10)
                bill = client.get(f"{url}/calls/{answer.headers['gateway-call-id']}", headers=headers, timeout=10)
            assert answer.status_code == 200
            assert bill.json()["cost_usd"]
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)
    assert (tmp_path / "gateway.db").exists()
