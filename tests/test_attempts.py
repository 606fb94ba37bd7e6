"""From a call and its candidates to one answer: preparation, sending, faults, timing."""

import socket

import pytest
import responses

from gateway import GrantRow, Need, Outbound, Param, Permissions, Principal, Unreachable, hookimpl, strictjson
from gateway.app import assemble
from gateway.config import parse
from gateway.testing import FakeDoor, TestHost, found, make_call, sample_message
from gateway.testing import TestHostPlugin as HostPlugin

URL = "http://127.0.0.1:9/v1/messages"
WILD = "model_list: [{model_name: '*', litellm_params: {model: 'test/*'}}]\n"


def ask(body=None, *, plugins=(), yaml=WILD, action="create", seen=None):
    class Recorder:
        @hookimpl
        def record_entry(self, entry):
            if seen is not None:
                seen.append(entry)

    config = parse(yaml, "c.yaml", {})
    parts = assemble(config, found=[found(HostPlugin, "test", "provider"), found(Recorder, "rec", "infra"), *plugins])
    surface = next(one for one in parts.surfaces if one.name == "messages")
    door = FakeDoor(strictjson.dumps({**make_call().body, **(body or {})}))
    parts.pipeline.serve(surface, action, door)
    return door


@responses.activate
def test_an_answer_says_where_it_came_from_and_what_it_cost():
    responses.post(URL, strictjson.dumps(sample_message()), headers={"request-id": "req_host"})
    door = ask()
    assert door.status == 200
    told = door.answer_headers
    assert told["gateway-deployment"] == "test/claude-test-1"
    assert told["gateway-upstream-model"] == "claude-test-1"
    assert told["gateway-upstream-request-id"] == "req_host"
    assert told["gateway-attempts"] == "1"
    assert float(told["gateway-overhead-ms"]) >= 0
    assert told["gateway-cost-usd"] == "0.0005525"


@responses.activate
@pytest.mark.parametrize("status", [301, 400, 404, 429, 500, 529])
def test_a_refusal_keeps_its_status_and_costs_nothing(status):
    seen = []
    body = b'{"error": {"type": "x_error", "message": "as the host words it"}}'
    responses.post(URL, body, status=status, headers={"retry-after": "7", "location": "http://127.0.0.1:1/"})
    door = ask(seen=seen)
    assert door.status == (502 if status == 301 else status)
    assert b"as the host words it" in door.received
    assert door.answer_headers["retry-after"] == "7"
    assert (seen[0].outcome, seen[0].cost) == ("refused", 0)
    assert not seen[0].estimated


@responses.activate
def test_the_credential_that_a_host_refuses_is_ours():
    responses.post(URL, b'{"error": {"message": "invalid x-api-key"}}', status=401)
    seen = []
    door = ask(seen=seen)
    assert (door.status, b"operator has to check" in door.received) == (502, True)
    assert [(one.outcome, one.cost) for one in seen] == [("refused", 0)]


@responses.activate
@pytest.mark.parametrize("body", [b"", b"[]", b"hello", b"<html>"])
def test_an_answer_that_is_no_message_is_garbled(body):
    seen = []
    responses.post(URL, body)
    door = ask(seen=seen)
    assert (door.status, door.answer_headers["gateway-error"]) == (502, "upstream_garbled")
    assert (seen[0].outcome, seen[0].estimated) == ("failed", True)
    assert seen[0].cost > 0


@responses.activate
def test_an_answer_that_breaks_while_it_is_read_is_settled(monkeypatch):
    def broken(self, call, answer):
        raise Unreachable("The connection to the host failed or broke.")

    seen = []
    monkeypatch.setattr(TestHost, "events", broken)
    responses.post(URL, b"{}")
    assert ask(seen=seen).status == 502
    assert [(one.outcome, one.estimated, one.cost > 0) for one in seen] == [("failed", True, True)]


def test_a_host_that_takes_the_request_and_says_nothing_leaves_an_unknown(monkeypatch, host):
    def encode(self, call):
        return Outbound("POST", host.url, {}, strictjson.dumps(call.body))

    seen = []
    monkeypatch.setattr(TestHost, "encode", encode)
    host.does(lambda connection: connection.shutdown(socket.SHUT_RDWR))
    assert ask(seen=seen).status == 502
    assert [(one.outcome, one.estimated, one.cost > 0) for one in seen] == [("unknown", True, True)]


def test_a_host_that_is_not_there_is_unreachable():
    seen = []
    door = ask(seen=seen)
    assert (door.status, door.answer_headers["gateway-error"]) == (502, "upstream_unreachable")
    assert b"127.0.0.1" not in door.received
    assert (seen[0].outcome, seen[0].cost, seen[0].estimated) == ("failed", 0, False)


@responses.activate
def test_a_missing_max_tokens_is_filled_from_the_catalog():
    responses.post(URL, strictjson.dumps(sample_message()))
    config = parse(WILD, "c.yaml", {})
    parts = assemble(config, found=[found(HostPlugin, "test", "provider")])
    call = make_call()
    del call.body["max_tokens"]
    prepared = parts.pipeline.attempts.prepare(call, [call.host])
    assert strictjson.loads(prepared.outbound.body)["max_tokens"] == 1000


@responses.activate
def test_a_need_that_preparing_adds_moves_on_to_the_next_candidate():
    class Deep:
        @hookimpl
        def register_params(self):
            return [Param("depth", needs="depth")]

        @hookimpl
        def register_catalog(self):
            return [GrantRow(provider="test", upstream=("b",), capability="depth")]

    responses.post(URL, strictjson.dumps(sample_message()))
    yaml = "model_list: [{model_name: m, params: {model: test/a}}, {model_name: m, params: {model: test/b}}]"
    deep = found(Deep, "deep", "feature")
    for _ in range(20):
        assert (
            ask({"model": "m", "depth": 1}, yaml=yaml, plugins=[deep]).answer_headers["gateway-deployment"] == "test/b"
        )
    refused = ask({"model": "m", "depth": 1}, yaml=yaml.replace("test/b", "test/a"), plugins=[deep])
    assert refused.status == 400
    assert b"depth: depth is not available for m on test; other deployments there may have it." in refused.received
    assert b'"capability":"depth"' in refused.received


def test_a_host_that_cannot_count_says_so():
    door = ask(action="count")
    assert (door.status, b"Token counting is not available on test." in door.received) == (501, True)


@responses.activate
def test_counting_leaves_no_entry(monkeypatch):
    seen = []
    monkeypatch.setattr(TestHost, "encode_count", lambda self, call: self.encode(call))
    responses.post(URL, b'{"input_tokens": 12}')
    assert ask({"max_tokens": None}, action="count", seen=seen).received == b'{"input_tokens":12}'
    responses.post(URL, b"{}", status=400)
    assert ask(action="count", seen=seen).status == 400
    assert not seen


@responses.activate
def test_what_breaks_inside_is_told_without_its_reason(monkeypatch, caplog):
    def broken(self, call):
        raise RuntimeError("the reason")

    monkeypatch.setattr(TestHost, "encode", broken)
    door = ask()
    assert (door.status, b"the reason" in door.received) == (500, False)
    assert door.answer_headers["gateway-call-id"] in caplog.text


@responses.activate
@pytest.mark.parametrize(
    ("sent", "travels"),
    [
        ("", "mcp-client-2025-11-20"),
        ("mcp-client-2025-04-04", "mcp-client-2025-04-04"),
        ("other-1", "other-1,mcp-client-2025-11-20"),
        ("mcp-client-2025-11-20,mcp-client-2025-11-20", "mcp-client-2025-11-20"),
    ],
)
def test_a_fields_beta_is_added_unless_the_client_sends_one_of_its_kind(sent, travels):
    responses.post(URL, strictjson.dumps(sample_message()))
    config = parse(WILD + "general_settings: {forward_client_headers_to_llm_api: true}", "c.yaml", {})
    parts = assemble(config, found=[found(HostPlugin, "test", "provider")])
    surface = next(one for one in parts.surfaces if one.name == "messages")
    body = strictjson.dumps({**make_call().body, "mcp_servers": []})
    parts.pipeline.serve(surface, "create", FakeDoor(body, {"anthropic-beta": sent}))
    assert responses.calls[0].request.headers["anthropic-beta"] == travels


@responses.activate
def test_every_attempt_settles_the_holds_and_a_broken_hold_hurts_nobody(caplog):
    log = []

    class Hold:
        headers = {}

        def settle(self, entry):
            log.append(entry.outcome)
            raise RuntimeError("the books are closed")

        def release(self):
            log.append("released")
            raise RuntimeError("and stay so")

    class Limits:
        @hookimpl
        def admit_call(self):
            return Hold()

    limits = found(Limits, "limits", "infra")
    responses.post(URL, strictjson.dumps(sample_message()))
    assert ask(plugins=[limits]).status == 200
    responses.replace("POST", URL, b"{}", status=529)
    assert ask(plugins=[limits]).status == 529
    assert log == ["complete", "released", "refused", "released"]
    assert caplog.text.count("a hold could not be settled") == 2


@responses.activate
@pytest.mark.parametrize("number", [b"1e400", b"1234567890123456789012345678901234567890"])
def test_a_hosts_odd_details_do_not_break_the_error(number):
    responses.post(URL, b'{"error": {"type": "x", "message": "m", "details": {"n": %b}}}' % number, status=400)
    door = ask()
    assert (door.status, b'"m"' in door.received) == (400, True)


def test_a_name_too_long_for_a_model_is_not_echoed():
    door = ask({"model": "m" * 300})
    assert (door.status, len(door.received) < 300) == (404, True)


@responses.activate
def test_a_provider_that_cannot_state_its_facts_still_leaves_an_entry(monkeypatch):
    seen = []
    monkeypatch.setattr(TestHost, "served", lambda self, call: 1 / 0)
    responses.post(URL, strictjson.dumps(sample_message()))
    assert ask(seen=seen).status == 200
    assert (seen[0].outcome, seen[0].bill, seen[0].unpriced) == ("complete", None, ("everything: pricing failed",))


@responses.activate
def test_a_feature_that_cannot_price_stops_no_call():
    told = []

    class Broken:
        @hookimpl
        def adjust_cost(self):
            raise RuntimeError("no price today")

    class Limits:
        @hookimpl
        def admit_call(self, estimate):
            told.append(estimate)

    responses.post(URL, strictjson.dumps(sample_message()))
    assert ask(plugins=[found(Broken, "broken", "feature"), found(Limits, "limits", "infra")]).status == 200
    assert told == [None]


@responses.activate
def test_an_estimate_covers_what_the_model_may_write_and_the_dearest_input():
    told = []

    class Limits:
        @hookimpl
        def admit_call(self, estimate):
            told.append({line.kind: line.quantity for line in estimate.lines})

    responses.post(URL, strictjson.dumps(sample_message()))
    ask({"max_tokens": 77}, plugins=[found(Limits, "limits", "infra")])
    assert told[0]["output"] == 77
    assert set(told[0]) == {"cache_write_1h", "output"}


class Choosy:
    """A feature whose need shows only once the deployment is known."""

    @hookimpl
    def register_params(self):
        return [Param("wish", surface="messages"), Param("granted")]

    @hookimpl
    def register_catalog(self):
        return [GrantRow(capability="wishes", provider="elsewhere", betas=("wish-1",))]

    @hookimpl
    def prepare_request(self, call):
        if call.own("messages", "wish"):
            call.set("granted", call.asked["wish"])
            call.add_need(Need("wishes", "wish", claim="messages:wish"))


def test_what_only_preparing_shows_is_refused_by_name():
    door = ask({"wish": "a pony"}, plugins=[found(Choosy, "choosy", "feature")])
    assert door.status == 400
    assert b"wish: wishes is not available for claude-test-1 on test; available on: elsewhere." in door.received


@responses.activate
def test_what_only_preparing_shows_is_left_out_if_the_operator_wants_that():
    responses.post(URL, strictjson.dumps(sample_message()))
    drop = f"{WILD}litellm_settings: {{drop_params: true}}\ngeneral_settings: {{forward_client_headers_to_llm_api: true}}\n"
    door = ask({"wish": "a pony"}, plugins=[found(Choosy, "choosy", "feature")], yaml=drop)
    assert (door.status, door.answer_headers["gateway-dropped-params"]) == (200, "wish")
    assert "granted" not in strictjson.loads(responses.calls[0].request.body)


@responses.activate
def test_a_deployment_where_the_key_may_not_is_passed_over():
    class Keys:
        @hookimpl
        def authenticate_request(self, credential):
            return Principal("some", permissions=Permissions(capabilities=("easy",)))

    class Wish:
        @hookimpl
        def register_catalog(self):
            return [GrantRow(capability=name, provider="test") for name in ("easy", "hard")]

        @hookimpl
        def prepare_request(self, call):
            call.add_need(Need("hard" if call.host.upstream == "a" else "easy", "wish"))

    responses.post(URL, strictjson.dumps(sample_message()))
    yaml = "model_list: [{model_name: m, params: {model: test/a}}, {model_name: m, params: {model: test/b}}]"
    plugins = [found(Keys, "keys", "infra"), found(Wish, "wish", "feature")]
    for _ in range(20):
        door = ask({"model": "m"}, yaml=yaml, plugins=plugins)
        assert door.answer_headers["gateway-deployment"] == "test/b"
    refused = ask({"model": "m"}, yaml=yaml.replace("test/b", "test/a"), plugins=plugins)
    assert (refused.status, b"wish: this key may not use hard." in refused.received) == (403, True)


@responses.activate
@pytest.mark.parametrize(("dropped", "again"), [(True, "true"), (False, "false")])
def test_a_refused_credential_may_be_tried_again_where_another_one_is_fetched(monkeypatch, dropped, again):
    refused = []
    monkeypatch.setattr(TestHost, "refused", lambda self, deployment: refused.append(deployment.id) or dropped)
    responses.post(URL, b"{}", status=401)
    door = ask()
    assert (door.status, door.answer_headers["x-should-retry"]) == (502, again)
    assert refused == ["test/claude-test-1"]
