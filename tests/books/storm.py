"""A storm: a real gateway between many clients and a host that misbehaves, and the three books that it leaves."""

import os
import secrets
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tests.books import entries, tenants
from tests.books.client import ask
from tests.books.host import Host, truths
from tests.books.plan import orders
from tests.books.reconciliation import Books
from tests.integration.conftest import KEY, Gateway, free_port, wait_for

CLIENTS = 12
RECOVERED = 60
"""Seconds within which an attempt of a killed worker has its entry."""

CONFIG = """
model_list:
  - model_name: opus-*
    params:
      model: anthropic/claude-opus-4-6
  - model_name: haiku-*
    params:
      model: anthropic/claude-haiku-4-5
general_settings:
  master_key: os.environ/GATEWAY_MASTER_KEY
  database_url: os.environ/BOOKS_DATABASE
router_settings:
  keepalive_interval: 0.3
"""


def storm(url, folder, *, seed, count, kill_at=None):
    """Let it rage; with ``kill_at`` a worker is killed when that call is due, and its attempts are waited for."""
    recovered = [0.0]
    with Host(keys=("sim-key",)) as host:
        with serving(host, url, folder) as gateway:
            known = tenants.found(gateway)

            def turn(order):
                if order.number == kill_at:
                    kill(gateway)
                    recovered.append(settle(url, host))
                return ask(gateway.port, order, known[order.tenant].token)

            with ThreadPoolExecutor(CLIENTS) as pool:
                transcripts = [*pool.map(turn, orders(seed, count, kill_at=kill_at))]
            until(lambda: all(record.ended for record in host.log), 20)
            settle(url, host)
            until(lambda: not tenants.holding(url), RECOVERED, strict=False)
        return Books(
            transcripts={one.order.marker: one for one in transcripts},
            truths=tuple(truths(host)),
            rows=tuple(entries.read(url)),
            tenants=known,
            counted=tenants.counted(url),
            killed=kill_at is not None,
            recovered=recovered[-1],
        )


@contextmanager
def serving(host, url, folder):
    """`gateway serve` with two workers, ended by a signal."""
    (folder / "config.yaml").write_text(CONFIG)
    log, port = folder / "gateway.log", free_port()
    told = {"ANTHROPIC_API_KEY": "sim-key", "ANTHROPIC_API_BASE": host.url, "GATEWAY_MASTER_KEY": KEY}
    told |= {"BOOKS_DATABASE": url, "GATEWAY_PEPPER": secrets.token_hex(32)}
    command = [sys.executable, "-m", "gateway", "serve", "--config", "config.yaml", "--port", str(port)]
    command += ["--host", "127.0.0.1", "--workers", "2", "--threads", "32"]
    with log.open("w") as sink:
        process = subprocess.Popen(
            command, stdout=sink, stderr=subprocess.STDOUT, cwd=folder, env={**os.environ, **told}
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/healthz", process, log)
        yield Gateway(f"http://127.0.0.1:{port}", KEY, host, process, log)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(40)
    assert not complaints(log.read_text()), log.read_text()


def complaints(log):
    """Tracebacks in a log, but for those of urllib3 about heads that the host cut off."""
    return log.count("Traceback") - log.count("HeaderParsingError: ")


def kill(gateway):
    """SIGKILL for the worker that has the most to lose, once calls are in flight."""
    until(lambda: sum(not record.ended for record in gateway.sim.log) >= CLIENTS // 4, 20)
    os.kill(max(workers(gateway), key=connections), signal.SIGKILL)


def workers(gateway):
    """Process ids of the gateway's workers."""
    master = gateway.process.pid
    return [int(pid) for pid in Path(f"/proc/{master}/task/{master}/children").read_text().split()]


def connections(pid):
    """How many files and sockets a process has open."""
    return len([*Path(f"/proc/{pid}/fd").iterdir()])


def settle(url, host, seconds=RECOVERED):
    """Wait until every call that reached the host has an entry, or it is too late for that; how long it took."""
    began = time.monotonic()
    called = {truth.marker for truth in truths(host)}
    until(lambda: called <= entries.models(url), seconds, strict=False)
    return time.monotonic() - began


def until(condition, seconds, *, strict=True):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            assert not strict, "it did not happen in time"
            return
        time.sleep(0.05)
