"""deploy/run.sh: what ``make run`` does."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests

pytestmark = pytest.mark.xdist_group("deploy")

RUN = Path(__file__).parents[2] / "deploy" / "run.sh"
OURS = ("GATEWAY_MASTER_KEY", "GATEWAY_CONFIG", "ANTHROPIC_API_KEY", "ANTHROPIC_API_BASE", "HOST_ADDRESS")
ELSEWHERE = {name: value for name, value in os.environ.items() if name not in OURS}


@pytest.fixture
def run(tmp_path):
    """Runs it with a gateway that only says how it was called."""
    (tmp_path / "python").symlink_to(sys.executable)
    gateway = tmp_path / "gateway"
    gateway.write_text('#!/bin/sh\necho "called: $*"\necho "config: $GATEWAY_CONFIG, key: $GATEWAY_MASTER_KEY"\n')
    gateway.chmod(0o755)

    def run(**environ):
        command = [str(RUN), str(tmp_path), "4321"]
        return subprocess.run(
            command, cwd=tmp_path, env=ELSEWHERE | environ, capture_output=True, text=True, check=True
        ).stdout

    return run


def test_with_a_key_it_serves_the_real_thing(run):
    told = run(ANTHROPIC_API_KEY="sk-ant-test", GATEWAY_MASTER_KEY="sk-mine")
    assert told == f"called: serve --host 127.0.0.1 --port 4321\nconfig: {RUN.parent}/config.yaml, key: sk-mine\n"


def test_without_one_it_says_that_answers_are_simulated(run):
    told = run(GATEWAY_MASTER_KEY="sk-mine", GATEWAY_CONFIG="another.yaml")
    assert "answers are simulated on this machine and cost nothing" in told
    assert re.search(
        r"^called: simulate -- env GATEWAY_CONFIG=\S+/deploy/config.yaml \S+/gateway serve ", told, re.MULTILINE
    )
    assert "config: ," in told  # a configuration would keep the simulator out


def test_a_master_key_is_made_and_shown(run):
    told = run(ANTHROPIC_API_KEY="sk-ant-test")
    key = re.search(r"^  export GATEWAY_MASTER_KEY=(sk-[A-Za-z0-9_-]{43})$", told, re.MULTILINE)[1]
    assert f"key: {key}\n" in told


def test_the_address_can_be_chosen(run):
    assert "--host 0.0.0.0 " in run(ANTHROPIC_API_KEY="sk-ant-test", HOST_ADDRESS="0.0.0.0")


def test_from_nothing_to_an_answer(tmp_path):
    """As on a fresh machine: no key, no configuration; what it prints is enough to be answered."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    database = {"GATEWAY_DATABASE_URL": f"sqlite:///{tmp_path}/gateway.db", "PYTHONUNBUFFERED": "1"}
    command = [str(RUN), str(Path(sys.executable).parent), str(port)]
    with subprocess.Popen(
        command, cwd=tmp_path, env=ELSEWHERE | database, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            told = ""
            while "  curl -N" not in told:
                line = process.stdout.readline()
                assert line, told
                told += line
            key = re.search(r"export GATEWAY_MASTER_KEY=(\S+)", told)[1]
            answer = _ask(port, key)
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=20)
    assert answer.status_code == 200
    assert "simulated" in answer.text


def _ask(port, key):
    """An answer; the address is printed a moment before it is listened on."""
    body = {"model": "claude-opus-4-6", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]}
    retry = requests.adapters.HTTPAdapter(max_retries=requests.adapters.Retry(connect=8, backoff_factor=0.05))
    with requests.Session() as session:
        session.trust_env = False
        session.mount("http://", retry)
        return session.post(f"http://127.0.0.1:{port}/v1/messages", json=body, headers={"x-api-key": key}, timeout=10)
