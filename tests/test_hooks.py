"""Each hook, once through the whole corridor."""

import json
from decimal import Decimal

import click
import pytest
from flask import Blueprint, jsonify
from marshmallow import fields

from gateway import (
    BudgetExceeded,
    ConfigError,
    Conflict,
    Entry,
    Event,
    Factor,
    FactorRow,
    Filter,
    Forbidden,
    GrantRow,
    Param,
    Principal,
    Reading,
    Surface,
    Unavailable,
    Variant,
    Writer,
    hookimpl,
)
from gateway.cli import plugin_commands
from gateway.config import parse
from gateway.plugins import Plugins
from gateway.testing import (
    FakeDoor,
    TestHost,
    found,
    make_call,
    make_entry,
    parse_stream,
    sample_message,
    sample_stream,
)


@pytest.fixture
def ask(gateway_app, monkeypatch):
    """Ask an app that has these plugins; the transport hands back the sample answer."""
    from gateway import strictjson
    from gateway.transport import Transport

    class Memory:
        status = 200

        def __init__(self, stream):
            frames = b"".join(event.frame for event in sample_stream())
            self.headers = {"request-id": "req_host"}
            self.data = frames if stream else strictjson.dumps(sample_message())

        def chunks(self):
            yield self.data

        def read(self):
            return self.data

        def finish(self):
            pass

        def close(self):
            pass

    sent = []

    def send(self, outbound, auth, watch):
        sent.append(outbound)
        watch.answering()
        return Memory(strictjson.loads(outbound.body).get("stream") is True)

    monkeypatch.setattr(Transport, "send", send)

    def ask(*plugins, body=None, headers=None, yaml=""):
        from gateway.testing import make_call

        app = gateway_app(*plugins, yaml=yaml)
        parts = app.extensions["gateway"]
        surface = next(one for one in parts.surfaces if one.name == "messages")
        door = FakeDoor(strictjson.dumps({**make_call().body, **(body or {})}), headers or {})
        parts.pipeline.serve(surface, "create", door)
        door.sent_upstream = sent
        return door

    ask.sent = sent
    return ask


def test_hook_register_params_lets_a_field_in_and_checks_it(ask):
    class Tone:
        @hookimpl
        def register_params(self):
            return [Param("tone", fields.Integer(strict=True))]

    assert ask(found(Tone, "tone", "feature"), body={"tone": 3}).status == 200
    refused = ask(found(Tone, "tone", "feature"), body={"tone": "loud"})
    assert refused.status == 400
    assert b"tone: Not a valid integer." in refused.received


def test_hook_register_catalog_grants_what_a_claim_needs(ask):
    class Tone:
        @hookimpl
        def register_params(self):
            return [Variant("thinking", "deep", needs="depth")]

        @hookimpl
        def register_catalog(self):
            return [GrantRow(provider="test", capability="depth", betas=("depth-1",))]

    door = ask(found(Tone, "tone", "feature"), body={"thinking": {"type": "deep"}})
    assert door.status == 200
    assert door.sent_upstream[0].headers["anthropic-beta"] == "depth-1"


def test_hook_register_provider_may_not_bring_a_name_twice(gateway_app):
    class Again:
        @hookimpl
        def register_provider(self):
            return TestHost()

    with pytest.raises(ConfigError, match="Two plugins bring a provider named 'test'"):
        gateway_app(found(Again, "again", "provider"))


def test_hook_register_surface_serves_its_paths(gateway_app):
    class Echo(Surface):
        name = "echo"
        paths = {"/echo": "create"}

        def read(self, asked, headers):
            return Reading("m", {"model": "m", **asked}, stream=False)

        def error(self, error, call_id):
            return b"echo: " + error.message.encode()

        def writer(self, call):
            return Writer(call)

    class EchoPlugin:
        @hookimpl
        def register_surface(self):
            return Echo()

    client = gateway_app(found(EchoPlugin, "echo", "surface")).test_client()
    answer = client.post("/echo", json={"messages": 3, "max_tokens": 1})
    assert answer.status_code == 400
    assert answer.data == b"echo: messages: has to be a list."


def test_hook_register_views_are_the_operators_unless_they_say_so(gateway_app):
    class Extra:
        @hookimpl
        def register_views(self):
            views = Blueprint("extra", __name__)

            @views.get("/extra")
            def extra():
                return jsonify("for the operator")

            return views

    app = gateway_app(found(Extra, "extra", "infra"), yaml="general_settings: {master_key: sk-a-long-one}")
    client = app.test_client()
    assert client.get("/extra").status_code == 401
    assert client.get("/extra", headers={"x-api-key": "sk-a-long-one"}).json == "for the operator"


def test_hook_register_commands_adds_to_the_command_line(monkeypatch):
    class Extra:
        @hookimpl
        def register_commands(self):
            return [click.Command("extra"), click.Command("serve")]

    monkeypatch.setattr("gateway.cli.discover", lambda _allow: [found(Extra, "extra", "infra")])
    assert set(plugin_commands(parse(""), set())) == {"extra", "serve"}
    with pytest.raises(ConfigError, match="'serve', but that name is taken"):
        plugin_commands(parse(""), {"serve"})


def test_hook_authenticate_request_names_who_asks_and_the_first_answer_counts(ask):
    class Keys:
        @hookimpl
        def authenticate_request(self, credential, headers):
            if credential == "blocked":
                raise Forbidden("This key is blocked.")
            return Principal("k1") if credential == "good" else None

    yaml = "general_settings: {master_key: sk-a-long-one}"
    keys = found(Keys, "keys", "infra")
    assert ask(keys, headers={"x-api-key": "good"}, yaml=yaml).status == 200
    assert ask(keys, headers={"x-api-key": "blocked"}, yaml=yaml).status == 403
    assert ask(keys, headers={"x-api-key": "bad"}, yaml=yaml).status == 401
    assert ask(keys, headers={"x-api-key": "sk-a-long-one"}, yaml=yaml).status == 200


def test_hook_admit_call_holds_refuses_and_gives_back(ask):
    log = []

    class Hold:
        headers = {"x-limit": "7"}

        def settle(self, entry):
            log.append(("settled", entry.cost))

        def release(self):
            log.append("released")

    class Budget:
        @hookimpl
        def admit_call(self, call, estimate):
            log.append(("asked", estimate.total > 0))
            return Hold()

    class Strict:
        @hookimpl
        def admit_call(self, call):
            if "refuse" in call.asked:
                raise BudgetExceeded("The budget is spent.", retry_after=9)

    plugins = found(Budget, "budget", "infra"), found(Strict, "strict", "infra")
    door = ask(*plugins)
    assert door.answer_headers["x-limit"] == "7"
    assert log == [("asked", True), ("settled", Decimal("0.0005525")), "released"]
    log.clear()
    refused = ask(*plugins, body={"refuse": 1})
    assert (refused.status, refused.answer_headers["retry-after"]) == (429, "9")
    assert refused.answer_headers["x-should-retry"] == "false"
    assert not refused.sent_upstream[1:]
    assert log.count("released") == log.count(("asked", True))
    assert not [step for step in log if step[0] == "settled"]


def test_holds_of_others_are_given_back_when_one_refuses(ask):
    log = []

    class Hold:
        headers = {}

        def settle(self, entry):
            log.append("settled")

        def release(self):
            log.append("released")

    class Early:
        @hookimpl(tryfirst=True)
        def admit_call(self):
            return Hold()

    class Late:
        @hookimpl(trylast=True)
        def admit_call(self):
            return Hold()

    class Refusing:
        @hookimpl
        def admit_call(self):
            raise BudgetExceeded("The budget is spent.")

    plugins = found(Early, "early", "infra"), found(Late, "late", "infra"), found(Refusing, "refusing", "infra")
    assert ask(*plugins).status == 429
    assert log == ["released"]


def test_hook_prepare_request_writes_its_own_field_on_a_copy(ask):
    class Tone:
        @hookimpl
        def register_params(self):
            return [Param("tone")]

        @hookimpl
        def prepare_request(self, call):
            call.set("tone", f"{call.asked['tone']} for {call.host.upstream}")
            call.add_betas(["tone-1"])

    door = ask(found(Tone, "tone", "feature"), body={"tone": "soft"})
    assert b'"tone":"soft for claude-test-1"' in door.sent_upstream[0].body
    assert door.sent_upstream[0].headers["anthropic-beta"] == "tone-1"


@pytest.mark.parametrize("stream", [False, True])
def test_hook_filter_events_replaces_what_it_wants(ask, stream):
    class Shout:
        @hookimpl
        def filter_events(self, call):
            def change(event):
                value = event.json()
                if event.name == "message":
                    yield Event.of({**value, "content": []})
                elif event.name == "content_block_start":
                    yield Event.of({**value, "content_block": {**value["content_block"], "extra": "seen"}})

            return Filter(change, events=frozenset({"message"}), blocks=frozenset({"novelty"}))

    door = ask(found(Shout, "shout", "feature"), body={"stream": stream})
    if not stream:
        assert b'"content":[]' in door.received
        return
    events = [event.json() for event in parse_stream(door.received)]
    blocks = [event["content_block"] for event in events if event["type"] == "content_block_start"]
    assert [block for block in blocks if block["type"] == "novelty"] == [
        {"type": "novelty", "content": "new", "extra": "seen"}
    ]
    assert len([event for event in events if event["type"] == "content_block_stop"]) == len(blocks) - 1


def test_hook_adjust_cost_multiplies_by_number_or_by_reason(ask):
    class Markup:
        @hookimpl
        def register_catalog(self):
            return [FactorRow(provider="test", reason="night", times=Decimal(2), kinds=("output",))]

        @hookimpl
        def adjust_cost(self, call, usage, served):
            return [Factor("markup", Decimal("1.5")), "night"]

    plain, dear = ask(), ask(found(Markup, "markup", "feature"))
    # 10 fresh at $5, 5 read at $0.50, 20 out at $25 a million; all x1.5, output x2 besides
    assert plain.answer_headers["gateway-cost-usd"] == "0.0005525"
    assert dear.answer_headers["gateway-cost-usd"] == "0.00157875"


def test_hook_record_entry_gets_every_entry_whatever_another_plugin_does(ask):
    seen = []

    class Broken:
        @hookimpl
        def record_entry(self, entry):
            raise RuntimeError("disk full")

    class Ledger:
        @hookimpl
        def record_entry(self, entry):
            seen.append(entry)

    door = ask(found(Broken, "broken", "infra"), found(Ledger, "books", "infra"), body={"surprise": 1})
    assert door.status == 200
    (entry,) = seen
    assert (entry.outcome, entry.cost, entry.unread) == ("complete", Decimal("0.0005525"), ("surprise",))
    assert entry.upstream_request_id == "req_host"


def test_plugins_of_a_kind_may_not_do_another_kinds_work():
    class Sneaky:
        @hookimpl
        def record_entry(self, entry):
            """Not a feature's business."""

    with pytest.raises(ConfigError, match="is a feature and may not implement record_entry"):
        Plugins([found(Sneaky, "sneaky", "feature")], {})


def test_the_order_of_plugins_changes_no_bill_and_no_byte(ask):
    class One:
        @hookimpl
        def adjust_cost(self):
            return Factor("one", Decimal("1.1"))

    class Two:
        @hookimpl
        def adjust_cost(self):
            return Factor("two", Decimal("0.7"))

    pair = found(One, "one", "feature"), found(Two, "two", "feature")
    there, back = ask(*pair), ask(*reversed(pair))
    assert there.received == back.received
    assert there.answer_headers["gateway-cost-usd"] == back.answer_headers["gateway-cost-usd"]


def test_a_call_copy_leaves_the_clients_words_alone():
    call = make_call({"output_config": {"format": 1}})
    there = call.toward(call.host)
    there.set("output_config.effort", "low")
    assert call.asked["output_config"] == {"format": 1}
    assert there.body["output_config"] == {"format": 1, "effort": "low"}


def test_a_feature_that_writes_what_it_does_not_claim_stops_the_call(ask):
    class Greedy:
        @hookimpl
        def register_params(self):
            return [Param("tone")]

        @hookimpl
        def prepare_request(self, call):
            call.set("tone", "soft")
            call.set("temperature", 0)

    door = ask(found(Greedy, "greedy", "feature"))
    assert door.status == 500
    assert b"The plugin greedy wrote temperature, which it does not claim." in door.received
    assert not door.sent_upstream


def test_two_features_that_want_the_same_event_stop_the_call(ask):
    class Shout:
        @hookimpl
        def filter_events(self):
            return Filter(lambda event: [event], events=frozenset({"message"}))

    door = ask(found(Shout, "shout", "feature"), found(Shout, "echo", "feature"))
    assert (door.status, b"Two plugins want to change message" in door.received) == (500, True)
    assert not door.sent_upstream


def test_hook_start_attempt_learns_what_stands_before_anything_is_sent(ask):
    log = []

    class Journal:
        @hookimpl
        def start_attempt(self, entry):
            log.append(("started", entry))

        @hookimpl
        def record_entry(self, entry):
            log.append(("ended", entry))

    ask(found(Journal, "journal", "infra"))
    (first, started), (then, ended) = log
    assert (first, then) == ("started", "ended")
    assert (started.call_id, started.attempt) == (ended.call_id, ended.attempt)
    assert (started.outcome, started.estimated, started.upstream_request_id) == ("unknown", True, "")
    assert started.cost > ended.cost > 0
    assert Entry.from_dict(json.loads(json.dumps(started.as_dict()))).as_dict() == started.as_dict()
    assert Entry.from_dict(json.loads(json.dumps(ended.as_dict()))).cost == ended.cost


def test_an_attempt_that_cannot_be_written_down_is_not_made(ask):
    seen = []

    class Journal:
        @hookimpl
        def start_attempt(self, entry):
            raise Unavailable("The ledger cannot be written.", retry_after=2)

        @hookimpl
        def record_entry(self, entry):
            seen.append((entry.outcome, entry.cost))

    door = ask(found(Journal, "journal", "infra"))
    assert (door.status, door.answer_headers["retry-after"], ask.sent) == (503, "2", [])
    assert seen == [("failed", 0)]


def test_hook_recover_entries_hands_what_is_found_to_everybody(gateway_app):
    seen, lost = [], [make_entry(call_id="req_lost", estimated=True)]

    class Journal:
        @hookimpl
        def recover_entries(self):
            found = [*lost]
            lost.clear()
            return found

    class Broken:
        @hookimpl
        def recover_entries(self):
            raise RuntimeError("disk full")

    class Books:
        @hookimpl
        def record_entry(self, entry):
            seen.append(entry.call_id)

    plugins = found(Broken, "broken", "infra"), found(Journal, "journal", "infra"), found(Books, "books", "infra")
    recovery = gateway_app(*plugins).extensions["gateway"].recovery
    assert (recovery.look(), recovery.look(), seen) == (1, 0, ["req_lost"])


def test_hook_report_health_decides_readiness_and_nothing_else(gateway_app):
    reasons = ["the database is away"]

    class Ill:
        @hookimpl
        def report_health(self):
            return reasons[0] if reasons else None

    class Broken:
        @hookimpl
        def report_health(self):
            raise RuntimeError("secret")

    client = gateway_app(found(Ill, "ill", "infra")).test_client()
    for path in ("/readyz", "/health/readiness"):
        answer = client.get(path)
        assert (answer.status_code, answer.json["reasons"]) == (503, ["ill: the database is away"])
    assert client.get("/healthz").status_code == client.get("/livez").status_code == 200
    reasons.clear()
    assert client.get("/readyz").status_code == client.get("/health/readiness").status_code == 200
    broken = gateway_app(found(Broken, "broken", "infra")).test_client().get("/readyz")
    assert (broken.status_code, broken.json["reasons"]) == (503, ["broken: its check failed"])


def test_hook_claim_answer_gives_the_same_answer_once_more(ask):
    log, kept = [], {}

    class Claimed:
        def __init__(self, key):
            self.key, self.saved = key, kept.get(key)

        def keep(self, answer):
            kept[self.key] = answer

        def release(self):
            log.append("released")

    class Answers:
        @hookimpl
        def claim_answer(self, call, key):
            if key == "taken":
                raise Conflict("It belongs to another request.")
            return Claimed(key)

    plugin = found(Answers, "answers", "infra")
    headers = {"idempotency-key": "k1"}
    first, second = ask(plugin, headers=headers), ask(plugin, headers=headers)
    assert first.received == second.received
    assert len(ask.sent) == 1
    assert (second.answer_headers["gateway-replayed"], "gateway-replayed" in first.answer_headers) == ("true", False)
    assert second.answer_headers["gateway-call-id"] == first.answer_headers["gateway-call-id"]
    assert ask(plugin, headers={"idempotency-key": "taken"}).status == 409
    assert ask(plugin, headers=headers, body={"stream": True}).status == 200
    assert len(ask.sent) == 2, "a stream has no saved answer"
    assert ask(plugin, headers={"idempotency-key": "k2"}, body={"max_tokens": "x"}).status == 400
    assert (log, [*kept]) == ([], ["k1"])


def test_a_request_that_fails_under_its_idempotency_key_may_be_made_again(ask):
    log = []

    class Open:
        saved = None

        def keep(self, answer):
            log.append("kept")

        def release(self):
            log.append("released")

    class Answers:
        @hookimpl
        def claim_answer(self, call):
            return Open()

    class Strict:
        @hookimpl
        def admit_call(self):
            raise BudgetExceeded("The budget is spent.")

    ask(found(Answers, "answers", "infra"), found(Strict, "strict", "infra"), headers={"idempotency-key": "k"})
    assert log == ["released"]
