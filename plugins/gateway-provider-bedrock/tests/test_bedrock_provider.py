"""Bedrock's envelope, its addresses, and what a client may see of it."""

import base64
import json

import pytest
from gateway_provider_bedrock import BedrockPlugin

from gateway import ConfigError, Garbled, NotSupported, UnknownModel, strictjson
from gateway.testing import check_provider, make_call, make_deployment

PROVIDER = BedrockPlugin().register_provider()
KEYS = {"aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": "top-secret", "aws_region_name": "us-east-1"}
MODEL = "us.anthropic.claude-opus-4-6-v1"
OWN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6"
SYSTEM = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-opus-4-6-v1"


def deployment(upstream=MODEL, facts=None, **settings):
    loaded = PROVIDER.settings().load({**KEYS, **settings})
    return make_deployment(provider="bedrock", upstream=upstream, settings=loaded, **(facts or {}))


def bare(**settings):
    return make_deployment(provider="bedrock", upstream=MODEL, settings=PROVIDER.settings().load(settings))


class Answer:
    status = 200

    def __init__(self, *chunks, **headers):
        self.parts, self.headers = chunks, headers

    def chunks(self):
        yield from self.parts

    def read(self):
        return b"".join(self.parts)


def error(**body):
    return json.dumps(body).encode()


@pytest.mark.parametrize("upstream", [MODEL, "converse/global.anthropic.claude-opus-4-6-v1", SYSTEM])
@pytest.mark.parametrize(
    ("settings", "secrets"),
    [
        (KEYS, []),
        ({"api_key": "bedrock-key", "aws_region_name": "us-east-1"}, ["bedrock-key"]),
        ({**KEYS, "aws_session_token": "session-token"}, ["session-token"]),
    ],
)
def test_the_provider_keeps_its_promises(upstream, settings, secrets):
    check_provider(
        BedrockPlugin,
        settings=settings,
        upstream=upstream,
        secrets=secrets,
        faults={
            (400, error(__type="ValidationException", message="no")): (400, "invalid_request_error"),
            (400, error(__type="ServiceQuotaExceededException", message="no")): (429, "rate_limit_error"),
            (403, error(Message="no")): (403, "permission_error"),
            (503, b""): (503, "overloaded_error"),
            (307, b""): (502, "api_error"),
        },
    )


# --------------------------------------------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("settings", "base"),
    [
        ({}, "https://bedrock-runtime.us-east-1.amazonaws.com"),
        ({"aws_region_name": "cn-north-1"}, "https://bedrock-runtime.cn-north-1.amazonaws.com.cn"),
        ({"api_base": "https://vpce-1.example"}, "https://vpce-1.example"),
        ({"api_base": "https://proxy.example/aws/"}, "https://proxy.example/aws"),
        ({"api_base": "https://proxy.example/aws/model"}, "https://proxy.example/aws"),
        ({"aws_bedrock_runtime_endpoint": "http://127.0.0.1:9/x"}, "http://127.0.0.1:9/x"),
        ({"aws_bedrock_runtime_endpoint": "https://one.example", "api_base": "https://two.example"}, "https://two.example"),
    ],
)  # fmt: skip
def test_the_address_is_the_regions_or_a_private_one(settings, base):
    url = PROVIDER.encode(make_call(deployment=deployment(**settings))).url
    assert url == f"{base}/model/{MODEL}/invoke"


@pytest.mark.parametrize("name", ["AWS_BEDROCK_RUNTIME_ENDPOINT", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME"])
def test_the_environment_names_a_private_endpoint(name, monkeypatch):
    monkeypatch.setenv(name, "https://vpce-2.example")
    assert PROVIDER.encode(make_call(deployment=deployment())).url.startswith("https://vpce-2.example/model/")
    own = deployment(api_base="https://vpce-3.example")
    assert PROVIDER.encode(make_call(deployment=own)).url.startswith("https://vpce-3.example/model/")


def region(host):
    return BedrockPlugin().register_provider().encode(make_call(deployment=host)).url.split(".")[1]


def test_a_region_is_found_where_people_say_it(monkeypatch, tmp_path):
    (tmp_path / "config").write_text("[profile work]\nregion = ap-southeast-2\n[default]\nregion = sa-east-1\n")
    assert region(bare(aws_profile_name="work")) == "ap-southeast-2"
    assert region(bare()) == "sa-east-1"
    for name, value in (
        ("AWS_DEFAULT_REGION", "us-west-1"),
        ("AWS_REGION", "us-west-2"),
        ("AWS_REGION_NAME", "eu-west-3"),
    ):
        monkeypatch.setenv(name, value)
        assert region(bare(aws_profile_name="work")) == value
    assert region(bare(aws_region_name="eu-north-1")) == "eu-north-1"
    named = make_deployment(provider="bedrock", upstream=OWN, settings=bare().settings)
    assert region(named) == "us-east-1", "an ARN has a region of its own"
    wild = make_deployment(provider="bedrock", upstream=OWN, settings=bare().settings, named=False)
    assert region(wild) == "eu-west-3", "a client does not choose it"


def test_without_a_region_nothing_starts():
    with pytest.raises(ConfigError, match="names no aws_region_name, and neither AWS_REGION_NAME"):
        PROVIDER.check(bare(aws_access_key_id="AKIA1", aws_secret_access_key="s"))


@pytest.mark.parametrize(
    ("upstream", "settings", "message"),
    [
        (MODEL, {"aws_region_name": "moon-1"}, "AWS has no region 'moon-1'"),
        (OWN, {"aws_region_name": "eu-west-1"}, "its ARN is of region us-east-1, its aws_region_name eu-west-1"),
        ("us-east-1/anthropic.claude-opus-4-6-v1", {}, "is no model id, inference profile or ARN"),
        (MODEL, {"guardrail_identifier": "g1"}, "guardrail_identifier and guardrail_version need each other"),
        (
            MODEL,
            {"aws_role_name": "arn:aws:iam::123456789012:role/r", "aws_session_name": "s"},
            "aws_session_name has to be 2",
        ),
        (MODEL, {"guardrail_version": "1"}, "guardrail_identifier and guardrail_version need each other"),
    ],
)
def test_what_cannot_work_stops_the_start(upstream, settings, message):
    with pytest.raises(ConfigError, match=message):
        PROVIDER.check(deployment(upstream, **settings))


@pytest.mark.parametrize(
    "upstream", [MODEL, OWN, SYSTEM, f"converse/{OWN}", "anthropic.claude-opus-4-6-v1", "invoke/x"]
)
def test_what_works_starts(upstream):
    PROVIDER.check(deployment(upstream))


@pytest.mark.parametrize("name", ["..", "converse/..", "a?b", "x/y"])
def test_a_client_behind_a_wildcard_reaches_models_only(name):
    host = deployment(name, {"named": False})
    for encode in (PROVIDER.encode, PROVIDER.encode_count):
        with pytest.raises(UnknownModel):
            encode(make_call(deployment=host))


# ---------------------------------------------------------------------------------------------------- envelope


def test_the_bare_id_is_sent_as_given():
    host = deployment("anthropic.claude-opus-4-6-v1")
    assert PROVIDER.encode(make_call(deployment=host)).url.endswith("/model/anthropic.claude-opus-4-6-v1/invoke")


@pytest.mark.parametrize("version", ["2023-06-01", "2026-10-21"])
def test_the_body_goes_as_it_is_without_model_and_stream(version):
    body = {"temperature": 0.5, "tools": [{"name": "t", "input_schema": {}}], "system": "s", "stream": True}
    call = make_call(body, deployment=deployment(), betas=["a-1", "b-2"], version=version)
    outbound = PROVIDER.encode(call)
    sent = json.loads(outbound.body)
    kept = {name: value for name, value in call.body.items() if name not in ("model", "stream")}
    assert sent == {**kept, "anthropic_version": "bedrock-2023-05-31", "anthropic_beta": ["a-1", "b-2"]}
    assert outbound.url.endswith("/invoke-with-response-stream")
    assert outbound.headers["x-amzn-bedrock-accept"] == "application/json"
    assert "anthropic-beta" not in outbound.headers
    assert outbound.headers["accept-encoding"] == "identity"


def test_without_betas_there_is_no_list():
    sent = strictjson.loads(PROVIDER.encode(make_call(deployment=deployment())).body)
    assert "anthropic_beta" not in sent


def test_a_guardrail_watches_either_api():
    guard = {"guardrail_identifier": "g1", "guardrail_version": "DRAFT"}
    headers = PROVIDER.encode(make_call(deployment=deployment(**guard))).headers
    assert headers["x-amzn-bedrock-guardrailidentifier"] == "g1"
    assert headers["x-amzn-bedrock-guardrailversion"] == "DRAFT"
    outbound = PROVIDER.encode(make_call(deployment=deployment(f"converse/{MODEL}", **guard)))
    assert strictjson.loads(outbound.body)["guardrailConfig"] == {
        "guardrailIdentifier": "g1",
        "guardrailVersion": "DRAFT",
    }


def test_converse_has_paths_of_its_own():
    host = deployment(f"converse/{MODEL}")
    assert PROVIDER.encode(make_call(deployment=host)).url.endswith(f"/model/{MODEL}/converse")
    assert PROVIDER.encode(make_call({"stream": True}, deployment=host)).url.endswith(f"/model/{MODEL}/converse-stream")


# ----------------------------------------------------------------------------------------------------- answers


def test_a_json_answer_keeps_its_bytes():
    body = b'{"type": "message",  "id": "msg_bdrk_1", "content": [{"type": "text", "text": "amazon-bedrock-x"}]}'
    ((event,),) = PROVIDER.events(make_call(deployment=deployment()), Answer(body))
    assert (event.name, event.data) == ("message", body)


def test_what_the_host_adds_to_a_json_answer_is_taken_out():
    body = b'{"type":"message","id":"msg_1","amazon-bedrock-guardrailAction":"NONE","amazon-bedrock-trace":{}}'
    ((event,),) = PROVIDER.events(make_call(deployment=deployment()), Answer(body))
    assert event.json() == {"type": "message", "id": "msg_1"}


def test_converse_answers_are_messages_named_by_request_and_model():
    answer = {
        "output": {"message": {"role": "assistant", "content": [{"text": "Hi"}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5},
        "metrics": {"latencyMs": 1},
    }
    call = make_call(deployment=deployment(f"converse/{MODEL}"))
    ((event,),) = PROVIDER.events(call, Answer(json.dumps(answer).encode(), **{"x-amzn-requestid": "r-1"}))
    value = event.json()
    assert (event.name, value["id"], value["model"]) == ("message", "msg_r-1", "claude-opus-4-6")
    assert value["content"] == [{"type": "text", "text": "Hi"}]
    with pytest.raises(Garbled):
        [*PROVIDER.events(call, Answer(b"[]"))]


def test_the_request_has_awss_own_id():
    assert PROVIDER.request_id({"x-amzn-requestid": "r-1"}) == "r-1"
    assert PROVIDER.request_id({}) == ""


# ---------------------------------------------------------------------------------------------------- counting


@pytest.mark.parametrize(
    ("upstream", "base", "model"),
    [
        ("anthropic.claude-opus-4-6-v1", "", "anthropic.claude-opus-4-6-v1"),
        (MODEL, "", "anthropic.claude-opus-4-6-v1"),
        (SYSTEM, "", "anthropic.claude-opus-4-6-v1"),
        (OWN, "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "anthropic.claude-sonnet-4-5-20250929-v1%3A0"),
        (f"converse/{MODEL}", "", "anthropic.claude-opus-4-6-v1"),
    ],
)
def test_tokens_are_counted_for_the_foundation_model(upstream, base, model):
    host = deployment(upstream, {"base_model": base})
    assert PROVIDER.encode_count(make_call(deployment=host)).url.endswith(f"/model/{model}/count-tokens")


@pytest.mark.parametrize("base", ["", "claude-opus-4-6"])
def test_a_profile_that_shows_no_model_cannot_be_counted_for(base):
    with pytest.raises(NotSupported, match="base_model"):
        PROVIDER.encode_count(make_call(deployment=deployment(OWN, {"base_model": base})))


@pytest.mark.parametrize(
    ("body", "max_tokens"),
    [({}, 1), ({"max_tokens": 7}, 7), ({"thinking": {"type": "enabled", "budget_tokens": 4096}}, 4097)],
)
def test_the_count_is_of_the_body_that_would_be_sent(body, max_tokens):
    call = make_call(body, deployment=deployment(), betas=["a-1"])
    if "max_tokens" not in body:
        del call.body["max_tokens"]
    counted = strictjson.loads(PROVIDER.encode_count(call).body)["input"]["invokeModel"]["body"]
    sent = json.loads(base64.b64decode(counted))
    assert sent["max_tokens"] == max_tokens
    assert sent["messages"] == call.body["messages"]
    assert (sent["anthropic_version"], sent["anthropic_beta"]) == ("bedrock-2023-05-31", ["a-1"])


def test_converse_counts_only_what_the_operation_takes():
    call = make_call({"system": "s", "temperature": 0.5}, deployment=deployment(f"converse/{MODEL}"))
    (kind, counted), *_ = strictjson.loads(PROVIDER.encode_count(call).body)["input"].items()
    assert kind == "converse"
    assert {*counted} <= {"messages", "system", "toolConfig", "additionalModelRequestFields"}
    assert {"messages", "system"} <= {*counted}


def test_a_count_has_the_messages_apis_name():
    assert PROVIDER.read_count(b'{"inputTokens": 12}') == {"input_tokens": 12}
    for body in (b"", b"[]", b"{}", b'{"inputTokens": "12"}'):
        with pytest.raises(Garbled):
            PROVIDER.read_count(body)


# -------------------------------------------------------------------------------------- what is told and what not


@pytest.mark.parametrize(
    ("upstream", "base", "place"),
    [
        *((f"{place}.anthropic.claude-opus-5", "", place) for place in ("us", "eu", "jp", "au", "apac", "us-gov")),
        ("invoke/eu.anthropic.claude-opus-5", "", "eu"),
        ("converse/au.anthropic.claude-opus-5", "", "au"),
        (SYSTEM, "", "us"),
        (f"converse/{SYSTEM}", "", "us"),
        ("global.anthropic.claude-opus-5", "", ""),
        ("anthropic.claude-opus-5", "", ""),
        (OWN, "", ""),
        (OWN, "eu.anthropic.claude-opus-5", "eu"),
        ("ca.anthropic.claude-opus-5", "", "ca"),
    ],
)
def test_a_profiles_geography_is_stated(upstream, base, place):
    call = make_call(deployment=deployment(upstream, {"base_model": base}))
    assert PROVIDER.served(call) == ({"inference_geo": place} if place else {})


@pytest.mark.parametrize(
    ("upstream", "public"),
    [
        (MODEL, MODEL),
        (f"converse/{MODEL}", f"converse/{MODEL}"),
        (SYSTEM, MODEL),
        (f"converse/{SYSTEM}", f"converse/{MODEL}"),
        (OWN, "a1b2c3d4e5f6"),
    ],
)
def test_a_public_name_shows_no_account(upstream, public):
    assert PROVIDER.public_name(upstream) == public


def test_accounts_guardrails_and_hosts_are_private_and_the_models_name_is_not():
    host = deployment(
        OWN,
        aws_role_name="arn:aws:iam::210987654321:role/teams/claude",
        api_base="https://vpce-1.internal.example:8443/aws",
        guardrail_identifier="gr-77",
        guardrail_version="1",
    )
    assert {*PROVIDER.private(host)} == {"123456789012", "210987654321", "gr-77", "vpce-1.internal.example"}
    public = "bedrock-runtime.us-east-1.amazonaws.com"
    assert [*PROVIDER.private(deployment())] == [public]
    assert [*PROVIDER.private(deployment(SYSTEM))] == ["123456789012", public]


def test_secrets_do_not_print():
    assert "top-secret" not in repr(deployment().settings)


@pytest.mark.parametrize(
    ("base_model", "works"),
    [
        ("anthropic.claude-opus-4-6-v1", False),
        ("us.anthropic.claude-opus-4-6-v1", True),
        ("global.anthropic.claude-opus-4-6-v1", True),
    ],
)
def test_a_profile_of_ones_own_says_where_it_runs_because_that_decides_the_price(base_model, works):
    host = deployment(OWN, {"base_model": base_model})
    if works:
        PROVIDER.check(host)
    else:
        with pytest.raises(ConfigError, match="such as us.anthropic.claude-opus-4-6-v1 or global.anthropic"):
            PROVIDER.check(host)
