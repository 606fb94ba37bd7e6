"""The import surface of plugin authors is one sorted list, and it does not change by accident."""

import subprocess
import sys

import pytest

import gateway


def test_the_list_is_sorted_and_whole():
    assert gateway.__all__ == sorted(gateway.__all__)
    assert all(hasattr(gateway, name) for name in gateway.__all__)


def test_the_list_is_pinned():
    assert gateway.__all__ == [
        "Action", "Bearer", "Beta", "BetaRow", "Bill", "BudgetExceeded", "Call", "Claim", "ClaimConflict", "ClientLeft",
        "ConfigError", "Conflict", "Deployment", "Entry", "Event", "Factor", "FactorRow", "Fault", "FieldRow", "Filter",
        "Forbidden", "Garbled", "Gateway", "GatewayError", "Grant", "GrantRow", "Hold", "HostAnswer", "HttpUrl",
        "InvalidRequest", "Limit", "Line", "MeterRow", "ModelRow", "Need", "NotSupported", "Outbound", "Param", "Pass",
        "Permissions", "Principal", "Provider", "RateLimited", "Reading", "Refusal", "Rows", "Saved", "Secret",
        "SecretField", "Surface", "Timings", "Token", "TooLarge", "Unauthenticated", "Unavailable", "Unidentified",
        "UnknownModel", "UnknownParameter", "Unreachable", "UnsupportedCapability", "UnsupportedMedia", "UpstreamError",
        "UpstreamRefused", "UpstreamTimeout", "Usage", "Variant", "Writer", "completion", "dollars", "hookimpl",
        "messages", "rows", "sse", "strictjson",
    ]  # fmt: skip


def test_importing_it_does_not_bring_the_web_server():
    code = "import gateway, sys; print([m for m in ('flask', 'gunicorn', 'click', 'rich', 'yaml') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "['click']"


def test_the_sdk_comes_when_it_is_asked_for():
    from gateway import sdk

    assert (gateway.completion, gateway.messages, gateway.Gateway) == (sdk.completion, sdk.messages, sdk.Gateway)
    with pytest.raises(AttributeError, match="has no attribute 'complete'"):
        gateway.complete  # noqa: B018 - the access is the test
