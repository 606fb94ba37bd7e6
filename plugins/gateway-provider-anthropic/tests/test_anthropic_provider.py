"""The Anthropic API's envelope, its catalog, and its faults."""

import json
from datetime import date

import pytest
from gateway_provider_anthropic import AnthropicPlugin

from gateway import ConfigError, strictjson
from gateway.catalog import BOOKS, Catalog, ModelRow, rows
from gateway.pricing import dollars
from gateway.testing import check_provider, make_call, make_deployment

PROVIDER = AnthropicPlugin().register_provider()


def deployment(**settings):
    loaded = PROVIDER.settings().load({"api_key": "sk-ant-secret", **settings})
    return make_deployment(provider="anthropic", upstream="claude-opus-4-6", settings=loaded)


def error(kind, message="no"):
    return json.dumps({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}).encode()


def test_the_provider_keeps_its_promises():
    check_provider(
        AnthropicPlugin,
        settings={"api_key": "sk-ant-secret"},
        upstream="claude-opus-4-6",
        secrets=["sk-ant-secret"],
        faults={
            (400, error("invalid_request_error")): (400, "invalid_request_error"),
            (403, error("permission_error")): (403, "permission_error"),
            (404, error("not_found_error")): (404, "not_found_error"),
            (413, error("request_too_large")): (413, "request_too_large"),
            (429, error("rate_limit_error")): (429, "rate_limit_error"),
            (500, error("api_error")): (500, "api_error"),
            (504, error("timeout_error")): (504, "timeout_error"),
            (529, error("overloaded_error")): (529, "overloaded_error"),
            (307, b""): (502, "api_error"),
        },
    )


@pytest.mark.parametrize(
    ("base", "url"),
    [
        (None, "https://api.anthropic.com/v1/messages"),
        ("http://127.0.0.1:9", "http://127.0.0.1:9/v1/messages"),
        ("http://127.0.0.1:9/", "http://127.0.0.1:9/v1/messages"),
        ("https://proxy.example/claude/v1", "https://proxy.example/claude/v1/messages"),
        ("https://proxy.example/v1/messages", "https://proxy.example/v1/messages"),
    ],
)
def test_the_address_may_end_in_several_ways(base, url, monkeypatch):
    monkeypatch.delenv("ANTHROPIC_API_BASE", raising=False)
    assert PROVIDER.encode(make_call(deployment=deployment(api_base=base))).url == url


def test_the_usual_variables_stand_in(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_BASE", "http://127.0.0.1:7")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-usual")
    bare = make_deployment(provider="anthropic", settings=PROVIDER.settings().load({}))
    assert PROVIDER.encode(make_call(deployment=bare)).url == "http://127.0.0.1:7/v1/messages"
    assert PROVIDER.auth(bare)._key.reveal() == "sk-ant-usual"
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    with pytest.raises(ConfigError, match="ANTHROPIC_API_KEY is not set"):
        PROVIDER.check(bare)


def test_the_request_carries_version_betas_and_the_upstreams_model():
    call = make_call({"stream": True}, deployment=deployment(), betas=["a-1", "b-2"], version="2026-10-21")
    outbound = PROVIDER.encode(call)
    assert outbound.headers["anthropic-version"] == "2026-10-21"
    assert outbound.headers["anthropic-beta"] == "a-1,b-2"
    assert outbound.headers["accept"] == "text/event-stream"
    assert strictjson.loads(outbound.body) == {**call.body, "model": "claude-opus-4-6"}


def test_counting_has_an_endpoint_of_its_own():
    call = make_call({"system": "s", "tools": []}, deployment=deployment())
    outbound = PROVIDER.encode_count(call)
    assert outbound.url.endswith("/v1/messages/count_tokens")
    assert strictjson.loads(outbound.body) == {**call.body, "model": "claude-opus-4-6"}
    assert PROVIDER.read_count(b'{"input_tokens": 3}') == {"input_tokens": 3}


def test_retry_after_and_details_are_kept():
    fault = PROVIDER.fault(
        429, {"retry-after": "2.2", "x-should-retry": "false"}, error("rate_limit_error", "slow down")
    )
    assert (fault.retry_after, fault.should_retry, fault.message) == (3, False, "slow down")
    body = json.dumps({"error": {"type": "x", "message": "m", "details": {"error_code": "spend"}}}).encode()
    assert PROVIDER.fault(400, {}, body).details == {"error_code": "spend"}


@pytest.mark.parametrize("book", BOOKS)
def test_every_model_has_one_price_on_every_day(book):
    catalog = Catalog({"anthropic": rows("gateway_provider_anthropic")}, book)
    for day in (date(2026, 2, 6), date(2026, 6, 1), date(2026, 11, 22), date(2027, 1, 1)):
        found = catalog.model("anthropic", "claude-opus-4-6", day)
        assert {kind: str(price) for kind, price in found.rates.items()} == {
            "input": "5", "cache_write_5m": "6.25", "cache_write_1h": "10", "cache_read": "0.50", "output": "25",
        }  # fmt: skip


def test_no_old_name_swallows_a_new_one():
    catalog = Catalog({"anthropic": rows("gateway_provider_anthropic")}, "current")
    for name, id_ in {
        "claude-opus-4-20250514": "claude-opus-4-0",
        "claude-opus-4-1-20250805": "claude-opus-4-1",
        "claude-opus-4-5-20251101": "claude-opus-4-5",
        "claude-opus-4-6": "claude-opus-4-6",
        "claude-opus-5": "claude-opus-5",
        "claude-opus-5-5": "claude-opus-5-5",
    }.items():
        assert catalog.model("anthropic", name).id == id_


def test_every_row_says_where_it_comes_from():
    for row in rows("gateway_provider_anthropic"):
        assert row.source
        assert row.checked
        if isinstance(row, ModelRow):
            assert row.rates["cache_write_5m"] == row.rates["input"] * 5 / 4
            assert row.rates["cache_write_1h"] == row.rates["input"] * 2
            assert dollars(row.rates["output"])
