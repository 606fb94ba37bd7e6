"""Errors in OpenAI's words."""

import json

import pytest
from gateway_surface_chat import Chat

from gateway import (
    BudgetExceeded,
    Forbidden,
    GatewayError,
    InvalidRequest,
    NotSupported,
    RateLimited,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UnknownModel,
    UnknownParameter,
    Unreachable,
    UnsupportedCapability,
    UpstreamRefused,
    UpstreamTimeout,
)
from gateway.testing import make_call

INVALID = "invalid_request_error"


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (InvalidRequest("No."), INVALID, None),
        (UnknownParameter("No."), INVALID, "unknown_parameter"),
        (UnsupportedCapability("No."), INVALID, "unsupported_parameter"),
        (Unauthenticated("No."), INVALID, "invalid_api_key"),
        (Forbidden("No."), "permission_error", "permission_denied"),
        (UnknownModel("No."), INVALID, "model_not_found"),
        (TooLarge("No."), INVALID, "request_too_large"),
        (RateLimited("No."), "rate_limit_error", "rate_limit_exceeded"),
        (BudgetExceeded("No."), "insufficient_quota", "insufficient_quota"),
        (NotSupported("No."), INVALID, "not_supported"),
        (Unavailable("No."), "server_error", None),
        (Unreachable("No."), "server_error", None),
        (UpstreamTimeout("No."), "server_error", "timeout"),
        (GatewayError("No."), "server_error", None),
        (UpstreamRefused("No.", status=529), "server_error", "overloaded"),
        (UpstreamRefused("No.", status=429), "rate_limit_error", "rate_limit_exceeded"),
        (UpstreamRefused("No.", status=402), "insufficient_quota", "insufficient_quota"),
        (UpstreamRefused("No.", status=409), INVALID, None),
        (UpstreamRefused("prompt is too long: 2 tokens > 1 maximum", status=400), INVALID, "context_length_exceeded"),
        (UpstreamRefused("prompt is too long", status=500), "server_error", None),
    ],
)
def test_every_error_has_a_type_and_a_code(error, kind, code):
    told = json.loads(Chat().error(error, "req_1"))
    assert told == {"error": {"message": error.message, "type": kind, "param": None, "code": code}}


def test_the_place_and_machine_readable_facts_are_told():
    error = InvalidRequest("speed: no.", param="speed", details={"capability": "novelty"})
    told = json.loads(Chat().error(error, "req_1"))["error"]
    assert told["param"] == "speed"
    assert told["details"] == {"capability": "novelty"}


def test_an_error_in_a_stream_is_its_last_word(ask):
    data = Chat().writer(make_call(asked=ask())).error(UpstreamRefused("Busy.", status=529))
    assert data.startswith(b'data: {"error":{"message":"Busy."')
    assert data.endswith(b"}}\n\n")
    assert b"[DONE]" not in data


def test_a_sign_of_life_is_a_comment(ask):
    assert Chat().writer(make_call(asked=ask())).keepalive.startswith(b": ")
