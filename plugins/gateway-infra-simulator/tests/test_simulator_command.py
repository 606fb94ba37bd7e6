"""The command: by itself, and around another one."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from gateway_infra_simulator import Simulator, account, amazon, environment
from gateway_infra_simulator.command import simulate

RUN = "from gateway_infra_simulator.command import simulate; simulate()"
ASK = """
import json, os, urllib.request
body = {"model": "claude-opus-4-6", "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]}
headers = {"x-api-key": os.environ["ANTHROPIC_API_KEY"], "anthropic-version": "2023-06-01"}
url = os.environ["ANTHROPIC_API_BASE"] + "/v1/messages"
with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers)) as answer:
    print(json.load(answer)["content"][0]["text"])
raise SystemExit(7)
"""
SHOW = """
import json, os, stat
path = os.environ["GOOGLE_APPLICATION_CREDENTIALS"]
more = {"mode": oct(stat.S_IMODE(os.stat(path).st_mode)), "file": json.load(open(path))}
print(json.dumps(dict(os.environ) | more))
"""
HANG = """
import signal, sys, time
def leave(number, frame):
    print("signal", number, flush=True)
    sys.exit(3)
signal.signal(signal.SIGTERM, leave)
signal.signal(signal.SIGINT, leave)
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture
def start():
    """Starts the command in a process of its own, as a shell would."""
    started = []

    def begin(*arguments):
        path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
        process = subprocess.Popen(
            [sys.executable, "-c", RUN, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"},
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def test_a_command_runs_against_a_simulator_and_its_exit_code_comes_through(start):
    process = start("--", sys.executable, "-c", ASK)
    out, err = process.communicate(timeout=30)
    assert out == "[simulated] You said: Hello (claude-opus-4-6)\n"
    assert "simulated" in err
    assert "cost nothing" in err
    assert process.returncode == 7


def test_a_command_finds_every_host_and_no_credential_of_the_user(start, monkeypatch):
    pytest.importorskip("cryptography", reason="the extra vertex is not installed")
    real = ("ANTHROPIC_API_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AZURE_CLIENT_SECRET", "AWS_SECRET_ACCESS_KEY")
    for name in real:
        monkeypatch.setenv(name, "real")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    out, err = start("--", sys.executable, "-c", SHOW).communicate(timeout=30)
    found = json.loads(out)
    url = found["ANTHROPIC_API_BASE"]
    assert "real" not in list(found.values()), err
    assert found["AWS_REGION"] == "eu-west-1"
    bases = ("AZURE_AI_API_BASE", "VERTEX_API_BASE", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "AWS_BEDROCK_RUNTIME_ENDPOINT")
    assert {found[name] for name in bases} == {url}
    assert found["AZURE_AI_API_KEY"] == "sim-key"
    assert found["AWS_ACCESS_KEY_ID"] == "AKIASIMULATOR0000001"
    assert found["VERTEX_PROJECT"] == found["file"]["project_id"] == "sim-project"
    assert (found["file"]["token_uri"], found["mode"]) == (f"{url}/token", "0o600")
    assert not Path(found["GOOGLE_APPLICATION_CREDENTIALS"]).exists()


def test_googles_file_goes_even_if_the_command_dies(start):
    pytest.importorskip("cryptography", reason="the extra vertex is not installed")
    words = "import os; print(os.environ['GOOGLE_APPLICATION_CREDENTIALS'], flush=True); os.kill(os.getpid(), 9)"
    out, _ = start("--", sys.executable, "-c", words).communicate(timeout=30)
    assert out.endswith(".json\n")
    assert not Path(out.strip()).exists()


def test_without_the_extra_google_gets_a_file_that_holds_nothing(monkeypatch):
    def missing(_project, _url):
        raise RuntimeError("no cryptography")

    monkeypatch.setattr(account, "described", missing)
    with Simulator() as sim, environment.credentials_file(sim) as path:
        found = environment.simulated({"GOOGLE_APPLICATION_CREDENTIALS": "real"}, sim, "k", path)
    assert (path, found["GOOGLE_APPLICATION_CREDENTIALS"]) == ("", os.devnull)
    assert (found["AWS_REGION"], found["VERTEX_LOCATION"]) == ("us-east-1", "global")


def test_the_key_pair_is_the_one_that_the_signatures_are_checked_by():
    sigv4 = pytest.importorskip("gateway_infra_simulator.sigv4", reason="the extra bedrock is not installed")
    assert (sigv4.DEMO.access_key, sigv4.DEMO.secret_key) == (amazon.ACCESS_KEY, amazon.SECRET_KEY)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_reach_the_command(start, number):
    process = start("--", sys.executable, "-c", HANG)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert process.stdout.readline() == f"signal {int(number)}\n"
    assert process.wait(10) == 3


def test_a_command_that_dies_of_a_signal_gives_the_code_of_a_shell(start):
    process = start("--", sys.executable, "-c", "import os; os.kill(os.getpid(), 9)")
    assert process.wait(30) == 128 + 9


def test_a_command_that_is_not_there_is_told(start):
    process = start("--", "/no/such/command")
    _, err = process.communicate(timeout=30)
    assert process.returncode == 127
    assert "could not run /no/such/command" in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_by_itself_it_serves_until_it_is_stopped(start, number):
    process = start("--port", "0", "--key", "k")
    welcome = process.stdout.readline()
    url = welcome.split(" on ")[1].split(". ")[0]
    assert "simulated" in welcome
    peer = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
    shown = [process.stdout.readline().strip() for _ in range(20)]
    assert {f"AZURE_AI_API_BASE={url}", f"VERTEX_API_BASE={url}", f"AWS_BEDROCK_RUNTIME_ENDPOINT={url}"} < set(shown)
    peer.request("GET", "/v1/models", headers={"x-api-key": "k", "anthropic-version": "2023-06-01"})
    assert json.load(peer.getresponse())["data"]
    peer.close()
    began = time.monotonic()
    process.send_signal(number)
    assert process.wait(10) == 0
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(("arguments", "status"), [((), 400), (("--era", "current"), 200)])
def test_it_plays_the_era_that_was_asked_for(start, arguments, status):
    ask = ASK.replace("Hello", "[[sim:size tokens=300000]]").replace("SystemExit(7)", "SystemExit(0)")
    process = start(*arguments, "--", sys.executable, "-c", ask)
    out, err = process.communicate(timeout=30)
    assert (process.returncode == 0, "HTTP Error 400" in err) == (status == 200, status == 400), out + err


@pytest.mark.parametrize("host", ["192.0.2.1", "::", "example.com"])
def test_it_does_not_face_a_network_by_accident(host):
    result = CliRunner().invoke(simulate, ["--host", host, "--port", "0"])
    assert result.exit_code == 2
    assert "--i-know" in result.output


def test_the_plugin_brings_the_command():
    pytest.importorskip("gateway", reason="the gateway is not installed")
    import gateway_infra_simulator

    commands = gateway_infra_simulator.SimulatorPlugin().register_commands()
    assert [command.name for command in commands] == ["simulate"]


def test_the_package_has_no_other_names():
    import gateway_infra_simulator

    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = gateway_infra_simulator.Nonsense
