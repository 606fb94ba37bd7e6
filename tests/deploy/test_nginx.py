"""Behind a real nginx, before a real gunicorn: what the shipped nginx.conf promises."""

import json
import random
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import pairwise

import pytest
from gateway_infra_simulator import Answer

pytestmark = pytest.mark.xdist_group("deploy")

LIMIT = 32 * 1024 * 1024
STREAM = {"stream": True}


def head(*lines, path="/v1/messages"):
    return "\r\n".join(
        [f"POST {path} HTTP/1.1", "Host: gateway", "x-api-key: sk-deploy-tests", *lines, "", ""]
    ).encode()


def asked(size):
    """An honest body of exactly so many bytes."""
    body = {"model": "claude-opus-4-6", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]}
    return json.dumps(body).encode().ljust(size)


def test_the_file_is_valid(nginx_command_of):
    told = subprocess.run([*nginx_command_of(), "-t"], capture_output=True, text=True, check=False)
    assert "test is successful" in told.stderr
    assert "[warn]" not in told.stderr


def test_an_answer_passes(edge):
    with edge.nginx.client() as client:
        answer = edge.nginx.send(client)
        told = json.load(answer)
    assert answer.status == 200
    assert told["model"] == "claude-opus-4-6"
    assert answer.headers["gateway-call-id"] == answer.headers["request-id"]
    assert float(answer.headers["gateway-cost-usd"]) > 0
    assert answer.headers["server"] == "nginx"


@pytest.mark.parametrize("path", ["/healthz", "/health/liveliness", "/readyz"])
def test_health_needs_no_key(edge, path):
    with edge.nginx.client() as client:
        client.request("GET", path)
        assert client.getresponse().status == 200


def test_claude_code_says_hello(edge):
    with edge.nginx.client() as client:
        client.request("HEAD", "/api/hello")
        assert client.getresponse().status == 200


def test_events_arrive_one_by_one(edge):
    edge.sim.queue(Answer.text("word " * 40, chunks=16).drip(160, 60))
    with edge.nginx.client() as client:
        began = time.monotonic()
        answer = edge.nginx.send(client, STREAM)
        arrived = [(line, time.monotonic()) for line in iter(answer.readline, b"") if line.startswith(b"event: ")]
    first, last = arrived[0][1] - began, arrived[-1][1] - began
    assert arrived[-1][0] == b"event: message_stop\n"
    assert last > 1
    assert first < last / 3
    assert sum(then - before > 0.02 for (_, before), (_, then) in pairwise(arrived)) > 8


def test_a_body_of_the_limit_passes(edge):
    found = edge.nginx.raw(head("content-type: application/json", f"content-length: {LIMIT}"), asked(LIMIT))
    assert found.status == 200, found


@pytest.mark.parametrize("door", ["nginx", "gateway"])
def test_one_byte_more_is_refused_by_nginx_and_by_the_gateway(edge, door):
    server = getattr(edge, door)
    found = server.raw(head("content-type: application/json", f"content-length: {LIMIT + 1}"), asked(LIMIT + 1))
    error = found.refuses(413, "request_too_large")
    assert str(LIMIT) in error["message"]
    assert found.headers["x-should-retry"] == "false"
    assert found.headers["gateway-error"] == "too_large"
    assert edge.sim.log == []


def test_chat_is_refused_in_words_of_its_own_by_the_gateway_alone(edge):
    request = head("content-type: application/json", f"content-length: {LIMIT + 1}", path="/chat/completions")
    from_nginx, from_gateway = (server.raw(request, asked(LIMIT + 1)) for server in (edge.nginx, edge.gateway))
    assert from_nginx.status == from_gateway.status == 413
    assert json.loads(from_nginx.body)["error"]["message"] == json.loads(from_gateway.body)["error"]["message"]


@pytest.mark.parametrize("door", ["nginx", "gateway"])
def test_a_body_of_no_said_length_is_refused_as_well(edge, door):
    piece = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    found = getattr(edge, door).raw(
        head("content-type: application/json", "transfer-encoding: chunked"), *[piece] * 32, b"1\r\n \r\n", b"0\r\n\r\n"
    )
    found.refuses(413, "request_too_large")
    assert edge.sim.log == []


@pytest.mark.parametrize(
    "dawdling",
    [b"POST /v1/messages HTTP/1.1\r\nHost: gateway\r\nx-slow: ", head("content-length: 1000") + b"{"],
    ids=["half a head", "half a body"],
)
def test_dawdlers_delay_nobody(edge, dawdling):
    """As many as the gateway has threads, so that it could not answer if they got through."""
    with ExitStack() as stack:
        for _ in range(8):
            connection = stack.enter_context(edge.nginx.connect())
            connection.sendall(dawdling)
        began = time.monotonic()
        edge.nginx.ask()
        assert time.monotonic() - began < 1
    assert len(edge.sim.log) == 1


@pytest.mark.parametrize(
    ("stream", "place"),
    [(False, "before_headers"), (True, "before_headers"), (True, "mid_text")],
    ids=["JSON", "stream before its first byte", "stream in the middle"],
)
def test_a_client_that_leaves_ends_the_call(edge, poll, stream, place):
    edge.sim.queue(Answer.text("word " * 40, chunks=8).silent(30, at=place))
    with edge.nginx.connect() as connection:
        body = asked(0).replace(b"{", b'{"stream": %s, ' % str(stream).lower().encode(), 1)
        connection.sendall(head("content-type: application/json", f"content-length: {len(body)}") + body)
        if place == "mid_text":
            assert b"200 OK" in connection.recv(65536)
        record = poll(lambda: edge.sim.log, 5, "the call reaches the host")[0]
    left = time.monotonic()
    poll(lambda: record.peer, 2, "the host sees us leave")
    assert record.peer_closed_at - left < 2


def test_the_socket_of_a_machine_does_as_well(edge, start_nginx, poll):
    with start_nginx(f"unix:{edge.gateway.path}") as nginx:
        assert nginx.ask()["model"] == "claude-opus-4-6"
        edge.sim.queue(Answer.text("word").silent(30, at="mid_text"))
        with nginx.client() as client:
            answer = nginx.send(client, STREAM)
            assert answer.readline() == b"event: message_start\n"
            answer.close()
        poll(lambda: edge.sim.log[-1].peer, 2, "the host sees us leave")


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (head(f"x-long: {'a' * 9000}"), 431),
        (head(*[f"x-long-{number}: {'a' * 8000}" for number in range(9)]), 431),
        (head(path=f"/v1/{'a' * 9000}"), 414),
        (b"POST /v1/messages HTTP/1.1\r\n\r\n", 400),
        (b"\x16\x03\x01 hello\r\n\r\n", 400),
        (head("authorization: Bearer a", "authorization: Bearer b"), 400),
    ],
    ids=["a header", "headers", "an address", "no host", "no HTTP", "two keys"],
)
def test_what_is_no_fit_request_is_told_so(edge, request_head, status):
    found = edge.nginx.raw(request_head)
    found.refuses(status, "invalid_request_error")
    assert found.headers["x-should-retry"] == "false"


def test_more_than_a_hundred_headers_are_refused(edge):
    found = edge.nginx.raw(head(*[f"x-{number}: a" for number in range(101)]))
    assert found.status in (400, 431)


def test_a_header_with_an_underscore_is_nobodys(edge):
    body = asked(0)
    length = f"content-length: {len(body)}"
    assert edge.nginx.raw(head("x_api_key: other", "content-type: application/json", length) + body).status == 200


def test_a_connection_is_kept(edge):
    with edge.nginx.client() as client:
        ports = set()
        for _ in range(60):
            answer = edge.nginx.send(client)
            answer.read()
            assert answer.status == 200
            ports.add(client.sock.getsockname()[1])
    assert len(ports) == 1


def test_idle_connections_to_the_gateway_never_cost_a_request(edge, start_gunicorn, start_nginx):
    """Requests around the moment when nginx lets go of an idle connection, which is sooner than gunicorn does."""
    gaps = random.Random(20261122)
    with (
        start_gunicorn(edge.sim.url, "--keep-alive", "2") as gateway,
        start_nginx(f"127.0.0.1:{gateway.port}", {"keepalive_timeout 60s;": "keepalive_timeout 1s;"}) as nginx,
    ):

        def visit(waits):
            for wait in waits:
                nginx.ask()
                time.sleep(wait)

        with ThreadPoolExecutor(20) as visitors:
            list(visitors.map(visit, [[gaps.uniform(0.9, 1.1) for _ in range(3)] for _ in range(20)]))


def test_one_address_cannot_have_it_all(edge, start_nginx, poll):
    edge.sim.always(Answer.text("word").silent(30, at="before_headers"))
    upstream = f"127.0.0.1:{edge.gateway.port}"
    body = asked(0)
    request = head("content-type: application/json", f"content-length: {len(body)}") + body
    with start_nginx(upstream, {"limit_conn address 100;": "limit_conn address 2;"}) as nginx, ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(nginx.connect()).sendall(request)
        poll(lambda: len(edge.sim.log) == 2, 5, "two calls run")
        found = nginx.raw(request)
        found.refuses(429, "rate_limit_error")
        assert "x-should-retry" not in found.headers


def test_a_gateway_that_is_not_there_is_told_so(start_nginx):
    with start_nginx("127.0.0.1:1") as nginx:
        found = nginx.raw(head("content-length: 0"))
    found.refuses(502, "api_error")
    assert found.headers["gateway-error"] == "unavailable"


def test_logs_hold_no_key_and_no_query(edge, poll):
    edge.nginx.ask("/v1/messages?key=in-the-query")
    edge.nginx.raw(head("content-length: 0", path="/nowhere?key=in-the-query"))
    for server in (edge.nginx, edge.gateway):
        poll(lambda server=server: "/nowhere" in server.said(), 5, "the log has it")
        assert "in-the-query" not in server.said()
        assert "sk-deploy-tests" not in server.said()


def test_every_line_of_the_log_is_json_and_leads_to_the_call(edge, poll):
    with edge.nginx.client() as client:
        answer = edge.nginx.send(client)
        answer.read()
    call = answer.headers["gateway-call-id"]
    poll(lambda: call in edge.nginx.said(), 5, "the log has it")
    line = next(json.loads(line) for line in edge.nginx.said().splitlines() if call in line)
    assert (line["status"], line["asked"]) == (200, "POST /v1/messages")


def test_refusals_are_logged_as_what_was_asked(edge, poll):
    refused = edge.nginx.raw(head(f"content-length: {LIMIT + 1}", path="/v1/refused?key=in-the-query"))
    poll(lambda: refused.headers["request-id"] in edge.nginx.said(), 5, "the log has it")
    line = next(json.loads(line) for line in edge.nginx.said().splitlines() if refused.headers["request-id"] in line)
    assert (line["status"], line["asked"]) == (413, "POST /v1/refused")


def test_many_streams_at_once_lose_nothing(edge):
    edge.sim.always(Answer.text("word " * 20, chunks=8).drip(400, 20))
    seen = []

    def read():
        with edge.nginx.client() as client:
            answer = edge.nginx.send(client, STREAM)
            seen.append(answer.read().count(b"event: message_stop"))

    threads = [threading.Thread(target=read) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [1] * 24
