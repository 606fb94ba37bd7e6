"""A real gateway: `gateway serve` in a process of its own, a simulated host behind it, sockets in between."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from gateway_infra_simulator import Simulator

ROOT = Path(__file__).parents[2]
KEY = "sk-integration-tests"
CONFIG = """
model_list:
  - model_name: claude-opus-4-6
    litellm_params:
      model: anthropic/claude-opus-4-6
      api_key: os.environ/ANTHROPIC_API_KEY
  - model_name: anthropic/*
    litellm_params:
      model: anthropic/*
general_settings:
  master_key: os.environ/GATEWAY_MASTER_KEY
  forward_client_headers_to_llm_api: true
  database_url: sqlite:///{folder}/ledger.db
router_settings:
  keepalive_interval: 0.3
"""


@dataclass
class Gateway:
    """A running gateway, and the host behind it."""

    url: str
    key: str
    sim: Simulator
    process: subprocess.Popen
    log: Path

    @property
    def port(self):
        return int(self.url.rsplit(":", 1)[1])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(url, process, log, seconds=20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url, timeout=1) as answer:
                return answer.status
        except OSError:
            time.sleep(0.02)
    raise AssertionError(f"{url} did not answer: {log.read_text()}")


@contextmanager
def running(sim, folder, config=CONFIG, *, key=KEY, arguments=("--workers", "1", "--threads", "32"), environ=None):
    """`gateway serve`, ended by a signal at the end."""
    path = folder / "config.yaml"
    path.write_text(config.format(folder=folder))
    port = free_port()
    log = folder / "gateway.log"
    told = {**os.environ, "ANTHROPIC_API_KEY": "sim-key", "ANTHROPIC_API_BASE": sim.url, "GATEWAY_MASTER_KEY": key}
    command = [sys.executable, "-m", "gateway", "serve", "--config", str(path), "--port", str(port)]
    with log.open("w") as sink:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", *arguments],
            stdout=sink, stderr=subprocess.STDOUT, cwd=folder, env={**told, **(environ or {})},
        )  # fmt: skip
    try:
        wait_for(f"http://127.0.0.1:{port}/healthz", process, log)
        yield Gateway(f"http://127.0.0.1:{port}", key, sim, process, log)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
    assert "Traceback" not in log.read_text(), log.read_text()


@pytest.fixture(scope="session")
def gateway(tmp_path_factory):
    with Simulator(keys=("sim-key",)) as sim, running(sim, tmp_path_factory.mktemp("gateway")) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def bare(tmp_path_factory):
    """A gateway into which no feature was let."""
    config = f"{CONFIG}\nplugins: [anthropic, chat, ledger]\n"
    with Simulator(keys=("sim-key",)) as sim, running(sim, tmp_path_factory.mktemp("bare"), config) as gateway:
        yield gateway


@pytest.fixture(autouse=True)
def _fresh(request):
    if "gateway" in request.fixturenames:
        request.getfixturevalue("gateway").sim.reset()
