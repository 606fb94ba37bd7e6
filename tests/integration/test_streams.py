"""Streams over real sockets: silence, cuts, leaving; what the client sees, what the host sees, what is written down."""

import json
import re
import socket
import struct
import time

import pytest
from gateway_infra_simulator import Answer, Simulator

from gateway.testing import parse_stream
from tests.integration.conftest import CONFIG, running

BODY = {"model": "claude-opus-4-6", "max_tokens": 200, "messages": [{"role": "user", "content": "Hello"}]}
PATHS = {"messages": "/v1/messages", "chat": "/v1/chat/completions"}


class Raw:
    """A client that sees every byte."""

    def __init__(self, gateway, path, body):
        self.socket = socket.create_connection(("127.0.0.1", gateway.port), timeout=30)
        data = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nx-api-key: {gateway.key}\r\ncontent-type: application/json\r\n"
        self.socket.sendall(f"{head}content-length: {len(data)}\r\n\r\n".encode() + data)
        self.data = b""

    def until(self, marker):
        while marker not in self.data:
            piece = self.socket.recv(65536)
            assert piece, f"closed before {marker!r}: {self.data[-300:]!r}"
            self.data += piece
        return self.data

    def whole(self):
        """The decoded body of a chunked answer, its last chunk seen."""
        self.until(b"\r\n0\r\n\r\n")
        return dechunk(self.data.partition(b"\r\n\r\n")[2])

    def leave(self, how):
        if how == "rst":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if how == "half":
            self.socket.shutdown(socket.SHUT_WR)
            return
        self.socket.close()


@pytest.fixture
def raw(gateway):
    """Make raw clients; their sockets are closed at the end."""
    made = []

    def make(path, body):
        made.append(Raw(gateway, path, body))
        return made[-1]

    yield make
    for client in made:
        client.socket.close()


def dechunk(data):
    body = b""
    while data:
        size, _, rest = data.partition(b"\r\n")
        body += rest[: int(size, 16)]
        data = rest[int(size, 16) + 2 :]
    return body


def until(condition, seconds=5.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def fetch(gateway, path):
    import urllib.request

    request = urllib.request.Request(gateway.url + path, headers={"x-api-key": gateway.key})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def call_id(data):
    return re.search(rb"gateway-call-id: (\S+)", data)[1].decode()


def entry_of(gateway, data):
    return fetch(gateway, f"/calls/{call_id(data)}")


@pytest.mark.parametrize("surface", PATHS)
@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("how", ["fin", "rst", "half"])
def test_a_client_that_leaves_a_silent_host_frees_it_within_a_second(raw, gateway, surface, stream, how):
    gateway.sim.queue(Answer.text("never said").silent(30, "before_headers"))
    client = raw(PATHS[surface], {**BODY, "stream": stream})
    until(lambda: gateway.sim.log)
    left = time.monotonic()
    client.leave(how)
    until(lambda: gateway.sim.log[0].peer == "closed", 2)
    assert gateway.sim.log[0].peer_closed_at - left < 1


@pytest.mark.parametrize("surface", PATHS)
@pytest.mark.parametrize("at", ["after_message_start", "mid_text"])
def test_a_client_that_leaves_midway_is_written_down_as_cut(raw, gateway, surface, at):
    gateway.sim.queue(Answer.text("Some words that were said. " * 8, chunks=8).silent(30, at))
    client = raw(PATHS[surface], {**BODY, "stream": True})
    until(lambda: gateway.sim.log and gateway.sim.log[0].events)
    if at == "mid_text":
        client.until(b"words")
    left = time.monotonic()
    client.leave("fin")
    until(lambda: gateway.sim.log[0].peer == "closed", 2)
    assert gateway.sim.log[0].peer_closed_at - left < 1
    if at == "mid_text":
        call = entry_of(gateway, client.data)
        (attempt,) = call["attempts"]
        record = gateway.sim.log[0]
        assert (attempt["outcome"], call["estimated"]) == ("cut", True)
        assert attempt["usage"]["input_tokens"] == record.usage["input_tokens"]
        assert abs(attempt["usage"]["output_tokens"] - record.said_tokens) <= max(2, record.said_tokens * 0.1)
        assert float(call["cost_usd"]) > 0


def test_a_client_that_leaves_before_the_first_byte_is_not_free(raw, gateway):
    gateway.sim.queue(Answer.text("never").silent(30, "before_headers"))
    before = len(ledger(gateway))
    client = raw(PATHS["messages"], {**BODY, "stream": True})
    until(lambda: gateway.sim.log)
    client.leave("fin")
    until(lambda: len(ledger(gateway)) > before)
    entry = ledger(gateway)[0]
    assert (entry["outcome"], entry["estimated"]) == ("cut", True)
    assert float(entry["cost_usd"]) > 0


def ledger(gateway):
    import subprocess
    import sys

    command = [sys.executable, "-m", "gateway", "ledger", "--config", gateway.log.parent / "config.yaml"]
    environ = {"GATEWAY_MASTER_KEY": gateway.key, "ANTHROPIC_API_KEY": "sim-key", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [*command, "--format", "json", "--limit", "100000"], capture_output=True, text=True, env=environ, check=True
    )
    return json.loads(done.stdout)["entries"]


@pytest.mark.parametrize("surface", PATHS)
@pytest.mark.parametrize(
    "answer",
    [
        Answer.text("half an answer").truncated(),
        Answer.text("half an answer", chunks=3).truncated(4),
        Answer.text("half an answer").cut(700, "fin"),
        Answer.text("half an answer").cut(700, "rst"),
        Answer.text("half an answer").failing(4),
    ],
    ids=["no message_stop", "ends midway", "fin", "rst", "error event"],
)
def test_a_stream_that_breaks_ends_in_one_error_and_never_in_silence(raw, gateway, surface, answer):
    gateway.sim.queue(answer)
    client = raw(PATHS[surface], {**BODY, "stream": True})
    text = client.whole().decode()
    assert text.count('"error":') == 1
    assert "message_stop" not in text
    assert "[DONE]" not in text
    assert '"finish_reason":"stop"' not in text
    if surface == "messages":
        assert parse_stream(text.encode())[-1].name == "error"
    call = entry_of(gateway, client.data)
    assert call["attempts"][0]["outcome"] in ("cut", "failed")
    assert call["estimated"] is True


@pytest.mark.parametrize("surface", PATHS)
@pytest.mark.parametrize("status", [400, 403, 404, 413, 429, 500, 504, 529])
def test_an_error_before_the_stream_is_a_status(raw, gateway, surface, status):
    gateway.sim.queue(Answer.error(status))
    client = raw(PATHS[surface], {**BODY, "stream": True})
    data = client.until(b"}")
    assert data.startswith(b"HTTP/1.1 %d " % status)
    assert b"gateway-error: upstream_refused" in data
    assert entry_of(gateway, data)["cost_usd"] == "0.000000"


def test_an_error_event_before_any_content_is_a_status_too(raw, gateway):
    gateway.sim.queue(Answer.text("x").failing(0))
    data = raw(PATHS["messages"], {**BODY, "stream": True}).until(b'"request_id"')
    assert data.startswith(b"HTTP/1.1 529 ")


def test_the_hosts_401_is_the_gateways_fault_and_names_no_secret(raw, gateway):
    gateway.sim.queue(Answer.error(401))
    data = raw(PATHS["messages"], BODY).until(b"}")
    assert data.startswith(b"HTTP/1.1 502 ")
    assert b"did not accept this gateway's credential" in data
    assert b"sim-key" not in data


@pytest.mark.parametrize("surface", PATHS)
@pytest.mark.parametrize("manner", ["plain", "split", "crlf"])
def test_how_the_bytes_travel_changes_nothing(raw, gateway, surface, manner):
    answer = Answer.thinking("Hm.") + Answer.text("Grüße, 世界 👋", chunks=5) + Answer.tools(("add", {"a": [1, "ä"]}))
    answer = {"plain": answer, "split": answer.split_each_byte(), "crlf": answer.crlf()}[manner]
    body = {**BODY, "max_tokens": 4000, "thinking": {"type": "enabled", "budget_tokens": 1024}, "stream": True}
    gateway.sim.queue(answer)
    text = raw(PATHS[surface], body).whole().decode()
    if surface == "messages":
        events = parse_stream(text.encode())
        assert [event.name for event in events][-1] == "message_stop"
        said = "".join(event.json()["delta"].get("text", "") for event in events if event.name == "content_block_delta")
    else:
        chunks = [json.loads(line[6:]) for line in text.split("\n\n") if line.startswith("data: {")]
        said = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)
        assert text.endswith("data: [DONE]\n\n")
    assert said == "Grüße, 世界 👋"


@pytest.mark.parametrize("at", ["before_headers", "after_headers", "after_message_start", "mid_text"])
@pytest.mark.parametrize(("surface", "sign"), [("messages", b"event: ping\ndata: {"), ("chat", b": keepalive\n\n")])
def test_silence_gets_a_sign_of_life_and_the_answer_still_comes(raw, gateway, surface, sign, at):
    gateway.sim.queue(Answer.text("at last, at last").with_pings(0).silent(1.0, at))
    client = raw(PATHS[surface], {**BODY, "stream": True})
    began = time.monotonic()
    client.until(sign)
    assert time.monotonic() - began < 0.9
    text = client.whole()
    assert b"message_stop" in text or text.endswith(b"data: [DONE]\n\n")
    assert text.count(sign) >= 2
    assert entry_of(gateway, client.data)["attempts"][0]["outcome"] == "complete"


def test_an_error_after_a_sign_of_life_is_an_event(raw, gateway):
    gateway.sim.queue(Answer.error(529).silent(0.8, "before_headers"))
    text = raw(PATHS["messages"], {**BODY, "stream": True}).whole()
    assert parse_stream(text)[-1].json()["error"]["type"] == "overloaded_error"


def test_a_json_client_gets_no_signs_of_life(raw, gateway):
    gateway.sim.queue(Answer.text("late").silent(0.8, "before_headers"))
    data = raw(PATHS["messages"], BODY).until(b"late")
    assert b"ping" not in data


def test_a_stream_leaves_event_by_event(raw, gateway):
    gateway.sim.queue(Answer.text("one two three four", chunks=4).silent(0.6, "mid_text"))
    client = raw(PATHS["messages"], {**BODY, "stream": True})
    client.until(b"text_delta")
    first = time.monotonic()
    client.whole()
    assert time.monotonic() - first > 0.3


def test_a_messages_stream_ends_with_its_cost_and_calls_agree(raw, gateway):
    client = raw(PATHS["messages"], {**BODY, "stream": True})
    text = client.whole().decode()
    (cost,) = re.findall(r"^: gateway-cost-usd (\S+)$", text, re.MULTILINE)
    call = entry_of(gateway, client.data)
    assert call["cost_usd"] == cost
    assert sum(float(line["amount_usd"]) for line in call["lines"]) == pytest.approx(float(cost))


def test_json_and_stream_cost_the_same_on_both_surfaces(raw, gateway):
    costs = set()
    for path in PATHS.values():
        for stream in (False, True):
            gateway.sim.queue(Answer.text("The same words each time.").with_usage(cache_read_input_tokens=1000))
            client = raw(path, {**BODY, "stream": stream})
            if stream:
                client.whole()
            else:
                client.until(b"}}")
            costs.add(entry_of(gateway, client.data)["cost_usd"])
    assert len(costs) == 1


def test_unknown_events_blocks_and_deltas_pass_unchanged(raw, gateway):
    gateway.sim.queue(Answer.text("x").with_event("brand_new", {"type": "brand_new", "value": [1]}, at=2))
    text = raw(PATHS["messages"], {**BODY, "stream": True}).whole().decode()
    assert "event: brand_new\n" in text


def test_a_second_request_on_the_connection_still_works(raw, gateway):
    client = raw(PATHS["messages"], {**BODY, "stream": True})
    client.whole()
    again = raw(PATHS["messages"], BODY)
    again.until(b'"stop_reason"')
    gateway.sim.queue(Answer.text("late").silent(0.3, "before_headers"))
    early = raw(PATHS["messages"], BODY)
    early.socket.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    early.until(b'"status":"ok"')
    assert b"late" in early.data


def test_a_client_that_stops_reading_gives_its_thread_back(tmp_path):
    config = CONFIG.replace("keepalive_interval: 0.3", "keepalive_interval: 0.3\n  write_timeout: 1")
    with (
        Simulator(keys=("sim-key",)) as sim,
        running(sim, tmp_path, config, arguments=("--workers", "1", "--threads", "2")) as gateway,
    ):
        sim.always(Answer.text("x" * 20_000_000, chunks=200))
        lazy = [Raw(gateway, PATHS["messages"], {**BODY, "stream": True}) for _ in range(2)]
        until(lambda: [record.peer for record in sim.log] == ["closed"] * 2, 15)
        assert fetch(gateway, "/v1/models")["data"]
        for client in lazy:
            client.socket.close()


@pytest.mark.slow
def test_a_stop_ends_what_runs_in_time_to_bill_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "sitecustomize.py").write_text(
        "import gateway.serving as serving\nserving.GRACE = 3\nserving.LAST_SECONDS = 2\n"
    )
    with Simulator(keys=("sim-key",)) as sim, running(sim, tmp_path) as gateway:
        sim.always(Answer.text("words that were said " * 20, chunks=20).silent(60, "mid_text"))
        streams = [Raw(gateway, PATHS[surface], {**BODY, "stream": True}) for surface in ("messages", "chat")]
        for one in streams:
            one.until(b"words")
        gateway.process.terminate()
        texts = [one.whole() for one in streams]
        assert all(b"The gateway is stopping" in text for text in texts)
        assert gateway.process.wait(20) == 0
        entries = ledger(gateway)
        assert [entry["outcome"] for entry in entries] == ["cut", "cut"]
        assert all(entry["estimated"] and float(entry["cost_usd"]) > 0 for entry in entries)
        for one in streams:
            one.socket.close()
