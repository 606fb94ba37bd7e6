"""How answers travel: every byte that comes over the socket, and how the connection ends."""

import time

import pytest
from gateway_infra_simulator import Answer

SILENCE = 0.1
TEXT = Answer.text("Grüße, 世界 👋", chunks=6)


def parted(data):
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    return lines[0], headers, body


def unchunked(body):
    """The payload of a chunked body, and whether it was complete."""
    payload = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size, 16)
        if not length:
            return payload, rest == b"\r\n"
        payload += rest[:length]
        body = rest[length + 2 :]
    return payload, False


@pytest.fixture
def whole(api, sim):
    """The body of the stream of TEXT, sent in order; ids are fixed so that it is the same every time."""
    answer = TEXT.with_message(id="msg_1")
    sim.queue(answer)
    return answer, api.messages(stream=True).body


def test_streams_are_chunked_and_json_has_a_length(api, sim):
    _, headers, body = parted(api.raw(stream=True)[0])
    assert headers["transfer-encoding"] == "chunked"
    assert unchunked(body)[1]
    _, headers, body = parted(api.raw()[0])
    assert int(headers["content-length"]) == len(body)


@pytest.mark.parametrize("framing", ["chunked", "content-length", "close"])
@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_every_framing_carries_the_same_body(api, sim, framing, stream):
    answer = TEXT.with_message(id="msg_1")
    sim.queue(answer, answer.framed(framing))
    plain, framed = api.messages(stream=stream), api.messages(stream=stream)
    assert framed.body == plain.body
    assert ("content-length" in framed.headers) == (framing == "content-length")
    assert ("transfer-encoding" in framed.headers) == (framing == "chunked")


@pytest.mark.parametrize(("framing", "off"), [("long-length", 10), ("short-length", -10)])
def test_a_length_may_be_wrong(api, sim, framing, off):
    sim.queue(TEXT.framed(framing))
    data, end = api.raw()
    _, headers, body = parted(data)
    assert int(headers["content-length"]) == len(body) + off
    assert (end, headers["connection"]) == ("fin", "close")


def test_a_chunk_size_may_be_no_number(api, sim):
    sim.queue(TEXT.framed("bad-chunk"))
    assert parted(api.raw(stream=True)[0])[2].startswith(b"zz\r\n")


def test_lines_may_end_with_cr_lf(api, sim, whole):
    answer, body = whole
    sim.queue(answer.crlf())
    assert api.messages(stream=True).body == body.replace(b"\n", b"\r\n")


@pytest.mark.parametrize("framing", ["chunked", "content-length", "close"])
@pytest.mark.parametrize("how", ["fin", "rst"])
def test_a_cut_ends_the_body_after_exactly_so_many_bytes(api, sim, whole, framing, how):
    answer, body = whole
    offsets = [0, 1, *range(7, len(body), 101), len(body) - 1, len(body)]
    for offset in offsets:
        sim.queue(answer.framed(framing).cut(offset, how))
        data, end = api.raw(stream=True)
        _, headers, sent = parted(data)
        if framing == "chunked":
            sent, complete = unchunked(sent)
            assert not complete
        assert sent == body[:offset]
        assert end == how
        assert headers.get("content-length", str(len(body))) == str(len(body))


@pytest.mark.parametrize("how", ["fin", "rst"])
@pytest.mark.parametrize("offset", [0, 1, 100])
def test_a_cut_of_the_wire_counts_from_the_status_line(api, sim, how, offset):
    sim.queue(TEXT.cut(offset, how, of="wire"))
    data, end = api.raw(stream=True)
    assert (len(data), end) == (offset, how)
    assert b"HTTP/1.1 200 OK\r\n".startswith(data[:17])


def test_json_can_be_cut_too(api, sim):
    sim.queue(TEXT.cut(20))
    _, headers, body = parted(api.raw()[0])
    assert len(body) == 20 < int(headers["content-length"])


def test_errors_can_be_cut_too(api, sim):
    sim.queue(Answer.error(529).cut(5))
    status, _, body = parted(api.raw()[0])
    assert (status, len(body)) == ("HTTP/1.1 529 Overloaded", 5)


def test_each_byte_by_itself_amounts_to_the_same(api, sim, whole):
    answer, body = whole
    sim.queue(answer.split_each_byte())
    data, _ = api.raw(stream=True)
    chunked = parted(data)[2]
    assert unchunked(chunked) == (body, True)
    assert chunked.count(b"1\r\n") >= len(body)


def test_a_drip_takes_its_time(api, sim):
    answer = Answer.text("x" * 40).with_message(id="msg_1")
    sim.queue(answer, answer.drip(100, 10))
    plain = api.messages(stream=True)
    started = time.monotonic()
    dripped = api.messages(stream=True)
    assert dripped.body == plain.body
    drops = sum(-(-len(frame) // 100) for frame in plain.body.split(b"\n\n")[:-1])
    assert time.monotonic() - started > 0.9 * drops * 0.010


@pytest.mark.parametrize(
    ("at", "events"),
    [
        ("before_headers", None),
        ("after_headers", 0),
        ("after_message_start", 1),
        ("mid_text", 6),
        ("before_message_stop", 11),
    ],
)
def test_a_silence_falls_where_it_should(api, sim, at, events):
    sim.queue(TEXT.silent(60, at))
    with api.opened(stream=True) as peer:
        data = b""
        while events is not None and (b"\r\n\r\n" not in data or data.count(b"event: ") < events):
            data += peer.recv(65536)
    (record,) = sim.wait(1)
    assert len(record.events) == (events or 0)
    assert record.sent == len(data)
    assert record.peer == "closed"


def test_after_a_silence_the_stream_goes_on(api, sim):
    sim.queue(TEXT.silent(SILENCE, "mid_text"))
    started = time.monotonic()
    assert api.messages(stream=True).message["stop_reason"] == "end_turn"
    assert time.monotonic() - started > 0.9 * SILENCE


@pytest.mark.parametrize(
    "at", ["before_headers", "after_headers", "after_message_start", "mid_text", "before_message_stop"]
)
def test_json_can_be_silent_too(api, sim, at):
    sim.queue(TEXT.silent(SILENCE, at))
    started = time.monotonic()
    assert api.messages().json["stop_reason"] == "end_turn"
    assert time.monotonic() - started > 0.9 * SILENCE


def test_raw_bytes_are_all_there_is(api, sim):
    sim.queue(Answer.raw(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n\x00\xff"), Answer.raw(b"").cut(0, "rst"))
    assert api.raw() == (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n\x00\xff", "fin")
    assert api.raw() == (b"", "rst")


def test_a_connection_serves_many_requests_and_closes_when_told(api, sim):
    import http.client
    import json

    peer = http.client.HTTPConnection(api.address.hostname, api.address.port, timeout=10)
    body = json.dumps({"model": "claude-opus-4-6", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]})
    for _ in range(3):
        peer.request("POST", "/v1/messages", body, api.headers())
        answer = peer.getresponse()
        answer.read()
        first = peer.sock
        assert first is not None
    peer.request("POST", "/v1/messages", body, api.headers(connection="close"))
    answer = peer.getresponse()
    answer.read()
    assert answer.getheader("connection") == "close"
    peer.close()


def test_leaving_the_block_ends_every_wait():
    import threading

    from gateway_infra_simulator import Simulator

    ended = threading.Event()
    with Simulator() as sim:
        sim.queue(Answer.text("x").silent(60, "before_headers"))
        from urllib.request import Request, urlopen

        def call():
            body = b'{"model": "claude-opus-4-6", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}'
            headers = {"x-api-key": "sim-key", "anthropic-version": "2023-06-01"}
            try:
                urlopen(Request(f"{sim.url}/v1/messages", body, headers), timeout=30).close()
            except OSError:
                ended.set()

        thread = threading.Thread(target=call)
        thread.start()
        while not sim.log:
            thread.join(0.001)
    thread.join(5)
    assert ended.is_set()
