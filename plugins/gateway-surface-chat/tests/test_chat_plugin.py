"""The plugin as the core meets it."""

import json

from gateway_surface_chat import Chat, ChatPlugin

from gateway.plugins import discover
from gateway.testing import check_surface, found, parse_stream

BODY = {
    "model": "claude-test-1",
    "messages": [{"role": "user", "content": "Hello"}],
    "tools": [{"type": "function", "function": {"name": "weather"}}],
    "stream": True,
    "stream_options": {"include_usage": True},
}


def test_the_surface_keeps_its_promises():
    check_surface(ChatPlugin, body=BODY, parse=parse_stream)


def test_it_is_found_by_its_name():
    (one,) = [one for one in discover(("chat",)) if one.factory is ChatPlugin]
    assert (one.name, one.kind, one.distribution) == ("chat", "surface", "gateway-surface-chat")


def test_it_serves_both_paths_and_fills_in_max_tokens():
    surface = ChatPlugin().register_surface()
    assert dict(surface.paths) == {"/chat/completions": "create", "/v1/chat/completions": "create"}
    assert surface.optional == {"max_tokens"}
    assert surface.request_id == "x-request-id"


def test_what_is_asked_stays_as_it_is():
    asked = {
        "model": "m",
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "s"}], "cache_control": {"type": "ephemeral"}},
            {"role": "assistant", "tool_calls": [{"id": "a b", "function": {"name": "x y", "arguments": ""}}]},
            {"role": "tool", "tool_call_id": "a b", "content": [{"type": "text", "text": "r"}]},
            {"role": "user", "content": [{"type": "text", "text": "u", "prompt_cache_breakpoint": {}}]},
        ],
        "tools": [{"type": "function", "function": {"name": "x y", "parameters": {"properties": {}}}}],
        "response_format": {"type": "json_schema", "json_schema": {"strict": True, "schema": {"type": "object"}}},
        "extra_body": {"speed": "fast"},
        "web_search_options": {},
    }
    before = json.dumps(asked)
    Chat().read(asked, {})
    assert json.dumps(asked) == before


def test_what_cannot_be_is_refused_unless_the_operator_drops_it(gateway_app):
    asked = BODY | {"n": 2, "logprobs": True, "temperature": 1.5}
    reading = Chat().read(asked, {})
    assert list(reading.unsupported) == ["n", "logprobs", "temperature"]
    chat = found(ChatPlugin, "chat", "surface")
    refused = gateway_app(chat).test_client().post("/v1/chat/completions", json=asked)
    assert (refused.status_code, refused.json["error"]["param"]) == (400, "n")
    dropping = gateway_app(chat, yaml="litellm_settings: {drop_params: true}").test_client()
    answer = dropping.post("/v1/chat/completions", json=asked)
    assert answer.headers["gateway-dropped-params"] == "n, logprobs, temperature"
    assert not reading.body.keys() & {"n", "logprobs", "temperature"}
