"""The answer on its way out: one status, one head, and errors as what is still possible."""

import math
import time

import pytest

from gateway.call import LeftOut
from gateway.errors import BudgetExceeded, ClientLeft, InvalidRequest, Unreachable
from gateway.reply import Reply, error_headers, visible
from gateway.surface import Messages
from gateway.testing import FakeDoor, make_call

SURFACE = Messages("anthropic-version")


def reply(stream=False, **facts):
    door = FakeDoor()
    one = Reply(door, SURFACE, "req_1")
    one.answer_to(make_call({"stream": stream}, id="req_1", **facts))
    return one, door


def test_every_answer_carries_the_calls_id_under_both_names():
    one, door = reply()
    one.json(b"{}")
    assert door.answer_headers["gateway-call-id"] == door.answer_headers["request-id"] == "req_1"


def test_a_whole_answer_has_its_length_and_the_headers_so_far():
    one, door = reply()
    one.headers["gateway-cost-usd"] = "0.01"
    one.json('{"ü":1}'.encode())
    assert door.status == 200
    assert door.answer_headers["content-type"] == "application/json"
    assert door.answer_headers["content-length"] == "8"
    assert door.answer_headers["gateway-cost-usd"] == "0.01"
    assert door.received == '{"ü":1}'.encode()


def test_a_stream_begins_with_its_first_byte_and_once():
    one, door = reply(stream=True)
    one.stream(b"")
    assert (one.started, door.status) == (False, 0)
    one.stream(b"a")
    one.stream(b"b")
    assert door.status == 200
    assert door.answer_headers["content-type"] == "text/event-stream; charset=utf-8"
    assert door.answer_headers["x-accel-buffering"] == "no"
    assert door.pieces == [b"a", b"b"]


def test_a_sign_of_life_may_be_the_first_byte():
    one, door = reply(stream=True)
    one.keepalive()
    assert door.received == b'event: ping\ndata: {"type":"ping"}\n\n'
    assert one.started


def test_what_does_not_travel_is_named():
    gone = [
        ("dropped-params", "speed"),
        ("dropped-betas", "b-1"),
        ("ignored-params", "seed"),
        ("dropped-params", "x.y"),
    ]
    one, door = reply(left_out=tuple(LeftOut(*one, "why") for one in [*gone, gone[0]]))
    one.json(b"{}")
    assert door.answer_headers["gateway-dropped-params"] == "speed, x.y"
    assert door.answer_headers["gateway-dropped-betas"] == "b-1"
    assert door.answer_headers["gateway-ignored-params"] == "seed"
    assert "gateway-dropped-params" not in FakeDoor().answer_headers


def test_no_client_can_write_a_header_of_its_own():
    one, door = reply(left_out=tuple(LeftOut("dropped-betas", name, "") for name in ("x\r\nset-cookie: a=b", "ключ")))
    one.json(b"{}")
    assert door.answer_headers["gateway-dropped-betas"] == "x??set-cookie: a=b, ????"
    assert visible("a\x00b\x7fü") == "a?b??"
    assert len(visible("x" * 10_000)) == 500


def test_an_error_before_the_first_byte_is_a_status():
    one, door = reply(stream=True)
    one.fail(BudgetExceeded("spent", retry_after=60))
    assert door.status == 429
    assert door.answer_headers["gateway-error"] == "budget_exceeded"
    assert door.answer_headers["retry-after"] == "60"
    assert door.answer_headers["x-should-retry"] == "false"
    assert door.answer_headers["content-length"] == str(len(door.received))
    assert b'"billing_error"' in door.received


def test_an_error_after_the_first_byte_is_an_event():
    one, door = reply(stream=True)
    one.keepalive()
    one.fail(Unreachable("broken"))
    assert door.status == 200
    assert door.pieces[1].startswith(b"event: error\n")


def test_a_request_that_was_not_understood_gets_its_error_too():
    door = FakeDoor()
    Reply(door, SURFACE, "req_1").fail(InvalidRequest("no"))
    assert door.status == 400
    assert b'"request_id":"req_1"' in door.received


def test_before_a_call_is_understood_nothing_can_be_written():
    one = Reply(FakeDoor(), SURFACE, "req_1")
    with pytest.raises(LookupError):
        one.keepalive()


def test_only_streams_need_signs_of_life():
    assert reply()[0].wrote_at == math.inf
    one, _ = reply(stream=True)
    before = one.wrote_at
    assert before <= time.monotonic()
    one.stream(b"a")
    assert one.wrote_at >= before


def test_a_client_that_left_is_not_hidden():
    class Gone(FakeDoor):
        def write(self, data):
            raise ClientLeft

    one = Reply(Gone(), SURFACE, "req_1")
    with pytest.raises(ClientLeft):
        one.json(b"{}")


def test_the_watch_looks_at_the_doors_own_socket():
    assert reply()[0].socket is None


@pytest.mark.parametrize(("should", "said"), [(True, "true"), (False, "false"), (None, None)])
def test_the_word_on_retries_is_said_only_if_there_is_one(should, said):
    error = Unreachable("x")
    error.should_retry = should
    headers = error_headers(error)
    assert headers.get("x-should-retry") == said
    assert "retry-after" not in headers
