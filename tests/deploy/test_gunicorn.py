"""gunicorn with the shipped gunicorn.conf.py, and what the shipped files have to agree on."""

import os
import re
import runpy
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from gateway_infra_simulator import Answer, Simulator

from gateway.config import Config
from gateway.watch import Timeouts

pytestmark = pytest.mark.xdist_group("deploy")

DEPLOY = Path(__file__).parents[2] / "deploy"
STREAM = {"stream": True}


@pytest.fixture
def sim():
    with Simulator(keys=("sim-key",)) as sim:
        yield sim


@pytest.fixture
def settings(monkeypatch):
    for name in ("GATEWAY_BIND", "WEB_CONCURRENCY", "GATEWAY_THREADS", "GATEWAY_GRACEFUL_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)
    return runpy.run_path(str(DEPLOY / "gunicorn.conf.py"))


def seconds(name, file="nginx.conf"):
    return [int(found) for found in re.findall(rf"\b{name} (\d+)s;", (DEPLOY / file).read_text())]


def test_nobody_but_this_machine_reaches_it(settings):
    assert settings["bind"] == ["127.0.0.1:4000"]
    assert "server 127.0.0.1:4000;" in (DEPLOY / "nginx.conf").read_text()


def test_it_is_nginx_who_closes_idle_connections(settings):
    of_upstream, _of_clients = seconds("keepalive_timeout")
    assert of_upstream < settings["keepalive"]


def test_idle_connections_keep_nobody_out(settings):
    text = (DEPLOY / "nginx.conf").read_text()
    idle = int(re.search(r"worker_processes (\d+);", text)[1]) * int(re.search(r"\bkeepalive (\d+);", text)[1])
    assert settings["worker_connections"] - settings["threads"] > idle


def test_no_patience_ends_before_the_gateways_own(settings):
    assert min(seconds("proxy_read_timeout")[:1]) > Timeouts().total
    assert settings["graceful_timeout"] > Timeouts().total
    unit = (DEPLOY / "gateway.service").read_text()
    assert int(re.search(r"TimeoutStopSec=(\d+)", unit)[1]) > settings["graceful_timeout"]


def test_both_take_bodies_of_the_same_size():
    megabytes = int(re.search(r"client_max_body_size (\d+)m;", (DEPLOY / "nginx.conf").read_text())[1])
    assert megabytes * 1024 * 1024 == Config.max_body


def test_the_environment_decides(monkeypatch):
    monkeypatch.setenv("GATEWAY_BIND", "unix:/run/gateway/gateway.sock,127.0.0.1:4001")
    monkeypatch.setenv("WEB_CONCURRENCY", "3")
    monkeypatch.setenv("GATEWAY_THREADS", "5")
    settings = runpy.run_path(str(DEPLOY / "gunicorn.conf.py"))
    assert settings["bind"] == ["unix:/run/gateway/gateway.sock", "127.0.0.1:4001"]
    assert (settings["workers"], settings["threads"]) == (3, 5)


def test_the_sync_worker_is_refused(tmp_path):
    (tmp_path / "config.yaml").write_text("model_list: []\nplugins: [anthropic]\n")
    command = [sys.executable, "-m", "gunicorn", "-c", str(DEPLOY / "gunicorn.conf.py"), "-k", "sync", "--threads", "1"]
    told = subprocess.run(
        [*command, "gateway.wsgi:app"], capture_output=True, text=True, check=False, timeout=30,
        env=os.environ | {"GATEWAY_CONFIG": str(tmp_path / "config.yaml"), "GATEWAY_BIND": f"unix:{tmp_path}/socket"},
    )  # fmt: skip
    assert told.returncode == 1
    assert "Error: the sync worker cuts every answer that takes longer than `timeout`; use -k gthread" in told.stderr
    assert "Traceback" not in told.stderr


def test_a_stop_lets_running_answers_end(sim, start_gunicorn, poll):
    sim.queue(Answer.text("word " * 10).silent(1, at="mid_text"))
    with start_gunicorn(sim.url) as gateway, gateway.client() as client:
        answer = gateway.send(client, STREAM)
        gateway.process.send_signal(signal.SIGTERM)
        assert b"message_stop" in answer.read()
        assert gateway.process.wait(10) == 0


def test_a_restart_loses_nothing(sim, start_gunicorn, poll, tmp_path):
    """A new master takes over while a stream runs; new calls are answered, the stream ends, the old master goes."""
    sim.queue(Answer.text("word " * 10).silent(2, at="mid_text"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(15)
        with start_gunicorn(sim.url, NOTIFY_SOCKET=str(tmp_path / "notify")) as gateway, gateway.client() as client:
            assert b"READY=1" in systemd.recv(4096)
            answer = gateway.send(client, STREAM)
            gateway.process.send_signal(signal.SIGUSR2)
            assert b"READY=1" in systemd.recv(4096)
            master = int(systemd.recv(4096).removeprefix(b"MAINPID="))
            try:
                for _ in range(30):
                    gateway.ask()
                assert b"message_stop" in answer.read()
                assert gateway.process.wait(10) == 0
                assert gateway.ask()["type"] == "message"
            finally:
                os.kill(master, signal.SIGTERM)
            poll(lambda: not Path(f"/proc/{master}").exists() or _is_dead(master), 15, "the new master goes")


def _is_dead(pid):
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
