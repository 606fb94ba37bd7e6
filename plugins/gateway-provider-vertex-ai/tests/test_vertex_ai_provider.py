"""Vertex AI's envelope: addresses, bodies, betas, facts, faults and rows."""

import json
from datetime import date

import pytest
from gateway_provider_vertex_ai import Settings, VertexAI, VertexAIPlugin
from requests import Request

from gateway import Bearer, ConfigError, Event, ModelRow, strictjson
from gateway.call import LeftOut
from gateway.capability import Capabilities
from gateway.catalog import BOOKS, BetaRow, Catalog, FieldRow, rows
from gateway.errors import UnsupportedCapability
from gateway.redaction import Redaction
from gateway.testing import check_provider, make_call, make_deployment, parse_stream, sample_stream

PROVIDER = VertexAI()
MODEL = "claude-opus-4-6"
SAID = {"vertex_project": "some-project", "vertex_location": "us-east5"}
TAIL = "publishers/anthropic/models/claude-opus-4-6:rawPredict"
REGION = f"projects/some-project/locations/us-east5/{TAIL}"


def deployment(upstream=MODEL, **settings):
    return make_deployment(provider="vertex_ai", upstream=upstream, settings=Settings().load({**SAID, **settings}))


def url(**facts):
    return PROVIDER.encode(make_call(deployment=deployment(**facts))).url


def googles(status, message="no", details=(), code=0, *, array=False):
    error = {"error": {"code": code, "message": message, "status": status, "details": list(details)}}
    return json.dumps([error] if array else error).encode()


def claudes(kind, message="no"):
    body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_vrtx_1"}
    return json.dumps(body).encode()


def test_the_provider_keeps_its_promises(account):
    check_provider(
        VertexAIPlugin,
        settings={**SAID, "vertex_credentials": account},
        upstream=MODEL,
        secrets=["ya29.token"],
        faults=FAULTS,
    )


# ------------------------------------------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("global", "aiplatform.googleapis.com"),
        ("us", "aiplatform.us.rep.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
        ("us-east5", "us-east5-aiplatform.googleapis.com"),
        ("europe-west1", "europe-west1-aiplatform.googleapis.com"),
    ],
)
def test_the_location_decides_the_host(location, host):
    assert url(vertex_location=location) == f"https://{host}/v1/projects/some-project/locations/{location}/{TAIL}"


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("http://127.0.0.1:9", f"http://127.0.0.1:9/v1/{REGION}"),
        ("http://127.0.0.1:9/", f"http://127.0.0.1:9/v1/{REGION}"),
        ("https://proxy.example/v1", f"https://proxy.example/v1/{REGION}"),
        ("https://proxy.example/v1beta1/", f"https://proxy.example/v1beta1/{REGION}"),
        ("https://proxy.example/vertex", f"https://proxy.example/vertex/v1/{REGION}"),
        ("https://proxy.example/vertex/v1", f"https://proxy.example/vertex/v1/{REGION}"),
        (f"https://private.example/v1/projects/p/locations/eu/{TAIL}".removesuffix(":rawPredict"), None),
        (f"https://private.example/v1/projects/p/locations/eu/{TAIL}", None),
        ("https://proxy.example/models/claude-opus-4-6", "https://proxy.example/models/claude-opus-4-6:rawPredict"),
    ],
)
def test_the_address_may_end_in_several_ways(base, expected):
    expected = expected or f"https://private.example/v1/projects/p/locations/eu/{TAIL}"
    assert url(api_base=base) == expected


def test_the_verb_says_whether_it_is_a_stream():
    call = make_call({"stream": True}, deployment=deployment())
    assert PROVIDER.encode(call).url.endswith("/claude-opus-4-6:streamRawPredict")
    full = deployment(api_base=f"https://private.example/v1/{REGION}")
    assert PROVIDER.encode(make_call({"stream": True}, deployment=full)).url.endswith("-6:streamRawPredict")


@pytest.mark.parametrize(
    ("upstream", "segment"),
    [
        ("claude-opus-4-5@20251101", "claude-opus-4-5@20251101"),
        ("claude-opus-4-6@default", "claude-opus-4-6@default"),
        ("x;y", "x%3By"),
        ("../../../evil", "..%2F..%2F..%2Fevil"),
        ("x:predict?y#z", "x%3Apredict%3Fy%23z"),
        ("x%2F..", "x%252F.."),
        ("ä b", "%C3%A4%20b"),
    ],
)
def test_a_models_name_never_leaves_its_segment(upstream, segment):
    assert url(upstream=upstream).endswith(f"/publishers/anthropic/models/{segment}:rawPredict")


@pytest.mark.parametrize(
    "location", ["", "us/east5", "us-east5.evil.example/", "us east5", "-us", "US", "us-", "a" * 41]
)
def test_a_location_that_is_no_word_stops_startup(location, account):
    with pytest.raises(ConfigError, match="vertex_location"):
        PROVIDER.check(deployment(vertex_location=location, vertex_credentials=account))


@pytest.mark.parametrize("project", ["a/b", "..", "a?b", "a b", "-a", "a" * 120, "ä"])
def test_a_project_that_is_no_word_stops_startup(project, account):
    with pytest.raises(ConfigError, match="vertex_project: "):
        PROVIDER.check(deployment(vertex_project=project, vertex_credentials=account))
    with pytest.raises(ConfigError, match="quota_project: "):
        PROVIDER.check(deployment(quota_project=project, vertex_credentials=account))


def test_a_project_of_a_domain_is_one_segment():
    assert "/projects/example.com%3Aours/locations/" in url(vertex_project="example.com:ours")


@pytest.mark.parametrize(
    ("base", "problem"),
    [
        ("https://private.example/v1/projects/p/locations/eu", "stops inside the model's path"),
        ("https://private.example/v1/projects/p/locations/eu/publishers/anthropic/models/", "stops inside"),
        ("https://private.example/models/claude-opus-5", "names 'claude-opus-5', but the deployment is for"),
        ("https://private.example/locations/..%2F/models/claude-opus-4-6", "vertex_location"),
    ],
)
def test_an_address_that_does_not_fit_stops_startup(base, problem, account):
    with pytest.raises(ConfigError, match=problem):
        PROVIDER.check(deployment(api_base=base, vertex_credentials=account))


def test_the_usual_variables_stand_in(monkeypatch, account):
    bare = make_deployment(
        provider="vertex_ai", upstream=MODEL, settings=Settings().load({"vertex_credentials": account})
    )
    with pytest.raises(ConfigError, match="names no vertex_location"):
        PROVIDER.check(bare)
    provider = VertexAI()
    assert "/projects/project-of-the-credentials/" in provider.encode(make_call(deployment=bare)).url
    for variable, location in (("CLOUD_ML_REGION", "eu"), ("VERTEXAI_LOCATION", "us"), ("VERTEX_LOCATION", "global")):
        monkeypatch.setenv(variable, location)
        assert f"/projects/some-project/locations/{location}/" in PROVIDER.encode(make_call(deployment=bare)).url
    for variable in ("ANTHROPIC_VERTEX_PROJECT_ID", "GOOGLE_CLOUD_PROJECT", "VERTEXAI_PROJECT", "VERTEX_PROJECT"):
        monkeypatch.setenv(variable, variable.lower().replace("_", "-"))
        assert variable.lower().replace("_", "-") in PROVIDER.encode(make_call(deployment=bare)).url
    for variable, base in (("VERTEXAI_API_BASE", "http://127.0.0.1:7"), ("VERTEX_API_BASE", "http://127.0.0.1:8")):
        monkeypatch.setenv(variable, base)
        assert PROVIDER.encode(make_call(deployment=bare)).url.startswith(f"{base}/v1/projects/")
    PROVIDER.check(bare)
    monkeypatch.setenv("VERTEX_API_BASE", "nonsense")
    with pytest.raises(ConfigError, match="api_base: Has to be an address"):
        PROVIDER.check(bare)


def test_without_a_project_anywhere_startup_stops(account):
    nobody = {name: value for name, value in account.items() if name != "project_id"}
    with pytest.raises(ConfigError, match="names no vertex_project"):
        PROVIDER.check(deployment(vertex_project="", vertex_credentials=nobody))


# ---------------------------------------------------------------------------------------------------- bodies


def test_the_model_stands_in_the_url_and_the_version_in_the_body():
    call = make_call({"system": "s", "anthropic_version": "2026-10-21"}, deployment=deployment(), version="2026-10-21")
    outbound = PROVIDER.encode(call)
    expected = {**call.body, "anthropic_version": "vertex-2023-10-16"}
    del expected["model"]
    assert strictjson.loads(outbound.body) == expected
    assert "anthropic-version" not in outbound.headers
    assert "anthropic-beta" not in outbound.headers
    assert outbound.headers["accept"] == "application/json"


def test_a_stream_is_said_in_the_body_too():
    for body in ({"stream": True}, {}):
        outbound = PROVIDER.encode(make_call(body, deployment=deployment(), stream=True))
        assert strictjson.loads(outbound.body)["stream"] is True
        assert outbound.headers["accept"] == "text/event-stream"


def test_counting_keeps_the_model_in_the_body_without_its_version():
    call = make_call({"tools": []}, deployment=deployment("claude-opus-4-5@20251101"))
    outbound = PROVIDER.encode_count(call)
    assert outbound.url.endswith("/us-east5/publishers/anthropic/models/count-tokens:rawPredict")
    body = {**call.body, "model": "claude-opus-4-5", "anthropic_version": "vertex-2023-10-16"}
    assert strictjson.loads(outbound.body) == body
    assert PROVIDER.read_count(b'{"input_tokens": 3}') == {"input_tokens": 3}
    full = deployment(api_base=f"https://private.example/v1/{REGION}")
    counted = PROVIDER.encode_count(make_call(deployment=full)).url
    assert counted == f"https://private.example/v1/{REGION}".replace(MODEL, "count-tokens")


def test_betas_go_into_the_header():
    outbound = PROVIDER.encode(make_call(deployment=deployment(), betas=["a-1", "b-2"]))
    assert outbound.headers["anthropic-beta"] == "a-1,b-2"
    assert b"anthropic_beta" not in outbound.body


@pytest.mark.parametrize(
    ("tools", "betas", "expected"),
    [
        ([{"type": "web_search_20250305", "name": "web_search"}], [], "web-search-2025-03-05"),
        ([{"name": "f"}, {"type": "web_search_20260209"}], ["a-1"], "a-1,web-search-2025-03-05"),
        ([{"type": "web_search_20250305"}], ["web-search-2025-03-05"], "web-search-2025-03-05"),
        ([{"type": "web_fetch_20250910"}, {"type": 7}, 7], [], None),
        ("tools", [], None),
    ],
)
def test_web_search_takes_its_token_along_but_not_for_counting(tools, betas, expected):
    call = make_call({"tools": tools}, deployment=deployment(), betas=betas)
    assert PROVIDER.encode(call).headers.get("anthropic-beta") == expected
    assert "web-search" not in PROVIDER.encode_count(call).headers.get("anthropic-beta", "")


def test_headers_of_the_client_cannot_replace_ours():
    call = make_call(deployment=deployment(), headers={"x-trace": "1", "user-agent": "theirs"})
    assert PROVIDER.encode(call).headers["x-trace"] == "1"
    assert PROVIDER.encode(call).headers["user-agent"] == "gateway"


def signed(provider, **settings):
    return Request("POST", "http://host/", auth=provider.auth(deployment(**settings))).prepare()


def test_the_quota_project_is_said_when_it_signs(google, account, monkeypatch):
    user = {"type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "r"}
    monkeypatch.setattr(Bearer, "token", lambda self: "token")
    for credentials, said, expected in (
        (account, "", None),
        (account, "payer", "payer"),
        (user | {"quota_project_id": "other"}, "", "other"),
        (user | {"quota_project_id": "other"}, "payer", "payer"),
    ):
        request = signed(PROVIDER, vertex_credentials=credentials, quota_project=said)
        assert request.headers.get("x-goog-user-project") == expected
        assert request.headers["authorization"] == "Bearer token"
    monkeypatch.setenv("GOOGLE_CLOUD_QUOTA_PROJECT", "usual")
    assert signed(PROVIDER, vertex_credentials=account).headers["x-goog-user-project"] == "usual"


def test_deployments_with_one_credential_share_its_token(account, google):
    provider = VertexAI()
    for location in ("global", "us-east5"):
        request = signed(provider, vertex_credentials=account, vertex_location=location)
        assert request.headers["authorization"] == "Bearer ya29.token-1"
    assert len(google.requests) == 1


# ------------------------------------------------------------------------------------- answers, facts, secrets


class Host:
    """An answer of the host, whole or in pieces."""

    status = 200
    headers = {}

    def __init__(self, *pieces):
        self._pieces = pieces

    def chunks(self):
        return iter(self._pieces)

    def read(self):
        return b"".join(self._pieces)


def test_the_hosts_own_event_does_not_travel():
    events = list(sample_stream())
    own = Event.of({"type": "vertex_event", "usage": {"input_tokens": 9, "tiers": {}}})
    pieces = [own.frame, *(event.frame + own.frame for event in events)]
    call = make_call({"stream": True}, deployment=deployment())
    bursts = list(PROVIDER.events(call, Host(*pieces)))
    assert all(bursts)
    assert b"".join(event.frame for burst in bursts for event in burst) == b"".join(event.frame for event in events)
    assert [event.name for event in parse_stream(b"".join(pieces))].count("vertex_event") == len(pieces)


def test_a_json_answer_is_one_event():
    ((event,),) = PROVIDER.events(make_call(deployment=deployment()), Host(b'{"type":', b'"message"}'))
    assert (event.name, event.data) == ("message", b'{"type":"message"}')


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"vertex_location": "global"}, {}),
        ({"vertex_location": "us"}, {"inference_geo": "us"}),
        ({"vertex_location": "us-east5"}, {"inference_geo": "us-east5"}),
        (
            {"api_base": f"https://h.example/v1/projects/p/locations/eu/{TAIL}", "vertex_location": "global"},
            {"inference_geo": "eu"},
        ),
    ],
)
def test_a_place_of_its_own_is_stated(settings, expected):
    assert PROVIDER.served(make_call(deployment=deployment(**settings))) == expected


def test_clients_never_see_project_host_or_account(account):
    one = deployment(vertex_credentials=account, quota_project="payer", vertex_project="our-project")
    before = set(PROVIDER.private(one))
    assert {"us-east5-aiplatform.googleapis.com", "our-project", "payer"} <= before
    provider = VertexAI()
    provider.auth(one)
    assert {"some-project", account["client_email"]} <= set(provider.private(one))
    words = "Permission denied on resource '//us-east5-aiplatform.googleapis.com/projects/our-project/x' for payer"
    assert Redaction(lambda: provider.private(one)).text(words).count("[removed]") >= 2
    assert "our-project" not in Redaction(lambda: provider.private(one)).text(words)


# ---------------------------------------------------------------------------------------------------- faults

FAULTS = {
    (400, googles("INVALID_ARGUMENT")): (400, "invalid_request_error"),
    (400, googles("FAILED_PRECONDITION")): (400, "invalid_request_error"),
    (400, googles("OUT_OF_RANGE", array=True)): (400, "invalid_request_error"),
    (401, googles("UNAUTHENTICATED")): (401, "authentication_error"),
    (403, googles("PERMISSION_DENIED")): (403, "permission_error"),
    (404, googles("NOT_FOUND")): (404, "not_found_error"),
    (404, googles("NOT_FOUND", array=True)): (404, "not_found_error"),
    (409, googles("ABORTED")): (409, "conflict_error"),
    (409, googles("ALREADY_EXISTS")): (409, "conflict_error"),
    (429, googles("RESOURCE_EXHAUSTED")): (429, "rate_limit_error"),
    (429, googles("RESOURCE_EXHAUSTED", array=True)): (429, "rate_limit_error"),
    (499, googles("CANCELLED")): (499, "api_error"),
    (500, googles("INTERNAL")): (500, "api_error"),
    (500, googles("UNKNOWN")): (500, "api_error"),
    (500, googles("DATA_LOSS")): (500, "api_error"),
    (501, googles("UNIMPLEMENTED")): (501, "not_supported"),
    (503, googles("UNAVAILABLE")): (503, "overloaded_error"),
    (504, googles("DEADLINE_EXCEEDED")): (504, "timeout_error"),
    (400, googles("A_NEW_WORD")): (400, "invalid_request_error"),
    (400, claudes("invalid_request_error")): (400, "invalid_request_error"),
    (403, claudes("permission_error")): (403, "permission_error"),
    (404, claudes("not_found_error")): (404, "not_found_error"),
    (413, claudes("request_too_large")): (413, "request_too_large"),
    (429, claudes("rate_limit_error")): (429, "rate_limit_error"),
    (500, claudes("api_error")): (500, "api_error"),
    (503, claudes("api_error")): (503, "api_error"),
    (529, claudes("overloaded_error")): (529, "overloaded_error"),
    (429, b"[" + claudes("rate_limit_error") + b"]"): (429, "rate_limit_error"),
    (401, b"<html>"): (401, "authentication_error"),
    (403, b"<html>"): (403, "permission_error"),
    (404, b"<html>"): (404, "not_found_error"),
    (413, b"<html>"): (413, "request_too_large"),
    (429, b""): (429, "rate_limit_error"),
    (502, b"<html>"): (502, "api_error"),
    (503, b""): (503, "overloaded_error"),
    (503, b"[]"): (503, "overloaded_error"),
    (504, b"null"): (504, "timeout_error"),
    (429, b'{"error": {"code": 429, "message": "Slow down."}}'): (429, "rate_limit_error"),
    (503, b'{"error": {"status": 7}}'): (503, "overloaded_error"),
    (302, b""): (502, "api_error"),
}


@pytest.mark.parametrize(("said", "expected"), FAULTS.items(), ids=lambda value: repr(value)[:60])
def test_every_shape_of_an_error_has_its_meaning(said, expected):
    fault = PROVIDER.fault(said[0], {}, said[1])
    assert (fault.status, fault.kind) == expected
    assert fault.message


def test_a_credential_that_is_not_accepted_is_ours():
    for body in (googles("UNAUTHENTICATED"), claudes("authentication_error"), b"<html>", b""):
        assert PROVIDER.fault(401, {}, body).ours
    for status, body in FAULTS:
        assert PROVIDER.fault(status, {}, body).ours == (status == 401)


def test_a_permission_that_is_denied_is_the_operators_to_grant():
    fault = PROVIDER.fault(403, {}, googles("PERMISSION_DENIED", "Permission 'aiplatform.endpoints.predict' denied."))
    assert fault.message.startswith("Permission 'aiplatform.endpoints.predict' denied. The gateway's account lacks")
    assert (fault.status, fault.should_retry, fault.ours) == (403, False, False)
    assert PROVIDER.fault(403, {}, b"<html>").message.startswith("The gateway's account lacks")
    assert PROVIDER.fault(403, {}, claudes("permission_error", "Not for you.")).message == "Not for you."


def test_the_words_are_kept():
    words = "Publisher Model `x` was not found or your project does not have access to it."
    assert PROVIDER.fault(404, {}, googles("NOT_FOUND", words)).message == words
    long = "prompt is too long: 210000 tokens > 200000 maximum"
    assert PROVIDER.fault(400, {}, claudes("invalid_request_error", long)).message == long


@pytest.mark.parametrize(
    ("headers", "delay", "expected"),
    [
        ({}, "12s", 12),
        ({}, "0.5s", 1),
        ({"retry-after": "7"}, "12s", 7),
        ({"retry-after": "0"}, "12s", 0),
        ({}, "soon", None),
        ({}, "99999999999999s", None),
        ({}, 12, None),
    ],
)
def test_when_to_try_again_is_said_in_two_ways(headers, delay, expected):
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}
    body = googles("RESOURCE_EXHAUSTED", details=["odd", info])
    assert PROVIDER.fault(429, headers, body).retry_after == expected


def test_googles_machine_words_are_kept_without_whose_they_are():
    info = {"reason": "SERVICE_DISABLED", "domain": "googleapis.com", "metadata": {"consumer": "projects/123"}}
    fault = PROVIDER.fault(400, {}, googles("FAILED_PRECONDITION", details=[info]))
    assert fault.details == {"status": "FAILED_PRECONDITION", "reason": "SERVICE_DISABLED"}


# ------------------------------------------------------------------------------------------------------ rows


def prepared(book="announcement", **facts):
    """A call as the core settles it against our rows alone."""
    call = make_call(deployment=deployment(), **facts)
    Capabilities(Catalog({"vertex_ai": VertexAIPlugin().register_catalog()}, book)).check(call, PROVIDER)
    return call


@pytest.mark.parametrize(
    ("token", "sent"),
    [
        ("interleaved-thinking-2025-05-14", "interleaved-thinking-2025-05-14"),
        ("advanced-tool-use-2025-11-20", "tool-search-tool-2025-10-19"),
        ("web-search-2025-03-05", "web-search-2025-03-05"),
        ("structured-outputs-2025-11-13", None),
        ("mcp-client-2025-11-20", None),
        ("claude-code-20250219", None),
        ("oauth-2025-04-20", None),
        ("nobody-knows-2027-01-01", None),
    ],
)
def test_a_token_goes_is_renamed_or_is_dropped_by_name(token, sent):
    call = prepared(betas=[token])
    assert call.betas == ([sent] if sent else [])
    assert [one.name for one in call.left_out if isinstance(one, LeftOut)] == ([] if sent else [token])


@pytest.mark.parametrize("name", ["container", "mcp_servers", "fallbacks", "thread", "output_format"])
def test_a_field_that_the_host_does_not_take_is_refused_by_name(name):
    with pytest.raises(UnsupportedCapability, match=f"^{name}: vertex_ai does not take it"):
        prepared(body={name: "x"})


@pytest.mark.parametrize("name", ["service_tier", "diagnostics"])
def test_a_hint_without_effect_is_left_out_by_name(name):
    call = prepared(body={name: "x"})
    assert name not in call.body
    assert [(one.manner, one.name) for one in call.left_out] == [("ignored-params", name)]


def test_a_field_that_nobody_knows_travels():
    call = prepared(body={"novelty": {"x": 1}})
    assert strictjson.loads(PROVIDER.encode(call).body)["novelty"] == {"x": 1}


@pytest.mark.parametrize("book", BOOKS)
def test_every_model_has_one_price_on_every_day(book):
    catalog = Catalog({"vertex_ai": rows("gateway_provider_vertex_ai")}, book)
    for day in (date(2026, 2, 6), date(2026, 6, 1), date(2026, 11, 22), date(2027, 1, 1)):
        for name in ("claude-opus-4-6", "claude-opus-4-6@default", "claude-opus-4-6@20260205"):
            found = catalog.model("vertex_ai", name, day)
            assert {kind: str(price) for kind, price in found.rates.items()} == {
                "input": "5", "cache_write_5m": "6.25", "cache_write_1h": "10", "cache_read": "0.50", "output": "25",
            }  # fmt: skip
            long = book == "announcement" or day < date(2026, 3, 13)
            assert found.surcharge_above == (200_000 if long else 0)


def test_no_old_name_swallows_a_new_one():
    catalog = Catalog({"vertex_ai": rows("gateway_provider_vertex_ai")}, "current")
    for name, id_ in {
        "claude-opus-4@20250514": "claude-opus-4-0",
        "claude-opus-4-1@20250805": "claude-opus-4-1",
        "claude-opus-4-5@20251101": "claude-opus-4-5",
        "claude-sonnet-4@20250514": "claude-sonnet-4-0",
        "claude-sonnet-4-5@20250929": "claude-sonnet-4-5",
        "claude-haiku-4-5@20251001": "claude-haiku-4-5",
        "claude-3-5-haiku@20241022": "claude-3-5-haiku-20241022",
        "claude-opus-4-6": "claude-opus-4-6",
        "claude-opus-5": "claude-opus-5",
        "claude-opus-5-5@default": "claude-opus-5-5",
        "claude-fable-5-2": "claude-fable-5-2",
    }.items():
        assert catalog.model("vertex_ai", name).id == id_


def test_every_row_says_where_it_comes_from():
    for row in rows("gateway_provider_vertex_ai"):
        assert row.source
        assert row.checked
        assert row.provider == "vertex_ai"
        if isinstance(row, ModelRow):
            assert row.rates["cache_write_5m"] == row.rates["input"] * 5 / 4
            assert row.rates["cache_write_1h"] == row.rates["input"] * 2
        if isinstance(row, FieldRow):
            assert row.note.endswith(".")
        if isinstance(row, BetaRow) and row.action == "rename":
            assert any(other.token == row.to for other in rows("gateway_provider_vertex_ai") if type(other) is BetaRow)
