"""A simulator for each test, and two clients that hide nothing: one that speaks HTTP and one that counts bytes."""

import http.client
import json
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

try:
    import gateway_infra_simulator  # noqa: F401  # installed, as it should be
except ImportError:
    sys.path.insert(0, str(Path(__file__).parents[1]))

from gateway_infra_simulator import Simulator, assemble, read_stream

MESSAGE = {"model": "claude-opus-4-6", "max_tokens": 200, "messages": [{"role": "user", "content": "Hello"}]}
TIMEOUT = 10.0


@dataclass
class Got:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        return self.json["error"]

    @property
    def events(self):
        return read_stream(self.body)

    @property
    def message(self) -> dict[str, Any]:
        return assemble(self.events) if self.headers["content-type"].startswith("text/event-stream") else self.json


class Api:
    """A client that sends what it is told."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.address = urlsplit(url)

    def call(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Got:
        connection = http.client.HTTPConnection(self.address.hostname, self.address.port, timeout=TIMEOUT)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return Got(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Got:
        return self.call("GET", path, None, self.headers(**headers))

    def post(self, path: str, body: Any, **headers: str) -> Got:
        return self.call("POST", path, json.dumps(body).encode(), self.headers(**headers))

    def messages(self, *, beta: str = "", version: str = "2023-06-01", **changes: Any) -> Got:
        headers = {"anthropic_beta": beta} if beta else {}
        return self.post("/v1/messages", MESSAGE | changes, anthropic_version=version, **headers)

    def azure(
        self,
        *,
        headers: dict[str, str] | None = None,
        path: str = "/anthropic/v1/messages",
        method: str = "POST",
        beta: str = "",
        **changes: Any,
    ) -> Got:
        """A message from Azure, with its key unless headers are given."""
        sent = {"anthropic-version": "2023-06-01", "api-key": "sim-key"} if headers is None else headers
        body = json.dumps(MESSAGE | changes).encode()
        return self.call(method, path, body, sent | ({"anthropic-beta": beta} if beta else {}))

    def vertex(
        self,
        name: str = "claude-opus-4-6",
        *,
        place: str = "us-east5",
        project: str = "sim-project",
        verb: str = "",
        token: str | None = None,
        beta: str = "",
        without: tuple[str, ...] = ("model",),
        **changes: Any,
    ) -> Got:
        """A message from Vertex AI; the token is the metadata server's unless one is given, empty for none."""
        path = f"/v1/projects/{project}/locations/{place}/publishers/anthropic/models/{name}"
        body = MESSAGE | {"anthropic_version": "vertex-2023-10-16"} | changes
        body = {key: value for key, value in body.items() if key not in without}
        credential = self.google_token() if token is None else token
        headers = {"authorization": f"Bearer {credential}"} if credential else {}
        wanted = verb or ("streamRawPredict" if body.get("stream") else "rawPredict")
        return self.call(
            "POST",
            f"{path}:{wanted}",
            json.dumps(body).encode(),
            headers | ({"anthropic-beta": beta} if beta else {}),
        )

    def google_token(self, scopes: str = "https://www.googleapis.com/auth/cloud-platform") -> str:
        path = f"/computeMetadata/v1/instance/service-accounts/default/token?scopes={scopes}"
        return self.call("GET", path, headers={"Metadata-Flavor": "Google"}).json["access_token"]

    def form(self, path: str, **fields: str) -> Got:
        kind = {"content-type": "application/x-www-form-urlencoded"}
        return self.call("POST", path, urlencode(fields).encode(), kind)

    def say(self, text: str, **changes: Any) -> Got:
        return self.messages(messages=[{"role": "user", "content": text}], **changes)

    def raw(self, **changes: Any) -> tuple[bytes, str]:
        """Every byte of the answer, and how the connection ended: ``fin`` or ``rst``."""
        with self.opened(**changes) as peer:
            return self.rest(peer)

    def opened(self, **changes: Any) -> socket.socket:
        """A connection on which a message was asked for."""
        body = json.dumps(MESSAGE | changes).encode()
        head = "POST /v1/messages HTTP/1.1\r\nHost: sim\r\nx-api-key: sim-key\r\nanthropic-version: 2023-06-01\r\n"
        peer = socket.create_connection((self.address.hostname, self.address.port), timeout=TIMEOUT)
        peer.sendall(f"{head}Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        return peer

    @staticmethod
    def rest(peer: socket.socket) -> tuple[bytes, str]:
        data = b""
        try:
            while more := peer.recv(65536):
                data += more
        except ConnectionResetError:
            return data, "rst"
        return data, "fin"

    @staticmethod
    def headers(**headers: str) -> dict[str, str]:
        usual = {"x-api-key": "sim-key", "anthropic-version": "2023-06-01", "content-type": "application/json"}
        return usual | {name.replace("_", "-"): value for name, value in headers.items()}


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def api(sim: Simulator) -> Api:
    return Api(sim.url)


@pytest.fixture
def client_of():
    """For tests that start simulators of their own."""
    return lambda simulator: Api(simulator.url)
