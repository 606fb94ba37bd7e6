"""Claude on Foundry: its addresses, its envelope, its betas and fields, its catalog."""

from datetime import date
from decimal import Decimal

import pytest
from gateway_provider_azure_ai import AzureAiPlugin
from requests import Request

from gateway import ConfigError, UnsupportedCapability, strictjson
from gateway.call import named
from gateway.capability import Capabilities
from gateway.catalog import BOOKS, Catalog, FactorRow, ModelRow, Offer, rows
from gateway.ledger import Settlement
from gateway.testing import check_provider, make_call, make_deployment
from gateway.usage import Usage

PROVIDER = AzureAiPlugin().register_provider()
BASE = "https://contoso.services.ai.azure.com"
ROWS = rows("gateway_provider_azure_ai")
CATALOGS = {book: Catalog({"azure_ai": ROWS}, book) for book in BOOKS}
DAYS = (date(2026, 2, 6), date(2026, 6, 1), date(2026, 11, 25), date(2027, 1, 1))


@pytest.fixture(autouse=True)
def _no_usual_variables(monkeypatch):
    for name in ("AZURE_AI_API_KEY", "AZURE_AI_API_BASE"):
        monkeypatch.delenv(name, raising=False)


def deployment(upstream="claude-opus-4-6", base_model="", **settings):
    loaded = PROVIDER.settings().load({"api_key": "azure-key", "api_base": BASE, **settings})
    return make_deployment(provider="azure_ai", upstream=upstream, base_model=base_model, settings=loaded)


def signed(deployment):
    return Request("POST", BASE, auth=PROVIDER.auth(deployment)).prepare().headers


def settled(call):
    """A call whose betas and fields the core has settled for this host."""
    Capabilities(CATALOGS["announcement"]).check(call, PROVIDER)
    return call


def test_the_provider_keeps_its_promises():
    check_provider(
        AzureAiPlugin,
        settings={"api_key": "azure-key", "api_base": BASE},
        upstream="claude-opus-4-6",
        secrets=["azure-key"],
    )


@pytest.mark.parametrize(
    ("base", "url"),
    [
        (BASE, f"{BASE}/anthropic/v1/messages"),
        (f"{BASE}/", f"{BASE}/anthropic/v1/messages"),
        (f"{BASE}/anthropic", f"{BASE}/anthropic/v1/messages"),
        (f"{BASE}/anthropic/", f"{BASE}/anthropic/v1/messages"),
        (f"{BASE}/anthropic/v1", f"{BASE}/anthropic/v1/messages"),
        (f"{BASE}/anthropic/v1/messages", f"{BASE}/anthropic/v1/messages"),
        (f"{BASE}/v1", f"{BASE}/anthropic/v1/messages"),
        (f"{BASE}/v1/messages/", f"{BASE}/anthropic/v1/messages"),
        ("https://contoso.openai.azure.com", "https://contoso.openai.azure.com/anthropic/v1/messages"),
        ("https://contoso.openai.azure.com/anthropic", "https://contoso.openai.azure.com/anthropic/v1/messages"),
        ("http://127.0.0.1:9", "http://127.0.0.1:9/anthropic/v1/messages"),
        ("https://proxy.example/foundry", "https://proxy.example/foundry/anthropic/v1/messages"),
        ("https://proxy.example/foundry/anthropic", "https://proxy.example/foundry/anthropic/v1/messages"),
        ("https://proxy.example/foundry/v1", "https://proxy.example/foundry/v1/messages"),
        ("https://proxy.example/foundry/v1/messages", "https://proxy.example/foundry/v1/messages"),
        ("https://proxy.example/messages", "https://proxy.example/messages/anthropic/v1/messages"),
    ],
)
def test_the_address_may_end_in_several_ways(base, url):
    call = make_call(deployment=deployment(api_base=base))
    assert PROVIDER.encode(call).url == url
    assert PROVIDER.encode_count(call).url == f"{url}/count_tokens"


def test_the_usual_variables_stand_in(monkeypatch):
    monkeypatch.setenv("AZURE_AI_API_BASE", "https://usual.services.ai.azure.com/anthropic ")
    monkeypatch.setenv("AZURE_AI_API_KEY", " usual-key\n")
    bare = make_deployment(settings=PROVIDER.settings().load({}))
    PROVIDER.check(bare)
    assert PROVIDER.encode(make_call(deployment=bare)).url.startswith(
        "https://usual.services.ai.azure.com/anthropic/v1"
    )
    assert signed(bare)["x-api-key"] == "usual-key"
    assert "usual.services.ai.azure.com" in PROVIDER.private(bare)


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"AZURE_AI_API_KEY": "k"}, "it names no api_base, and the environment variable AZURE_AI_API_BASE is not set"),
        ({"AZURE_AI_API_BASE": BASE}, "no api_key and no azure_credential, .* variable AZURE_AI_API_KEY is not set"),
        ({"AZURE_AI_API_KEY": "k", "AZURE_AI_API_BASE": "contoso"}, "AZURE_AI_API_BASE: Has to be an address"),
    ],
)
def test_a_deployment_without_address_or_key_stops_startup(environ, said, monkeypatch):
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=said):
        PROVIDER.check(make_deployment(settings=PROVIDER.settings().load({})))


def test_the_request_carries_version_betas_and_the_deployments_name():
    host = deployment(upstream="our-claude", base_model="claude-opus-4-6")
    call = make_call({"stream": True}, deployment=host, betas=["a-1", "b-2"], version="2026-10-21")
    outbound = PROVIDER.encode(call)
    assert outbound.headers["anthropic-version"] == "2026-10-21"
    assert outbound.headers["anthropic-beta"] == "a-1,b-2"
    assert outbound.headers["accept"] == "text/event-stream"
    assert strictjson.loads(outbound.body) == {**call.body, "model": "our-claude"}


def test_without_betas_there_is_no_header_for_them():
    assert "anthropic-beta" not in PROVIDER.encode(make_call(deployment=deployment())).headers


def test_the_key_is_sent_once_and_under_no_other_name():
    headers = signed(deployment())
    assert headers["x-api-key"] == "azure-key"
    assert "authorization" not in headers
    assert "api-key" not in headers


def test_counting_sends_the_prompt_and_reads_the_count():
    call = make_call({"system": "s", "tools": []}, deployment=deployment())
    outbound = PROVIDER.encode_count(call)
    assert strictjson.loads(outbound.body) == {**call.body, "model": "claude-opus-4-6"}
    assert outbound.headers["anthropic-version"] == "2023-06-01"
    assert PROVIDER.read_count(b'{"input_tokens": 3}') == {"input_tokens": 3}


def test_a_client_never_sees_the_resource_or_the_identity():
    words = PROVIDER.private(deployment(client_id="app-1", tenant_id="tenant-1"))
    assert set(words) == {"contoso.services.ai.azure.com", "contoso", "app-1", "tenant-1"}


@pytest.mark.parametrize(
    ("upstream", "base_model", "zone", "facts"),
    [
        ("claude-opus-4-6", "", None, {}),
        ("claude-opus-4-6", "", "us", {"inference_geo": "us"}),
        ("claude-opus-5-5-fast", "", None, {"speed": "fast"}),
        ("our-quick-one", "claude-opus-5-5-fast", "us", {"inference_geo": "us", "speed": "fast"}),
        ("breakfast", "claude-opus-5-5", None, {}),
    ],
)
def test_the_type_of_the_deployment_states_place_and_speed(upstream, base_model, zone, facts):
    assert PROVIDER.served(make_call(deployment=deployment(upstream, base_model, data_zone=zone))) == facts


def test_there_is_one_data_zone():
    assert "data_zone" in PROVIDER.settings().validate({"data_zone": "eu"})


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"request-id": "req_1", "apim-request-id": "a", "x-ms-request-id": "m"}, "req_1"),
        ({"apim-request-id": "a", "x-ms-request-id": "m"}, "a"),
        ({"request-id": "", "x-ms-request-id": "m"}, "m"),
        ({}, ""),
    ],
)
def test_the_hosts_id_is_claudes_else_the_platforms(headers, told):
    assert PROVIDER.request_id(headers) == told


# ------------------------------------------------------------------------------------------- betas and fields


@pytest.mark.parametrize(
    "token",
    [
        "claude-code-20250219", "oauth-2025-04-20", "fine-grained-tool-streaming-2025-05-14",
        "token-efficient-tools-2025-02-19", "output-128k-2025-02-19", "advisor-tool-2026-03-01",
        "server-side-fallback-2026-06-01", "server-side-fallback-2026-07-01",
    ],
)  # fmt: skip
def test_tokens_that_are_not_for_this_host_are_dropped_by_name(token):
    call = settled(make_call(deployment=deployment(), betas=[token, "skills-2025-10-02"]))
    assert call.betas == ["skills-2025-10-02"]
    assert named(call.left_out, "dropped-betas") == (token,)


@pytest.mark.parametrize(
    "token",
    [
        "interleaved-thinking-2025-05-14", "structured-outputs-2025-11-13", "advanced-tool-use-2025-11-20",
        "compact-2026-09-04", "per-turn-control-2026-07-01", "brand-new-2027-01-01",
    ],
)  # fmt: skip
def test_other_tokens_travel_known_or_not(token):
    call = settled(make_call(deployment=deployment(), betas=[token]))
    assert PROVIDER.encode(call).headers["anthropic-beta"] == token


def test_a_service_tier_is_left_out_and_named():
    call = settled(make_call({"service_tier": "auto"}, deployment=deployment()))
    assert "service_tier" not in strictjson.loads(PROVIDER.encode(call).body)
    assert named(call.left_out, "ignored-params") == ("service_tier",)


def test_fallbacks_on_the_server_are_refused_with_the_reason():
    with pytest.raises(UnsupportedCapability, match="fallbacks: azure_ai does not take it.*does not fall back"):
        settled(make_call({"fallbacks": "default"}, deployment=deployment()))


def test_a_field_that_nobody_knows_travels():
    call = settled(make_call({"brand_new": 1}, deployment=deployment()))
    assert strictjson.loads(PROVIDER.encode(call).body)["brand_new"] == 1


# ----------------------------------------------------------------------------------------------------- prices


@pytest.mark.parametrize("book", BOOKS)
@pytest.mark.parametrize("day", DAYS)
def test_the_model_of_the_issue_has_one_price_on_every_day(book, day):
    found = CATALOGS[book].model("azure_ai", "claude-opus-4-6", day)
    assert [*map(str, found.rates.values())] == ["5", "6.25", "10", "0.50", "25"]


@pytest.mark.parametrize("book", BOOKS)
@pytest.mark.parametrize("day", DAYS)
def test_the_rates_are_those_of_anthropics_own_api(book, day):
    own = Catalog({"anthropic": rows(pytest.importorskip("gateway_provider_anthropic").__name__)}, book)
    for row in CATALOGS[book].all_models():
        here, there = (CATALOGS[book].model("azure_ai", row.id, day), own.model("anthropic", row.id, day))
        facts = [
            (one.rates, one.tiers, one.surcharge_above, one.window, one.max_output, one.created)
            for one in (here, there)
        ]
        assert facts[0] == facts[1], row.id


def test_no_old_name_swallows_a_new_one():
    for name, id_ in {
        "claude-opus-4-1-20250805": "claude-opus-4-1",
        "claude-opus-4-5-20251101": "claude-opus-4-5",
        "claude-opus-4-6": "claude-opus-4-6",
        "claude-opus-5": "claude-opus-5",
        "claude-opus-5-5": "claude-opus-5-5",
        "claude-fable-5-2": "claude-fable-5-2",
    }.items():
        assert CATALOGS["current"].model("azure_ai", name).id == id_
    for name in ("claude-opus-4-0", "claude-sonnet-4-0", "our-claude"):
        assert CATALOGS["current"].model("azure_ai", name) is None


def bill(host, answered, counts):
    """What the core makes of an answer, with a feature that prices speed as the host states it."""
    adjust = lambda call, one, served: ["fast_mode"] if "speed" in served else []  # noqa: E731 - a hook in one line
    double = FactorRow(reason="fast_mode", provider="azure_ai", times=Decimal(2), when="speed=fast", fact="speed")
    catalog = Catalog({"azure_ai": AzureAiPlugin().register_catalog(), "feature": [double]})
    settlement = Settlement(catalog, adjust, {}, neutral=frozenset(), asked_facts=())
    usage = Usage(raw=dict(counts), model=answered, complete=True)
    call = make_call(deployment=host)
    made, unpriced = settlement.estimate(call, usage, PROVIDER.served(call))
    assert not unpriced
    return made.total


@pytest.mark.parametrize("answered", ["claude-opus-5-5", "claude-opus-5-5-fast", ""])
@pytest.mark.parametrize("host", [("claude-opus-5-5-fast", ""), ("quick", "claude-opus-5-5-fast")])
def test_a_fast_deployment_costs_its_own_price_however_the_host_names_the_model(answered, host):
    def millions(**counts):
        return str(bill(deployment(*host), answered, counts).normalize())

    assert millions(input_tokens=1_000_000) == "8"
    assert millions(cache_creation_input_tokens=1_000_000) == "1E+1"
    assert millions(cache_read_input_tokens=1_000_000) == "0.4"
    assert millions(output_tokens=1_000_000) == "4E+1"
    assert (
        str(bill(deployment("claude-opus-5-5"), answered.removesuffix("-fast"), {"output_tokens": 1_000_000})) == "20"
    )


def test_web_searches_are_counted_one_by_one():
    (meter,) = CATALOGS["current"].meters(Offer("azure_ai", "claude-opus-4-6"), date(2026, 11, 25))
    assert (meter.kind, str(meter.price)) == ("web_search", "0.01")


def test_every_row_says_where_it_comes_from():
    for row in ROWS:
        assert row.source
        assert row.checked
        assert row.provider == "azure_ai"
        if isinstance(row, ModelRow):
            assert row.rates["cache_write_5m"] == row.rates["input"] * 5 / 4
            assert row.rates["cache_write_1h"] == row.rates["input"] * 2
