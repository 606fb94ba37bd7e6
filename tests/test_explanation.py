"""What an explanation says of a request, and that it does nothing else."""

import json

import pytest
from gateway_infra_simulator import Simulator
from gateway_surface_chat import ChatPlugin
from marshmallow import fields

from gateway import (
    Beta,
    BetaRow,
    FactorRow,
    Forbidden,
    GrantRow,
    ModelRow,
    Need,
    NotSupported,
    Outbound,
    Param,
    Permissions,
    Principal,
    Variant,
    hookimpl,
    strictjson,
)
from gateway.app import create_app
from gateway.config import parse
from gateway.plugins import discover
from gateway.testing import HOSTILE, RATES, TestHost, TestHostPlugin, found, make_call
from gateway.transport import Transport

HOST = found(TestHostPlugin, "test", "provider")
CHAT = found(ChatPlugin, "chat", "surface")
MODELS = """
model_list:
  - {model_name: m, litellm_params: {model: test/one}}
  - {model_name: m, litellm_params: {model: test/two, weight: 3}}
  - {model_name: m, litellm_params: {model: second/three, weight: 4}}
  - {model_name: only-second, litellm_params: {model: second/three}}
"""
FORWARD = "general_settings: {forward_client_headers_to_llm_api: true}\n"
DROP = "litellm_settings: {drop_params: true}\n"


class Second:
    """Brings another host, strict with betas, that can do nothing special."""

    @hookimpl
    def register_provider(self):
        return TestHost(name="second", passes_unknown_betas=False)

    @hookimpl
    def register_catalog(self):
        return [ModelRow(provider="second", id="three", max_output=500, rates=RATES, source="test")]


class Tone:
    """A feature with a parameter, a variant, a beta and a price; the first host has what it needs."""

    @hookimpl
    def register_params(self):
        return [
            Param("tone", fields.Str(), needs="tone", remedy="Speak plainly."),
            Variant("thinking", "deep", needs="depth"),
            Beta("tone-2026-01-01"),
            Beta("voice-2026-01-01", needs="tone"),
        ]

    @hookimpl
    def register_catalog(self):
        return [
            GrantRow(capability="tone", provider="test", betas=("tone-2026-01-01",)),
            FactorRow(reason="tone", times=3, source="test"),
        ]

    @hookimpl
    def adjust_cost(self, call):
        return "tone" if call.get("tone") else None


class Mood:
    """A feature of the chat surface, whose need only preparing shows."""

    @hookimpl
    def register_params(self):
        return [Param("mood", fields.Str(), surface="chat"), Param("humour")]

    @hookimpl
    def register_catalog(self):
        return [GrantRow(capability="humour", provider="test")]

    @hookimpl
    def prepare_request(self, call):
        if mood := call.own("chat", "mood"):
            call.add_need(Need("humour", "mood", claim="chat:mood"))
            call.set("humour", mood)
        elif call.surface == "chat":
            call.ignore("mood", "There is none.")


TONE = found(Tone, "tone", "feature")
MOOD = found(Mood, "mood", "feature")
SECOND = found(Second, "second", "provider")


class Answer:
    """A host's answer in memory."""

    status = 200
    headers: dict[str, str] = {}

    def chunks(self):
        yield self.read()

    def read(self):
        return b'{"type": "message", "content": [], "usage": {"input_tokens": 1, "output_tokens": 1}}'

    def finish(self):
        pass

    def close(self):
        pass


@pytest.fixture
def sent(monkeypatch):
    """What would have gone out, had there been a network."""
    requests = []

    def send(self, outbound, auth, watch):
        requests.append(outbound)
        watch.answering()
        return Answer()

    monkeypatch.setattr(Transport, "send", send)
    return requests


@pytest.fixture
def client(sent):
    def make(*plugins, yaml=""):
        return create_app(parse(MODELS + yaml, "c.yaml", {}), found=[HOST, SECOND, CHAT, *plugins]).test_client()

    return make


@pytest.fixture
def explain(client, sent):
    """The explanation of a body; asking for it sends nothing."""

    def explain(*plugins, yaml="", query="", headers=None, **body):
        whole = {**make_call().body, "model": "m", **body}
        answer = client(*plugins, yaml=yaml).post(f"/explain{query}", json=whole, headers=headers)
        assert answer.status_code == 200, answer.text
        assert not sent
        return answer.json

    return explain


def places(explanation):
    return {place["deployment"]: place for place in explanation["deployments"]}


def test_a_plain_request_is_shown_with_every_place_that_would_serve_it(explain):
    said = explain()
    assert (said["surface"], said["model"], said["stream"], said["refused"]) == ("messages", "m", False, None)
    assert (said["needs"], said["unread"], said["dropped_params"], said["dropped_betas"]) == ([], [], [], [])
    shares = {name: place["share"] for name, place in places(said).items()}
    assert shares == {"test/one": 0.125, "test/two": 0.375, "second/three": 0.5}
    one = places(said)["test/one"]
    assert (one["provider"], one["upstream_model"], one["refused"]) == ("test", "one", None)
    assert one["request"]["method"] == "POST"
    assert one["request"]["url"] == "http://127.0.0.1:9/v1/messages"
    assert one["request"]["body"] == {"model": "m", "max_tokens": 100, "messages": "1 turn, 35 bytes"}


def test_prompts_are_shown_by_their_size_or_in_full(explain):
    turns = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": "世"},
    ]
    long = {"messages": turns, "system": "Be kind.", "tools": [{"name": "t", "input_schema": {"type": "object"}}]}
    body = places(explain(**long))["test/one"]["request"]["body"]
    assert body["messages"] == f"3 turns, {len(strictjson.dumps(turns))} bytes"
    assert body["system"] == "10 bytes"
    assert body["tools"].startswith("1 tool, ")
    full = places(explain(query="?full=true", **long))["test/one"]["request"]["body"]
    assert {name: full[name] for name in long} == long


def test_a_place_that_lacks_a_capability_says_which_and_by_which_plugin(explain):
    said = explain(TONE, tone="warm")
    assert said["refused"] is None
    assert said["needs"] == [{"capability": "tone", "param": "tone", "plugin": "tone"}]
    three = places(said)["second/three"]
    assert (three["share"], three["request"], three["estimate"]) == (None, None, None)
    refused = three["refused"]
    assert (refused["status"], refused["code"], refused["plugin"]) == (400, "unsupported_capability", "tone")
    assert refused["message"] == "tone: tone is not available for m on second; available on: test. Speak plainly."
    assert refused["param"] == refused["details"]["capability"] == "tone"
    assert (refused["details"]["provider"], refused["details"]["available_on"]) == (["second"], ["test"])
    assert {name: place["share"] for name, place in places(said).items() if place["share"]} == {
        "test/one": 0.25,
        "test/two": 0.75,
    }
    assert places(said)["test/one"]["request"]["betas"] == ["tone-2026-01-01"]
    assert places(said)["test/one"]["request"]["headers"] == {"anthropic-beta": "tone-2026-01-01"}


def test_a_request_that_nobody_can_serve_is_explained_with_its_refusal(explain):
    said = explain(TONE, thinking={"type": "deep"})
    assert (said["refused"]["status"], said["refused"]["code"]) == (400, "unsupported_capability")
    assert (said["refused"]["plugin"], said["refused"]["details"]["capability"]) == ("tone", "depth")
    assert all(place["refused"]["plugin"] == "tone" for place in said["deployments"])
    assert not any(place["request"] for place in said["deployments"])


def test_what_is_dropped_everywhere_says_whose_it_was_and_why(explain):
    said = explain(TONE, yaml=DROP, model="only-second", tone="warm")
    (note,) = said["dropped_params"]
    assert (note["name"], note["plugin"]) == ("tone", "tone")
    assert note["reason"].startswith("tone: tone is not available for only-second on second; ")
    (place,) = said["deployments"]
    assert (place["share"], place["dropped_params"]) == (1, [])
    assert "tone" not in place["request"]["body"]


def test_what_no_place_has_together_says_so(explain):
    class Loud:
        @hookimpl
        def register_params(self):
            return [Param("loud", needs="loud")]

        @hookimpl
        def register_catalog(self):
            return [GrantRow(capability="loud", provider="second")]

    said = explain(TONE, found(Loud, "loud", "feature"), yaml=DROP, tone="warm", loud=True)
    assert said["dropped_params"] == [
        {"name": "loud", "plugin": "loud", "reason": "loud: loud is not available for m on test; available on: second."}
    ]
    assert places(said)["second/three"]["share"] is None


def test_what_every_place_has_to_leave_out_is_left_out_of_the_whole(explain):
    class Sigh:
        @hookimpl
        def register_params(self):
            return [Param("sigh")]

        @hookimpl
        def prepare_request(self, call):
            if call.get("sigh"):
                call.add_need(Need("air", "sigh", claim="sigh"))

    said = explain(TONE, found(Sigh, "sigh", "feature"), yaml=DROP, tone="warm", sigh=True)
    assert said["dropped_params"] == [
        {
            "name": "sigh",
            "plugin": "sigh",
            "reason": "sigh: air is not available for m on test; no installed host has it.",
        }
    ]
    assert places(said)["second/three"]["refused"]["details"]["capability"] == "tone"
    assert {name: place["share"] for name, place in places(said).items() if place["share"]} == {
        "test/one": 0.25,
        "test/two": 0.75,
    }


def test_a_beta_that_falls_with_its_parameter_says_so(explain):
    said = explain(
        TONE, yaml=DROP + FORWARD, model="only-second", tone="warm", headers={"anthropic-beta": "tone-2026-01-01"}
    )
    assert [note["name"] for note in said["dropped_params"]] == ["tone"]
    assert said["dropped_betas"] == [{"name": "tone-2026-01-01", "plugin": "tone", "reason": "It goes with tone."}]


def test_a_place_that_lacks_something_is_passed_over_rather_than_served_without(explain):
    said = explain(TONE, yaml=DROP, tone="warm")
    assert (said["refused"], said["dropped_params"]) == (None, [])
    assert (places(said)["second/three"]["share"], places(said)["second/three"]["refused"]["plugin"]) == (None, "tone")
    assert places(said)["test/one"]["request"]["body"]["tone"] == "warm"


def test_a_beta_alone_is_no_refusal_but_decides_the_place(explain):
    said = explain(TONE, yaml=FORWARD, headers={"anthropic-beta": "voice-2026-01-01"})
    assert said["needs"][0]["param"] == "anthropic-beta: voice-2026-01-01"
    assert places(said)["second/three"]["refused"]["param"] == "anthropic-beta: voice-2026-01-01"
    alone = explain(TONE, yaml=FORWARD, model="only-second", headers={"anthropic-beta": "voice-2026-01-01"})
    (note,) = alone["dropped_betas"]
    assert (note["name"], note["plugin"]) == ("voice-2026-01-01", "tone")
    assert note["reason"].startswith("anthropic-beta: voice-2026-01-01: tone is not available")


def test_what_only_preparing_shows_is_explained_place_by_place(explain):
    said = explain(MOOD, query="?surface=chat", mood="dry")
    assert (said["surface"], said["needs"], said["refused"]) == ("chat", [], None)
    assert places(said)["test/one"]["needs"] == [{"capability": "humour", "param": "mood", "plugin": "mood"}]
    assert places(said)["test/one"]["request"]["body"]["humour"] == "dry"
    assert places(said)["second/three"]["refused"]["plugin"] == "mood"
    dropped = explain(MOOD, query="?surface=chat", yaml=DROP, mood="dry")
    assert places(dropped)["second/three"]["refused"]["param"] == "mood"
    only = explain(MOOD, query="?surface=chat", yaml=DROP, model="only-second", mood="dry")
    assert [(note["name"], note["plugin"]) for note in only["dropped_params"]] == [("mood", "mood")]
    assert only["deployments"][0]["share"] == 1
    (refused,) = (whole := explain(MOOD, query="?surface=chat", model="only-second", mood="dry"))["deployments"]
    assert whole["refused"] == refused["refused"]
    assert refused["refused"]["details"]["capability"] == "humour"


def test_chat_is_explained_as_the_messages_request_that_it_becomes(explain):
    said = explain(MOOD, query="?surface=chat", max_tokens=7, seed=1, stream=True)
    assert (said["stream"], said["ignored_params"][0]["name"]) == (True, "seed")
    assert said["ignored_params"][0]["reason"] == "It is a hint, and the Messages API has no counterpart."
    one = places(said)["test/one"]
    assert one["request"]["body"]["max_tokens"] == 7
    assert one["ignored_params"] == [{"name": "mood", "plugin": "mood", "reason": "There is none."}]


def test_what_a_surface_cannot_carry_is_dropped_in_its_words(explain):
    refused = explain(query="?surface=chat", n=2)
    assert (refused["refused"]["status"], refused["refused"]["param"]) == (400, "n")
    (note,) = explain(query="?surface=chat", yaml=DROP, n=2)["dropped_params"]
    assert (note["name"], note["plugin"]) == ("n", None)
    assert note["reason"] in refused["refused"]["message"]


def test_a_missing_package_is_named(explain):
    said = explain(speed="fast")
    assert (said["refused"]["code"], said["refused"]["plugin"]) == ("unknown_parameter", None)
    assert "gateway-feature-fast-mode" in said["refused"]["message"]
    assert (said["needs"], said["deployments"]) == ([], [])
    edits = {"edits": [{"type": "compact_20260112"}]}
    notes = explain(yaml=DROP, speed="fast", context_management=edits)["dropped_params"]
    assert [note["name"] for note in notes] == ["speed", "context_management.edits=compact_20260112"]
    assert notes[0]["reason"] == "It is served by the package gateway-feature-fast-mode, which is not installed here."
    assert "gateway-feature-compaction" in notes[1]["reason"]


def test_betas_of_the_client_travel_only_if_the_operator_lets_them(explain):
    tokens = {"anthropic-beta": "novel-2030-01-01, fast-mode-2026-02-01"}
    kept = explain(headers=tokens)
    assert [note["name"] for note in kept["dropped_betas"]] == ["novel-2030-01-01", "fast-mode-2026-02-01"]
    assert kept["dropped_betas"][0]["reason"] == "The operator does not let the clients' betas through."
    assert places(kept)["test/one"]["request"]["betas"] == []
    let = explain(yaml=FORWARD, headers=tokens)
    (missing,) = let["dropped_betas"]
    assert missing["reason"] == "It is served by the package gateway-feature-fast-mode, which is not installed here."
    assert places(let)["test/one"]["request"]["betas"] == ["novel-2030-01-01"]
    assert places(let)["second/three"]["request"]["betas"] == []
    assert places(let)["second/three"]["dropped_betas"] == [
        {"name": "novel-2030-01-01", "plugin": None, "reason": "second does not take it for this model."}
    ]


def test_a_row_that_renames_a_beta_is_heeded(explain):
    class Renaming:
        @hookimpl
        def register_catalog(self):
            return [BetaRow(token="old-1", provider="second", action="rename", to="new-2")]

    said = explain(found(Renaming, "renaming", "feature"), yaml=FORWARD, headers={"anthropic-beta": "old-1"})
    assert places(said)["second/three"]["request"]["betas"] == ["new-2"]


def test_fields_that_nobody_knows_are_named_and_travel(explain):
    said = explain(novelty=1.5)
    assert said["unread"] == ["novelty"]
    assert places(said)["test/one"]["request"]["body"]["novelty"] == 1.5
    assert explain(yaml="general_settings: {unknown_params: refuse}", novelty=1)["refused"]["param"] == "novelty"


def test_a_wrong_value_is_laid_to_the_plugin_that_owns_it(explain):
    assert explain(TONE, tone=7)["refused"]["plugin"] == "tone"
    assert explain(TONE, max_tokens="many")["refused"]["plugin"] is None


def test_the_estimate_says_what_it_stands_on_and_why_each_line_costs_what_it_costs(explain):
    estimate = places(explain(TONE, tone="warm"))["test/one"]["estimate"]
    first, second = estimate["lines"]
    assert (first["kind"], first["price_usd"], second["kind"], second["quantity"]) == ("input", "5", "output", 100)
    assert [(one["reason"], one["times"]) for one in second["factors"]] == [("tone", "3")]
    assert second["amount_usd"] == "0.007500"
    assert estimate["total_usd"] == f"{first['quantity'] * 0.000015 + 0.0075:.6f}"
    assert f"About {first['quantity']} prompt tokens" in estimate["basis"]
    assert "all that max_tokens allows, 100." in estimate["basis"]
    assert (estimate["reason"], estimate["book"], estimate["unpriced"]) == (None, "announcement", [])


def test_a_count_that_no_bill_takes_is_named(explain):
    estimate = places(explain(max_tokens=10**15))["test/one"]["estimate"]
    assert estimate["unpriced"] == ["output_tokens"]


def test_a_model_without_a_price_has_a_reason_instead_of_an_estimate(sent):
    class Unpriced:
        @hookimpl
        def register_provider(self):
            return TestHost()

    yaml = "model_list: [{model_name: '*', litellm_params: {model: 'test/*'}}]"
    app = create_app(parse(yaml, "c.yaml", {}), found=[found(Unpriced, "test", "provider")])
    (place,) = app.test_client().post("/explain", json=make_call().body).json["deployments"]
    assert (place["estimate"]["total_usd"], place["estimate"]["lines"]) == (None, [])
    assert place["estimate"]["reason"] == "Nobody knows a price of test/claude-test-1."
    assert place["request"]["body"]["max_tokens"] == 100


def test_fast_mode_and_geography_are_factors_of_the_estimate(sent, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "never-shown")
    yaml = "model_list: [{model_name: o, litellm_params: {model: anthropic/claude-opus-4-6}}]"
    plugins = discover(["anthropic", "fast_mode", "geo_pricing"])
    client = create_app(parse(yaml, "c.yaml", {}), found=plugins).test_client()
    body = {**make_call().body, "model": "o", "max_tokens": 1000, "speed": "fast", "inference_geo": "us"}
    answer = client.post("/explain", json=body)
    (place,) = answer.json["deployments"]
    (_, line) = place["estimate"]["lines"]
    assert [(one["reason"], one["times"]) for one in line["factors"]] == [("fast_mode", "6"), ("inference_geo", "1.1")]
    assert line["amount_usd"] == "0.165000"
    assert place["request"]["headers"]["anthropic-beta"] == "fast-mode-2026-02-01"
    assert [need["plugin"] for need in answer.json["needs"]] == ["fast_mode", "geo_pricing"]
    assert "never-shown" not in answer.text


def test_nothing_reaches_the_host(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sim-key")
    with Simulator(keys=("sim-key",)) as sim:
        yaml = f"model_list: [{{model_name: o, litellm_params: {{model: anthropic/claude-opus-4-6, api_base: {sim.url}}}}}]"
        client = create_app(parse(yaml, "c.yaml", {}), found=discover(["anthropic"])).test_client()
        assert client.post("/explain", json={**make_call().body, "model": "o"}).json["refused"] is None
        assert list(sim.log) == []


def test_nothing_is_signed_held_or_written_down(client, sent):
    done = []

    class Watching:
        @hookimpl
        def admit_call(self, call):
            done.append("held")

        @hookimpl
        def record_entry(self, entry):
            done.append("written")

    one = client(found(Watching, "watching", "infra"))
    for provider in one.application.extensions["gateway"].providers.values():
        provider.auth = lambda _deployment: done.append("signed")
    assert one.post("/explain", json={**make_call().body, "model": "m"}).status_code == 200
    assert done == []
    assert one.post("/v1/messages", json={**make_call().body, "model": "m"}).status_code == 200
    assert done == ["held", "signed", "written"]


SHOWN = {
    "plain": {},
    "a need": {"tone": "warm"},
    "chat": {"reasoning": 1, "mood": "dry", "temperature": 1},
    "a stream": {"stream": True, "novelty": [1, None]},
}


@pytest.mark.parametrize("body", SHOWN.values(), ids=SHOWN)
@pytest.mark.parametrize("name", ["messages", "chat"])
def test_what_is_explained_is_what_is_sent(client, sent, name, body):
    path = {"messages": "/v1/messages", "chat": "/v1/chat/completions"}[name]
    one = client(TONE, MOOD, yaml=FORWARD + DROP)
    whole = {**make_call().body, "model": "m", **body}
    headers = {"anthropic-beta": "novel-2030-01-01"}
    said = one.post(f"/explain?full=true&surface={name}", json=whole, headers=headers).json
    for _ in range(20):  # whatever the lot decides
        answer = one.post(path, json=whole, headers=headers)
        request = places(said)[answer.headers["gateway-deployment"]]["request"]
        outbound = sent[-1]
        assert (request["method"], request["url"]) == (outbound.method, outbound.url)
        assert (request["headers"], request["body"]) == (outbound.headers, json.loads(outbound.body))


EDITS = {"edits": [{"type": "compact_20260112"}, {"type": "clear_tool_uses_20250919"}]}
FEATURES = [
    ("messages", {"context_management": EDITS, "thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}),
    ("messages", {"speed": "fast", "inference_geo": "us", "stream": True}),
    ("chat", {"context_management": EDITS, "reasoning_effort": "low", "speed": "standard"}),
    ("chat", {"max_tokens": None, "reasoning_effort": "none", "stream": True}),
]


@pytest.mark.parametrize(("surface", "body"), FEATURES)
def test_what_is_explained_of_the_features_is_what_is_sent(sent, monkeypatch, surface, body):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "x")
    yaml = f"model_list: [{{model_name: o, litellm_params: {{model: anthropic/claude-opus-4-6}}}}]\n{FORWARD}"
    everything = [one for one in discover() if one.kind != "infra"]
    client = create_app(parse(yaml, "c.yaml", {}), found=everything).test_client()
    whole = {**make_call().body, "model": "o", **body}
    headers = {"anthropic-beta": "context-1m-2025-08-07,compact-2026-01-12"}
    (place,) = client.post(f"/explain?full=true&surface={surface}", json=whole, headers=headers).json["deployments"]
    client.post({"messages": "/v1/messages", "chat": "/chat/completions"}[surface], json=whole, headers=headers)
    (outbound,) = sent
    assert (place["request"]["headers"], place["request"]["body"]) == (outbound.headers, json.loads(outbound.body))
    assert ",".join(place["request"]["betas"]) == outbound.headers["anthropic-beta"]


def test_a_refusal_is_the_one_that_the_client_gets(client):
    one = client(TONE)
    whole = {**make_call().body, "model": "m", "thinking": {"type": "deep"}}
    refused = one.post("/explain", json=whole).json["refused"]
    answer = one.post("/v1/messages", json=whole)
    assert (refused["status"], refused["message"]) == (answer.status_code, answer.json["error"]["message"])
    assert refused["details"] == answer.json["error"]["details"]


class Keys:
    """Knows one ordinary key."""

    @hookimpl
    def authenticate_request(self, credential):
        if credential == "sk-some":
            return Principal("some", permissions=Permissions(models=("m",), capabilities=("depth",)))
        return None


class Vault:
    """Brings a host whose address and headers tell whose account it is."""

    @hookimpl
    def register_provider(self):
        class Project(TestHost):
            def encode(self, call):
                url = "https://me:secret@eu.example.com/projects/acme/messages"
                headers = {"content-type": "application/json", "x-project": "acme", **call.headers}
                return Outbound("POST", url, headers, strictjson.dumps(call.body))

        return Project(name="second")

    @hookimpl
    def register_catalog(self):
        return [ModelRow(provider="second", id="three", rates=RATES, source="test")]


def test_where_a_host_is_and_whose_is_shown_to_the_operator_only(sent):
    yaml = """
model_list: [{model_name: m, litellm_params: {model: second/three}}]
general_settings:
  master_key: sk-operator
  forward_client_headers_to_llm_api: true
  forwarded_headers: [x-trace]
"""
    plugins = [found(Vault, "vault", "provider"), found(Keys, "keys", "infra")]
    client = create_app(parse(yaml, "c.yaml", {}), found=plugins).test_client()

    def ask(key):
        headers = {"x-api-key": key, "x-trace": "t1"}
        return client.post("/explain", json={**make_call().body, "model": "m"}, headers=headers)

    (place,) = ask("sk-some").json["deployments"]
    assert "url" not in place["request"]
    assert place["request"]["headers"] == {"content-type": "application/json", "x-trace": "t1"}
    assert "acme" not in ask("sk-some").text
    (place,) = ask("sk-operator").json["deployments"]
    assert place["request"]["url"] == "https://eu.example.com/projects/acme/messages"
    assert place["request"]["headers"]["x-project"] == "acme"
    assert "secret" not in ask("sk-operator").text


def test_a_keys_permissions_hold(client):
    one = client(TONE, found(Keys, "keys", "infra"), yaml="general_settings: {master_key: sk-operator}")

    def ask(key="sk-some", **body):
        return one.post("/explain", json={**make_call().body, "model": "m", **body}, headers={"x-api-key": key})

    assert ask("sk-nobody").status_code == 401
    forbidden = ask(model="only-second")
    assert (forbidden.status_code, forbidden.json["error"]["code"]) == (403, "forbidden")
    refused = ask(tone="warm").json["refused"]
    assert (refused["status"], refused["code"], refused["plugin"]) == (403, "forbidden", "tone")
    assert not any(place["request"] for place in ask(tone="warm").json["deployments"])
    assert ask().json["refused"] is None


def test_a_host_that_refuses_by_itself_is_explained_too(sent):
    class Fussy:
        @hookimpl
        def register_provider(self):
            class Host(TestHost):
                def encode(self, call):
                    raise NotSupported("Not on a Sunday.")

            return Host()

    yaml = "model_list: [{model_name: '*', litellm_params: {model: 'test/*'}}]"
    app = create_app(parse(yaml, "c.yaml", {}), found=[found(Fussy, "test", "provider")])
    said = app.test_client().post("/explain", json=make_call().body).json
    assert (said["refused"]["status"], said["refused"]["message"]) == (501, "Not on a Sunday.")
    assert said["deployments"][0]["refused"] == said["refused"]


def test_one_place_that_refuses_does_not_speak_for_the_others(explain):
    class Picky:
        @hookimpl
        def prepare_request(self, call):
            if call.host.id == "test/two":
                raise Forbidden("Not there.")

    said = explain(found(Picky, "picky", "feature"))
    assert said["refused"] is None
    assert places(said)["test/two"]["refused"]["message"] == "Not there."
    assert {name: place["share"] for name, place in places(said).items() if place["share"]} == {
        "test/one": 0.2,
        "second/three": 0.8,
    }


@pytest.mark.parametrize("surface", ["messages", "chat"])
def test_hostile_bodies_are_refused_in_the_explanation_never_tripped_over(client, surface):
    one = client(TONE, MOOD)
    names = [*make_call().body, "system", "tools", "thinking", "tone", "mood", "stream", "stop", "novelty"]
    for name in names:
        for value in HOSTILE:
            answer = one.post(f"/explain?surface={surface}", json={**make_call().body, "model": "m", name: value})
            assert answer.status_code in (200, 404), (name, value, answer.text)
            refused = answer.json.get("refused")
            assert refused is None or refused["status"] == 400, (name, value, refused)
