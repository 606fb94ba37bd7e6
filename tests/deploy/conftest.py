"""The deployment as it is shipped: deploy/nginx.conf before gunicorn with deploy/gunicorn.conf.py, on ports of our own."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from gateway_infra_simulator import Simulator

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
KEY = "sk-deploy-tests"
UPSTREAM = "127.0.0.1:4000"
CONFIG = """
model_list:
  - model_name: claude-opus-4-6
    litellm_params:
      model: anthropic/claude-opus-4-6
      api_key: sim-key
      api_base: {url}
general_settings:
  master_key: {key}
plugins: [anthropic, chat]
"""
ASKED = {"model": "claude-opus-4-6", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]}

Start = Callable[..., AbstractContextManager["Server"]]


@dataclass
class Answer:
    """A whole answer.

    Attributes:
        headers: names in lower case.
    """

    status: int
    headers: dict[str, str]
    body: bytes

    def refuses(self, status: int, kind: str) -> dict[str, Any]:
        """Checks that it is an error in the shape that the clients of both APIs read, and returns its words."""
        assert self.status == status, self
        assert self.headers["content-type"].startswith("application/json")
        told = json.loads(self.body)
        assert told["type"] == "error"
        assert told["error"]["type"] == kind
        assert isinstance(told["error"]["message"], str)
        error: dict[str, Any] = told["error"]
        return error


@dataclass
class Server:
    """A program of ours that listens, and how to talk to it.

    Attributes:
        log: what it said on stdout and stderr.
        path: the unix socket that it listens on as well, if it does.
    """

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    path: Path | None = None

    def connect(self) -> socket.socket:
        """A connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=15)

    @contextmanager
    def client(self) -> Iterator[http.client.HTTPConnection]:
        """A client with a connection of its own, closed at the end."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)) as client:
            yield client

    def send(
        self, client: http.client.HTTPConnection, body: dict[str, Any] | None = None, path: str = "/v1/messages"
    ) -> http.client.HTTPResponse:
        """An honest request; the answer's head has come."""
        client.request(
            "POST", path, json.dumps(ASKED | (body or {})), {"x-api-key": KEY, "content-type": "application/json"}
        )
        return client.getresponse()

    def ask(self, path: str = "/v1/messages") -> dict[str, Any]:
        """What an honest request gets."""
        with self.client() as client:
            answer = self.send(client, path=path)
            assert answer.status == 200, answer.read()
            told: dict[str, Any] = json.load(answer)
            return told

    def raw(self, *pieces: bytes) -> Answer:
        """What comes back for these bytes, though we may not get to send them all."""
        with self.connect() as connection:
            with suppress(BrokenPipeError, ConnectionResetError):
                for piece in pieces:
                    connection.sendall(piece)
            with http.client.HTTPResponse(connection) as answer:
                answer.begin()
                return Answer(
                    answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
                )

    def said(self) -> str:
        """What it has said so far."""
        return self.log.read_text(errors="replace")


@dataclass
class Edge:
    """nginx, the gateway behind it, and the host behind that."""

    nginx: Server
    gateway: Server
    sim: Simulator


def poll(what: Callable[[], Any], seconds: float, why: str) -> Any:
    """What it returns, once that is something; it is asked until the time is up."""
    deadline = time.monotonic() + seconds
    while True:
        found = what()
        if found or time.monotonic() > deadline:
            assert found, f"not within {seconds} s: {why}"
            return found
        time.sleep(0.01)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def children(pid: int) -> list[int]:
    """The processes that a process of ours has started."""
    with suppress(OSError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def end(process: subprocess.Popen[bytes]) -> None:
    """By its own pid; those of its children that are left after it, by theirs."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        for pid in [process.pid, *children(process.pid)]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait(10)


@contextmanager
def listening(command: list[str], port: int, log: Path, environ: dict[str, str], folder: Path) -> Iterator[Server]:
    """A program, from when its port answers to the end of the block."""
    with log.open("ab") as sink:
        process = subprocess.Popen(command, stdout=sink, stderr=sink, cwd=folder, env=environ)
    server = Server(process, port, log)

    def answers() -> bool:
        assert process.poll() is None, server.said()
        with suppress(OSError), server.connect():
            return True
        return False

    try:
        poll(answers, 20, f"{command[0]} answers")
        yield server
    finally:
        end(process)


@contextmanager
def gunicorn(folder: Path, url: str, *arguments: str, **environ: str) -> Iterator[Server]:
    """gunicorn as shipped, but with few threads; on a port and on a unix socket."""
    config, path, port = folder / "config.yaml", folder / "gateway.sock", free_port()
    config.write_text(CONFIG.format(url=url, key=KEY))
    told = {name: value for name, value in os.environ.items() if not name.startswith(("GATEWAY_", "WEB_"))} | {
        "GATEWAY_CONFIG": str(config),
        "GATEWAY_BIND": f"127.0.0.1:{port},unix:{path}",
        "GATEWAY_THREADS": "4",
        "GATEWAY_GRACEFUL_TIMEOUT": "20",
    }
    program = str(Path(sys.executable).with_name("gunicorn"))  # `python -m gunicorn` cannot start itself again
    command = [program, "-c", str(DEPLOY / "gunicorn.conf.py"), *arguments, "gateway.wsgi:app"]
    with listening(command, port, folder / "gunicorn.log", told | environ, folder) as server:
        server.path = path
        yield server


def render(folder: Path, port: int, upstream: str, changes: dict[str, str] | None = None) -> Path:
    """nginx.conf with our ports and folder; every change has to find its place."""
    text = (DEPLOY / "nginx.conf").read_text()
    ours = {"listen 8080": f"listen 127.0.0.1:{port}", UPSTREAM: upstream, "/tmp/gateway-nginx": f"{folder}/nginx"}  # noqa: S108
    for old, new in (ours | (changes or {})).items():
        assert old in text, f"nginx.conf has no {old!r}"
        text = text.replace(old, new)
    path = folder / f"nginx-{port}.conf"
    path.write_text(text)
    return path


def nginx_command(config: Path) -> list[str]:
    """nginx in the foreground; a root's workers keep their rights, because pytest's folders are closed to others."""
    user = "user root; " if os.geteuid() == 0 else ""
    return [str(NGINX), "-e", "stderr", "-c", str(config), "-g", f"{user}daemon off;"]


@contextmanager
def nginx(folder: Path, upstream: str, changes: dict[str, str] | None = None) -> Iterator[Server]:
    """nginx as shipped, before that upstream."""
    port = free_port()
    config = render(folder, port, upstream, changes)
    with listening(nginx_command(config), port, folder / f"nginx-{port}.log", dict(os.environ), folder) as server:
        yield server


@pytest.fixture(scope="session")
def needs_nginx() -> None:
    if NGINX is None:
        pytest.skip("nginx is not installed, so nothing can be tested behind it (Debian: apt-get install nginx-light)")


@pytest.fixture
def start_gunicorn(tmp_path: Path) -> Start:
    return partial(gunicorn, tmp_path)


@pytest.fixture(name="poll")
def _poll() -> Callable[..., Any]:
    return poll


@pytest.fixture
def nginx_command_of(needs_nginx: None, tmp_path: Path) -> Callable[[], list[str]]:
    """The command that would serve the shipped file from a folder of ours."""
    return lambda: nginx_command(render(tmp_path, free_port(), UPSTREAM))


@pytest.fixture
def start_nginx(needs_nginx: None, tmp_path: Path) -> Start:
    return partial(nginx, tmp_path)


@pytest.fixture(scope="session")
def _edge(needs_nginx: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    folder = tmp_path_factory.mktemp("edge")
    with (
        Simulator(keys=("sim-key",)) as sim,
        gunicorn(folder, sim.url) as gateway,
        nginx(folder, f"127.0.0.1:{gateway.port}") as front,
    ):
        yield Edge(front, gateway, sim)


@pytest.fixture
def edge(_edge: Edge) -> Edge:
    """All three; the host has forgotten what was before."""
    _edge.sim.reset()
    return _edge
