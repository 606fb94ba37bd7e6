"""Whose fault it is decides the status; what is shown keeps its wording and loses its secrets."""

import re

import pytest

from gateway import errors
from gateway.errors import (
    KINDS,
    BudgetExceeded,
    ClientLeft,
    ConfigError,
    GatewayError,
    RateLimited,
    Refusal,
    UpstreamError,
    UpstreamRefused,
)

CLASSES = [
    one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, GatewayError)
]  # fmt: skip


def drawn():
    """The tree at the top of the module as pairs of name and status."""
    return re.findall(r"[├└]── (\w+)(?: +(\d{3})?)?", errors.__doc__)


def test_the_tree_at_the_top_is_the_tree():
    assert {name for name, _ in drawn()} == {one.__name__ for one in CLASSES} - {"GatewayError"}
    for name, status in drawn():
        if status:
            assert getattr(errors, name).status == int(status)


@pytest.mark.parametrize(
    ("name", "status", "kind", "retry"),
    [
        ("InvalidRequest", 400, "invalid_request_error", False),
        ("UnknownParameter", 400, "invalid_request_error", False),
        ("UnsupportedCapability", 400, "invalid_request_error", False),
        ("Unauthenticated", 401, "authentication_error", False),
        ("Forbidden", 403, "permission_error", False),
        ("UnknownModel", 404, "not_found_error", False),
        ("TooLarge", 413, "request_too_large", False),
        ("UnsupportedMedia", 415, "invalid_request_error", False),
        ("RateLimited", 429, "rate_limit_error", None),
        ("BudgetExceeded", 429, "billing_error", False),
        ("NotSupported", 501, "not_supported", False),
        ("Unavailable", 503, "api_error", None),
        ("UpstreamError", 502, "api_error", None),
        ("UpstreamRefused", 502, "api_error", None),
        ("Unreachable", 502, "api_error", None),
        ("Garbled", 502, "api_error", None),
        ("UpstreamTimeout", 504, "timeout_error", None),
        ("ConfigError", 500, "api_error", None),
    ],
)
def test_each_error_has_its_status_kind_and_word_on_retries(name, status, kind, retry):
    error = getattr(errors, name)("why")
    assert (error.status, error.kind, error.should_retry, error.message) == (status, kind, retry, "why")


def test_every_error_that_clients_see_has_its_own_machine_word():
    shown = [one for one in CLASSES if not issubclass(one, ConfigError) and one is not Refusal]
    assert len({one.code for one in shown}) == len(shown)


def test_every_party_has_its_branch():
    assert issubclass(RateLimited, Refusal)
    assert issubclass(UpstreamRefused, UpstreamError)
    assert not issubclass(UpstreamError, Refusal)
    assert not issubclass(ClientLeft, GatewayError)


def test_a_hosts_own_status_and_kind_are_kept():
    error = UpstreamRefused("too long", status=400, kind="invalid_request_error", retry_after=3, details={"a": 1})
    assert (error.status, error.kind, error.retry_after, error.details) == (400, "invalid_request_error", 3, {"a": 1})
    assert UpstreamRefused("x", status=529).kind == "overloaded_error"
    assert UpstreamRefused("x", status=418).kind == "api_error"


def test_a_budget_says_when_it_resets():
    error = BudgetExceeded("spent", retry_after=60, param="model")
    assert (error.kind, error.retry_after, error.param) == ("billing_error", 60, "model")


def test_statuses_have_the_apis_own_words():
    assert KINDS[413] == "request_too_large"
    assert KINDS[529] == "overloaded_error"
