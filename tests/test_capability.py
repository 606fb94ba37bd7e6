"""Which betas a prepared call sends, and which host lacks what it needs."""

from decimal import Decimal

import pytest

from gateway.call import Need
from gateway.capability import Capabilities
from gateway.catalog import BetaRow, Catalog, GrantRow, ModelRow
from gateway.errors import UnsupportedCapability
from gateway.testing import TestHost, make_call, make_deployment
from gateway.usage import KINDS

RATES = dict.fromkeys(KINDS, Decimal(1))
CATALOG = Catalog(
    {
        "feature": [
            GrantRow(capability="summary", provider="test", betas=("summary-2026-01-12",)),
            GrantRow(capability="speed", provider="elsewhere", betas=("speed-2026-02-01",)),
            GrantRow(capability="free", provider="test"),
        ],
        "provider": [
            BetaRow(token="old-2025-01-01", provider="test", action="rename", to="new-2025-02-02"),
            BetaRow(token="bad-2025-01-01", provider="test", action="drop"),
            BetaRow(token="good-2025-01-01", provider="test", action="forward"),
            ModelRow(provider="test", upstream=("m",), id="m", max_output=1234, rates=RATES),
        ],
    }
)
CAPABILITIES = Capabilities(CATALOG)
SUMMARY = Need("summary", "edits")


def checked(betas=(), needs=(), passes=True, dropped=()):
    call = make_call(betas=list(betas), needs=tuple(needs), dropped_betas=tuple(dropped))
    call = call.toward(call.deployment, CAPABILITIES.grants(call.deployment))
    CAPABILITIES.check(call, TestHost(passes_unknown_betas=passes))
    return call


def test_a_need_brings_its_betas():
    assert checked(needs=[SUMMARY, Need("free", "x")]).betas == ["summary-2026-01-12"]


def test_a_missing_capability_is_refused_with_its_parameter():
    with pytest.raises(
        UnsupportedCapability, match=r"fast: speed is not available for claude-test-1 on test; available on: elsewhere"
    ):
        checked(needs=[Need("speed", "fast")])


def test_rows_say_what_a_host_does_with_a_token():
    call = checked(["old-2025-01-01", "bad-2025-01-01", "good-2025-01-01", "unknown-2030-01-01"], dropped=["before"])
    assert call.betas == ["new-2025-02-02", "good-2025-01-01", "unknown-2030-01-01"]
    assert call.dropped_betas == ("before", "bad-2025-01-01")


def test_a_strict_host_gets_known_tokens_only():
    call = checked(["old-2025-01-01", "good-2025-01-01", "unknown-2030-01-01"], passes=False)
    assert call.betas == ["new-2025-02-02", "good-2025-01-01"]
    assert call.dropped_betas == ("unknown-2030-01-01",)


def test_a_renamed_token_travels_once():
    assert checked(["new-2025-02-02", "old-2025-01-01"]).betas == ["new-2025-02-02"]


def test_only_what_is_lacking_is_missing():
    here = make_deployment()
    lacking = Need("speed", "fast")
    assert CAPABILITIES.missing([SUMMARY, lacking], here) == [lacking]
    assert CAPABILITIES.missing([], here) == []


def test_a_refusal_names_every_host_once():
    error = CAPABILITIES.refusal(SUMMARY, "m", [make_deployment(), make_deployment(), make_deployment(provider="b")])
    assert error.message == "edits: summary is not available for m on test, b; available on: test."


def test_the_catalog_knows_how_much_a_model_writes():
    assert CAPABILITIES.max_output(make_deployment(upstream="m")) == 1234
    assert CAPABILITIES.max_output(make_deployment(upstream="alias", base_model="m")) == 1234
    assert CAPABILITIES.max_output(make_deployment(upstream="unknown")) == 0
