"""What a host does that speaks the dialect plainly: events, faults, counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import strictjson
from gateway.errors import Garbled, NotSupported
from gateway.provider import Provider, seconds
from gateway.redaction import Redaction
from gateway.testing import make_call, make_deployment


class Plain(Provider):
    name = "plain"


class Answer:
    """What a provider sees of an answer."""

    status = 200
    headers = {}

    def __init__(self, *pieces):
        self.pieces = pieces

    def chunks(self):
        yield from self.pieces

    def read(self):
        return b"".join(self.pieces)


HOST = Plain()


def fault(status, body=b"", **headers):
    return HOST.fault(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def error(kind, message, **more):
    return strictjson.dumps({"type": "error", "error": {"type": kind, "message": message, **more}, "request_id": "r"})


def test_an_error_keeps_status_kind_and_wording():
    told = fault(400, error("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"))
    assert (told.status, told.kind) == (400, "invalid_request_error")
    assert told.message == "prompt is too long: 210000 tokens > 200000 maximum"
    assert (told.retry_after, told.should_retry, told.ours, told.details) == (None, None, False, {})


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (402, "billing_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (409, "conflict_error"),
        (413, "request_too_large"),
        (418, "api_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (504, "timeout_error"),
        (529, "overloaded_error"),
    ],
)
def test_a_status_without_a_body_has_its_kind(status, kind):
    told = fault(status)
    assert (told.status, told.kind) == (status, kind)
    assert told.message == f"The host answered with status {status}."


@pytest.mark.parametrize("status", [201, 204, 301, 302, 307, 308, 600, 999, 100])
def test_a_status_that_is_no_error_is_the_hosts_failure(status):
    assert fault(status).status == 502


def test_only_a_refused_credential_is_ours():
    assert fault(401, error("authentication_error", "invalid x-api-key")).ours
    assert not fault(403, error("permission_error", "no")).ours


def test_accounts_and_hosts_are_cleaned_out_of_the_wording():
    told = fault(403, error("permission_error", "arn:aws:iam::123456789012:user/x at https://h.example/ may not"))
    assert told.message.startswith("arn:")
    assert told.error(Redaction()).message == "[removed] at [removed] may not"


def test_a_fault_becomes_an_error_with_everything_that_the_host_said():
    told = fault(
        429, error("rate_limit_error", "slow", details={"who": "acme"}), retry_after="7", x_should_retry="false"
    )
    raised = told.error(Redaction(lambda: ["acme"]))
    assert (raised.status, raised.kind, raised.message) == (429, "rate_limit_error", "slow")
    assert (raised.retry_after, raised.should_retry, raised.details) == (7, False, {"who": "[removed]"})


def test_the_host_of_a_deployment_is_private():
    assert [*HOST.private(make_deployment(settings={"api_base": "https://acme.example:1/v1"}))] == ["acme.example"]
    assert [*HOST.private(make_deployment())] == []
    assert HOST.public_name("any-1") == "any-1"


def test_retry_hints_are_read():
    told = fault(429, error("rate_limit_error", "slow down"), retry_after="7", x_should_retry="true")
    assert (told.retry_after, told.should_retry) == (7, True)
    assert fault(529, x_should_retry="false").should_retry is False
    assert fault(529, x_should_retry="perhaps").should_retry is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [("7", 7), ("0", 0), ("0.2", 1), ("1.0", 1), (" 3 ", 3), ("-5", 0), ("1e2", 100), ("", None), (None, None),
     ("soon", None), ("nan", None), ("inf", None), ("-inf", None), ("Wed, 21 Oct 2026 07:28:00 GMT", None)],
)  # fmt: skip
def test_seconds_are_whole_or_nothing(text, expected):
    assert seconds(text) == expected


@given(st.text())
def test_no_hint_whatever_breaks_an_error(text):
    assert seconds(text) is None or seconds(text) >= 0


def test_machine_readable_details_come_along():
    assert fault(400, error("x", "y", details={"error_code": "z"})).details == {"error_code": "z"}
    assert fault(400, error("x", "y", details=["z"])).details == {}


json = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda one: st.lists(one) | st.dictionaries(st.sampled_from(["error", "type", "message", "details"]), one), max_leaves=6)  # fmt: skip


@given(st.integers(100, 999), st.binary(max_size=50) | json.map(lambda value: repr(value).encode()) | json.map(lambda value: strictjson.dumps_lenient(value) if "\\ud" not in ascii(value) else b""))  # fmt: skip
def test_no_body_whatever_breaks_an_error(status, body):
    told = HOST.fault(status, {}, body)
    assert 400 <= told.status < 600
    assert told.message
    assert told.kind


def test_a_whole_answer_is_one_event_named_message():
    (burst,) = HOST.events(make_call(), Answer(b'{"a":', b"1}"))
    (event,) = burst
    assert (event.name, event.data) == ("message", b'{"a":1}')


def test_a_stream_comes_in_bursts():
    frame = b'event: ping\ndata: {"type":"ping"}\n\n'
    answer = Answer(frame + frame, frame[:5], frame[5:])
    assert [len(burst) for burst in HOST.events(make_call({"stream": True}), answer)] == [2, 1]


def test_a_count_is_read_as_the_api_words_it():
    assert HOST.read_count(b'{"input_tokens":12}') == {"input_tokens": 12}


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[1]", b"7", b"null", b'"x"', b'{"tokens":1}', b'{"input_tokens":"many"}']
)
def test_a_count_that_is_none_is_garbled(body):
    with pytest.raises(Garbled):
        HOST.read_count(body)


def test_a_host_that_cannot_count_says_so():
    with pytest.raises(NotSupported, match="not available on plain") as error:
        HOST.encode_count(make_call())
    assert error.value.status == 501


def test_a_plain_host_adds_nothing():
    assert HOST.served(make_call()) == {}
    assert HOST.check(make_deployment()) is None
    assert HOST.request_id({"request-id": "req_1"}) == "req_1"
    assert HOST.request_id({}) == ""
    assert HOST.passes_unknown_betas is False


@pytest.mark.parametrize("method", [HOST.auth, HOST.encode])
def test_what_only_a_host_knows_is_left_to_it(method):
    with pytest.raises(NotImplementedError):
        method(make_call())
