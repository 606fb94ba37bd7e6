"""The Messages surface: what the client sent stays as it is, and what comes back is the host's own bytes."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import strictjson
from gateway.errors import BudgetExceeded, InvalidRequest, UpstreamRefused
from gateway.limit import Limit, tightest
from gateway.pricing import Bill, Line
from gateway.sse import Event
from gateway.surface import Messages, Surface, Writer, error_object, model_name
from gateway.testing import make_call, make_entry

SURFACE = Messages("anthropic-version")
BODY = {"model": "my-model", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}
DELTA = Event(
    "content_block_delta", b'{ "odd" : "spacing" }', b'event: content_block_delta\ndata: { "odd" : "spacing" }\n\n'
)


def read(body, **headers):
    return SURFACE.read({**BODY, **body}, {name.replace("_", "-"): value for name, value in headers.items()})


def writer(**facts):
    return SURFACE.writer(make_call(model="my-model", id="req_1", **facts))


def paid(amount):
    return make_entry(bill=Bill((Line("input", 1, Decimal(amount), 1, ()),)))


json_values = st.recursive(st.none() | st.booleans() | st.integers(0, 2**53) | st.text(st.characters(exclude_categories=["Cs"])), lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), one, max_size=3))  # fmt: skip


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), json_values, max_size=4))
def test_nothing_is_reordered_or_rewritten(more):
    asked = {**more, **BODY, "tail": more}
    body = SURFACE.read(asked, {}).body
    assert strictjson.dumps(body) == strictjson.dumps(asked)
    assert body is not asked


@pytest.mark.parametrize(
    ("value", "streams"), [(True, True), (False, False), (None, False), (1, False), ("true", False)]
)
def test_only_true_asks_for_a_stream(value, streams):
    assert read({"stream": value}).stream is streams


@pytest.mark.parametrize("version", ["2023-06-01", "2026-10-21"])
def test_the_clients_version_travels(version):
    assert read({}, anthropic_version=version).version == version


@pytest.mark.parametrize("version", ["", "latest", "2023-06-01\n", "2023-06-01,2023-06-01", "bedrock-2023-05-31"])
def test_a_version_that_is_no_date_does_not_travel(version):
    assert read({}, anthropic_version=version).version == ""


@pytest.mark.parametrize("model", [None, "", 7, [], {"a": 1}])
def test_a_body_has_to_name_its_model(model):
    with pytest.raises(InvalidRequest, match=r"^model: Field required") as refused:
        read({"model": model})
    assert refused.value.param == "model"


def test_the_models_name_is_the_clients():
    assert model_name({"model": "x"}) == "x"
    assert read({}).model == "my-model"
    assert (read({}).betas, read({}).ignored, dict(read({}).unsupported)) == ((), (), {})


def test_frames_pass_as_the_bytes_that_came():
    stop = Event("message_stop", b'{"type":"message_stop"}')
    assert writer().events([DELTA, stop]) == DELTA.frame + stop.frame
    assert writer().events([]) == b""


def test_an_answer_names_the_model_that_was_asked_for():
    event = Event("message", b'{"id":"msg_1","model":"upstream-name","usage":{"x":1.10,"y":12345678901234567890123}}')
    written = writer().message(event, make_entry())
    assert written == b'{"id":"msg_1","model":"my-model","usage":{"x":1.10,"y":12345678901234567890123}}'


def test_a_stream_names_the_model_that_was_asked_for():
    start = Event("message_start", b'{"type":"message_start","message":{"id":"msg_1","model":"upstream-name"}}')
    written = writer().events([start, DELTA])
    expected = b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","model":"my-model"}}\n\n'
    assert written == expected + DELTA.frame


@pytest.mark.parametrize("data", [b"[]", b"{}", b'{"message":null}', b'{"message":"text"}'])
def test_an_odd_start_passes_as_it_came(data):
    start = Event("message_start", data)
    assert writer().events([start]) == start.frame


def test_a_stream_ends_with_its_cost_as_a_comment():
    assert writer().end(paid("0.001234")) == b": gateway-cost-usd 0.001234\n\n"
    assert writer().end(make_entry(bill=None)) == b""


def test_a_sign_of_life_is_a_ping():
    assert writer().keepalive == b'event: ping\ndata: {"type":"ping"}\n\n'
    assert Writer.keepalive == b": keepalive\n\n"


def test_an_error_in_a_stream_is_an_error_event():
    told = writer().error(UpstreamRefused("Overloaded", status=529))
    name, data = told.decode().rstrip("\n").split("\n")
    assert name == "event: error"
    assert json.loads(data.removeprefix("data: ")) == {
        "type": "error",
        "error": {"type": "overloaded_error", "message": "Overloaded"},
        "request_id": "req_1",
    }


def test_an_error_before_the_stream_has_the_apis_shape():
    assert json.loads(SURFACE.error(BudgetExceeded("spent", details={"limit": "5"}), "req_2")) == {
        "type": "error",
        "error": {"type": "billing_error", "message": "spent", "details": {"limit": "5"}},
        "request_id": "req_2",
    }
    assert "details" not in error_object(InvalidRequest("no"))["error"]


def test_it_serves_both_paths_under_its_own_header():
    assert SURFACE.paths == {"/v1/messages": "create", "/v1/messages/count_tokens": "count"}
    assert (SURFACE.name, SURFACE.request_id) == ("messages", "request-id")


def test_a_bare_surface_leaves_everything_to_its_package():
    call = make_call()
    for use in (
        lambda: Surface().read({}, {}),
        lambda: Surface().writer(call),
        lambda: Surface().error(InvalidRequest("x"), "req_1"),
        lambda: Writer(call).message(DELTA, make_entry()),
        lambda: Writer(call).events([]),
        lambda: Writer(call).end(make_entry()),
        lambda: Writer(call).error(InvalidRequest("x")),
    ):
        with pytest.raises(NotImplementedError):
            use()


def test_what_is_left_of_limits_stands_in_the_apis_own_headers():
    surface = Messages("anthropic-version", "anthropic-ratelimit")
    told = surface.limit_headers([Limit("requests", 60, 7, 12.5), Limit("tokens", 1000, 0, 0)])
    assert told["anthropic-ratelimit-requests-limit"] == "60"
    assert told["anthropic-ratelimit-requests-remaining"] == "7"
    reset = datetime.fromisoformat(told["anthropic-ratelimit-requests-reset"])
    assert 10 <= (reset - datetime.now(UTC)).total_seconds() <= 13
    assert told["anthropic-ratelimit-tokens-remaining"] == "0"
    assert Messages("anthropic-version").limit_headers([Limit("requests", 1, 1, 1)]) == {}


def test_of_several_limits_the_tightest_of_each_kind_is_told():
    both = [Limit("requests", 60, 7, 1), Limit("requests", 10, 9, 1), Limit("tokens", 5, 5, 1)]
    assert tightest(both) == [both[0], both[2]]
