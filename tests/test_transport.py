"""The one door to the hosts, tried on a real loopback host: pooled, watched, and never talkative about hosts."""

import socket
import struct
import threading
import time
from contextlib import closing

import pytest
import requests
import responses
from requests.auth import AuthBase

from gateway import transport as module
from gateway.errors import ClientLeft, Garbled, Unreachable, UpstreamError, UpstreamTimeout
from gateway.provider import Outbound
from gateway.transport import Transport
from gateway.watch import Timeouts, Watch

PATIENT = Timeouts(connect=5, first_byte=5, idle=5, total=10)
JSON = b"HTTP/1.1 200 OK\r\nrequest-id: req_1\r\ncontent-length: 11\r\n\r\n" + b'{"ok":true}'
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def chunk(data):
    return b"%x\r\n%b\r\n" % (len(data), data)


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise ConnectionResetError  # the host's thread ends, and closing is rude from here on


def hang_up(connection):
    connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def door():
    one = Transport()
    yield one
    one.close()


def to(url, **headers):
    return Outbound("POST", url, {"accept-encoding": "identity", "user-agent": "gateway", **headers}, b'{"a":1}')


def ask(door, url, watch=None, auth=None, **headers):
    return door.send(to(url, **headers), auth, watch or Watch(PATIENT))


def fetch(door, url):
    answer = ask(door, url)
    body = answer.read()
    answer.close()
    return body


class Leaving:
    """A client whose connection the test holds at the other end."""

    wrote_at = float("inf")

    def __init__(self):
        self.socket, self.client = socket.socketpair()

    def keepalive(self):
        raise AssertionError("a JSON client needs no signs of life")

    def leaves(self, after=0.05):
        timer = threading.Timer(after, self.client.close)
        timer.start()
        return timer


def test_a_request_arrives_as_it_was_made(door, host):
    host.says(JSON)
    answer = ask(door, f"{host.url}/v1/messages?beta=true", x_one="1")
    assert (answer.status, answer.headers["Request-Id"]) == (200, "req_1")
    assert answer.read() == b'{"ok":true}'
    ((head, body),) = host.seen
    assert head.startswith("POST /v1/messages?beta=true HTTP/1.1\r\n")
    assert body == b'{"a":1}'
    names = sorted(line.split(":")[0].lower() for line in head.strip().split("\r\n")[1:])
    assert names == ["accept-encoding", "content-length", "host", "user-agent", "x_one"]


def test_the_signature_is_the_last_step_on_finished_bytes(door, host):
    class Sign(AuthBase):
        def __call__(self, request):
            request.headers["x-signature"] = f"{request.method} {len(request.body)} {request.headers['content-length']}"
            return request

    host.says(JSON)
    ask(door, host.url, auth=Sign()).read()
    assert "x-signature: POST 7 7" in host.seen[0][0]


def test_connections_are_used_again_once_read_to_the_end(door, host):
    host.says(JSON)
    host.says(CHUNKED, chunk(b"a"), chunk(b"b"), b"0\r\n\r\n")
    host.says(JSON)
    assert [fetch(door, host.url) for _ in range(3)] == [b'{"ok":true}', b"ab", b'{"ok":true}']
    assert host.connections == 1


def test_a_stream_that_was_left_after_its_last_event_is_used_again(door, host, monkeypatch):
    monkeypatch.setattr(module, "LAST_BYTES", 5)
    ready = threading.Event()

    def step(connection):
        connection.sendall(CHUNKED + chunk(b"last event"))
        ready.wait(5)
        connection.sendall(b"0\r\n\r\n")

    host.does(step)
    host.says(JSON)
    answer = ask(door, host.url)
    assert next(answer.chunks()) == b"last event"
    ready.set()
    answer.finish()
    answer.close()
    fetch(door, host.url)
    assert host.connections == 1


def test_a_host_that_does_not_end_its_stream_is_not_waited_for(door, host):
    host.says(CHUNKED + chunk(b"last event"))
    host.says(JSON)
    answer = ask(door, host.url)
    next(answer.chunks())
    began = time.monotonic()
    answer.finish()
    answer.close()
    assert time.monotonic() - began < 2
    assert host.closed.get(timeout=5)
    assert fetch(door, host.url) == b'{"ok":true}'
    assert host.connections == 2


def test_an_answer_that_is_let_go_closes_its_connection(door, host):
    host.says(CHUNKED + chunk(b"more"))
    answer = ask(door, host.url)
    next(answer.chunks())
    answer.close()
    assert host.closed.get(timeout=5)


def test_a_connection_that_the_host_closed_meanwhile_is_replaced(door, host):
    host.does(lambda connection: (connection.sendall(JSON), hang_up(connection)))
    host.says(JSON)
    assert fetch(door, host.url) == b'{"ok":true}'
    assert host.closed.get(timeout=5)
    assert fetch(door, host.url) == b'{"ok":true}'
    assert host.connections == 2


def test_closing_the_door_closes_idle_connections(host):
    door = Transport()
    host.says(JSON)
    fetch(door, host.url)
    door.close()
    assert host.closed.get(timeout=5)


def test_bytes_come_through_as_soon_as_they_are_there(door, host):
    got = threading.Semaphore(0)

    def step(connection):
        connection.sendall(CHUNKED)
        for piece in (b"one", b"two", b"three"):
            connection.sendall(chunk(piece))
            assert got.acquire(timeout=5)
        connection.sendall(b"0\r\n\r\n")

    host.does(step)
    pieces = []
    for piece in ask(door, host.url).chunks():
        pieces.append(piece)
        got.release()
    assert pieces == [b"one", b"two", b"three"]


def test_a_chunk_may_come_in_pieces(door, host):
    whole = CHUNKED + chunk(b"x" * 50) + chunk(b"y" * 50) + b"0\r\n\r\n"
    host.says(*(whole[start : start + 7] for start in range(0, len(whole), 7)))
    assert fetch(door, host.url) == b"x" * 50 + b"y" * 50


def test_large_requests_arrive_whole(door, host):
    host.says(JSON)
    door.send(Outbound("POST", host.url, {}, b"x" * 3_000_000), None, Watch(PATIENT)).read()
    assert len(host.seen[0][1]) == 3_000_000


def test_large_answers_come_whole(door, host):
    body = b"x" * 3_000_000
    host.says(b"HTTP/1.1 200 OK\r\ncontent-length: 3000000\r\n\r\n", body)
    assert fetch(door, host.url) == body


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(door, host, status):
    host.says(b"HTTP/1.1 %d Moved\r\nlocation: %b/elsewhere\r\ncontent-length: 0\r\n\r\n" % (status, host.url.encode()))
    answer = ask(door, host.url)
    assert (answer.status, answer.read(), len(host.seen)) == (status, b"", 1)


def test_cookies_are_not_kept(door, host):
    host.says(JSON.replace(b"request-id: req_1", b"set-cookie: a=b; path=/"))
    host.says(JSON)
    fetch(door, host.url)
    fetch(door, host.url)
    assert "cookie" not in host.seen[1][0].lower()


def test_the_environment_has_no_say(door, host, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    for name, value in {
        "NETRC": netrc,
        "HTTP_PROXY": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
        "ALL_PROXY": "http://127.0.0.1:9",
        "REQUESTS_CA_BUNDLE": "/nowhere",
    }.items():
        monkeypatch.setenv(name, str(value))
    host.says(JSON)
    fetch(door, host.url)
    assert "authorization" not in host.seen[0][0].lower()


def test_a_proxy_that_the_operator_names_is_used(host):
    door = Transport(proxy=host.url)
    host.says(JSON)
    assert fetch(door, "http://upstream.invalid/v1/messages") == b'{"ok":true}'
    assert host.seen[0][0].startswith("POST http://upstream.invalid/v1/messages HTTP/1.1\r\n")
    door.close()


@pytest.mark.parametrize("encoding", ["gzip", "br", "x-novel"])
def test_a_compressed_answer_is_garbled_and_never_inflated(door, host, encoding):
    host.says(b"HTTP/1.1 200 OK\r\ncontent-encoding: %b\r\ncontent-length: 3\r\n\r\nabc" % encoding.encode())
    with pytest.raises(Garbled, match="compressed"):
        ask(door, host.url).read()


def test_an_answer_that_says_it_is_plain_is_taken(door, host):
    host.says(b"HTTP/1.1 200 OK\r\ncontent-encoding: Identity\r\ncontent-length: 3\r\n\r\nabc")
    assert fetch(door, host.url) == b"abc"


def test_an_answer_without_end_is_garbled(door, host):
    host.says(CHUNKED, *[chunk(b"x" * 1000)] * 5)
    with pytest.raises(Garbled, match="larger than 3000 bytes"):
        ask(door, host.url).read(3000)


def test_an_errors_body_is_read_as_far_as_it_makes_sense(door, host, monkeypatch):
    monkeypatch.setattr(module, "MAX_FAULT", 10)
    host.says(b"HTTP/1.1 400 Bad\r\ncontent-length: 5\r\n\r\nshort")
    host.says(b"HTTP/1.1 400 Bad\r\ncontent-length: 11\r\n\r\nmuch longer")
    host.does(lambda one: (one.sendall(b"HTTP/1.1 500 No\r\ncontent-length: 9\r\n\r\nhalf"), hang_up(one)))
    bodies = []
    for _ in range(3):
        answer = ask(door, host.url)
        bodies.append(answer.read_fault())
        answer.close()
    assert bodies == [b"short", b"", b""]


@pytest.mark.parametrize("leave", [hang_up, reset])
@pytest.mark.parametrize(
    "half",
    [
        b"",
        b"HTTP/1.1 20",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf",
        CHUNKED + b"40\r\nhalf",
        CHUNKED + chunk(b"whole"),
    ],
)
def test_a_connection_that_breaks_is_unreachable(door, host, half, leave):
    host.does(lambda connection: (connection.sendall(half), leave(connection)))
    with pytest.raises(Unreachable) as broken:
        ask(door, host.url).read()
    assert "127.0.0.1" not in str(broken.value)


@pytest.mark.parametrize(
    "head", [b"", b"HTTP/1.1 200 O", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nrequest-id: req_01"]
)
def test_a_head_that_breaks_off_is_no_head(door, host, head):
    host.does(lambda connection: (connection.sendall(head), hang_up(connection)))
    with pytest.raises(Unreachable):
        ask(door, host.url)


def test_an_answer_that_ends_with_its_connection_is_whole(door, host):
    host.does(lambda connection: (connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nall of it"), hang_up(connection)))
    assert fetch(door, host.url) == b"all of it"


@pytest.mark.parametrize("head", [b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 banana\r\n\r\n", b"\x00" * 100 + b"\r\n\r\n"])
def test_a_host_that_speaks_no_http_is_an_upstream_error(door, host, head):
    host.does(lambda connection: (connection.sendall(head), hang_up(connection)))
    with pytest.raises(UpstreamError):
        ask(door, host.url).read()


def test_nobody_at_the_address_costs_nothing(door):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    watch = Watch(PATIENT)
    with pytest.raises(Unreachable) as nobody:
        ask(door, f"http://127.0.0.1:{port}", watch)
    assert not watch.sent
    assert str(port) not in str(nobody.value)


def test_a_request_that_left_is_known_to_have_left(door, host):
    host.does(hang_up)
    watch = Watch(PATIENT)
    with pytest.raises(Unreachable):
        ask(door, host.url, watch)
    assert watch.sent


def test_a_host_that_never_answers_is_given_up(door, host):
    watch = Watch(Timeouts(first_byte=0.05))
    with pytest.raises(UpstreamTimeout, match=r"silent for 0\.05 s"):
        ask(door, host.url, watch)
    assert host.closed.get(timeout=5)
    assert watch.waited >= 0.05


def test_a_host_that_falls_silent_is_given_up(door, host):
    host.says(CHUNKED + chunk(b"one"))
    answer = ask(door, host.url, Watch(Timeouts(idle=0.05)))
    chunks = answer.chunks()
    assert next(chunks) == b"one"
    with pytest.raises(UpstreamTimeout, match=r"silent for 0\.05 s"):
        next(chunks)
    answer.close()
    assert host.closed.get(timeout=5)


@pytest.mark.parametrize("head", [b"", CHUNKED, CHUNKED + chunk(b"one")])
def test_a_client_that_leaves_ends_the_attempt_within_a_second(door, host, head):
    host.says(head)
    client = Leaving()
    timer = client.leaves()
    began = time.monotonic()
    with pytest.raises(ClientLeft), closing(ask(door, host.url, Watch(PATIENT, client))) as answer:
        answer.read()
    assert host.closed.get(timeout=5)
    assert time.monotonic() - began < 1
    timer.join()
    client.socket.close()


def test_one_clients_leaving_is_nobody_elses_business(door, host):
    answered, gone = [], threading.Event()
    for _ in range(5):
        host.does(lambda connection: gone.wait(5) and connection.sendall(JSON))

    def work(client):
        try:
            answered.append(ask(door, host.url, Watch(PATIENT, client)).read())
        except ClientLeft:
            answered.append(None)
            gone.set()

    clients = [Leaving() for _ in range(5)]
    threads = [threading.Thread(target=work, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    clients[2].client.close()
    for thread in threads:
        thread.join(10)
    assert sorted(answered, key=str) == [None, *[b'{"ok":true}'] * 4]
    for client in clients:
        client.socket.close()
        client.client.close()


@responses.activate
@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (requests.ConnectTimeout("host.example timed out"), UpstreamTimeout),
        (requests.ReadTimeout("host.example timed out"), UpstreamTimeout),
        (requests.exceptions.SSLError("host.example: certificate verify failed"), Unreachable),
        (requests.ConnectionError("host.example refused"), Unreachable),
        (requests.exceptions.ChunkedEncodingError("host.example broke"), Unreachable),
        (requests.exceptions.InvalidProxyURL("host.example"), Unreachable),
        (OSError("host.example"), Unreachable),
        (ValueError("host.example"), Unreachable),
    ],
)
def test_the_libraries_failures_become_ours_without_their_texts(door, failure, kind):
    responses.post("http://host.example/", body=failure)
    with pytest.raises(kind) as translated:
        ask(door, "http://host.example/")
    assert "host.example" not in translated.value.message


@responses.activate
def test_a_mocked_host_is_read_like_any_other(door):
    responses.post("http://host.example/", b"x" * 200_000, headers={"request-id": "r"})
    answer = ask(door, "http://host.example/")
    assert (answer.headers["REQUEST-ID"], len(answer.read())) == ("r", 200_000)


def test_time_spent_waiting_is_not_ours(door, host):
    host.does(lambda connection: (time.sleep(0.1), connection.sendall(JSON)))
    watch = Watch(PATIENT)
    ask(door, host.url, watch).read()
    assert 0.1 <= watch.waited < 2
