"""Thousands of generated bodies: each gets an answer or a clear refusal, none gets a 5xx of ours."""

import json
import logging

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway import strictjson
from gateway.app import create_app
from gateway.config import parse
from gateway.plugins import discover
from gateway.testing import TestHostPlugin as HostPlugin
from gateway.testing import found, sample_message, sample_stream
from gateway.transport import Transport

TOOL = {"name": "f", "description": "d", "input_schema": {"type": "object", "properties": {}}}
VALID = {
    "/v1/messages": {
        "model": "m",
        "max_tokens": 50,
        "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "hi"}]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "ok"}]},
        ],
        "tools": [TOOL],
        "tool_choice": {"type": "auto"},
        "thinking": {"type": "disabled"},
        "output_config": {"format": {"type": "json_schema", "schema": {}}},
        "context_management": {"edits": []},
        "metadata": {"user_id": "u"},
        "stop_sequences": ["x"],
        "temperature": 1.0,
    },
    "/v1/chat/completions": {
        "model": "m",
        "messages": [
            {"role": "system", "content": "s"},
            {"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": "https://x/y.png"}}]},
            {"role": "assistant", "content": None, "tool_calls": [{"id": "t1", "type": "function", "function": {"name": "f", "arguments": "{}"}}], "provider_specific_fields": {"novelty_blocks": [{"type": "novelty"}]}},
            {"role": "tool", "tool_call_id": "t1", "content": "ok"},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
        "stream_options": {"include_usage": True},
        "stop": ["x"],
        "user": "u",
        "n": 1,
        "temperature": 0.5,
        "max_completion_tokens": 9,
        "parallel_tool_calls": False,
        "web_search_options": {"user_location": {"approximate": {"city": "x"}}},
        "metadata": {"a": "b"},
        "service_tier": "auto",
    },
}  # fmt: skip

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["user", "assistant", "tool", "text", "image_url", "function", "auto", "data:image/png;base64,AA"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["type", "role", "content", "text", "id", "name", "function", "url"]), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def places(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


def put(value, path, junk):
    if not path:
        return junk
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = put(copy[path[0]], path[1:], junk)
    return copy


@st.composite
def bodies(draw, valid):
    body = valid
    for _ in range(draw(st.integers(1, 3))):
        body = put(body, draw(st.sampled_from(list(places(body))[1:] or [()])), draw(JUNK))
        if not isinstance(body, dict) or not body:
            break
    text = json.dumps({**body, **({"stream": True} if draw(st.booleans()) else {})} if isinstance(body, dict) else body)
    data = text.encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 9)) == 0:
        cut = draw(st.integers(0, len(data)))
        data = data[:cut] + draw(st.binary(max_size=4)) + data[cut + draw(st.integers(0, 4)) :]
    return data


class Memory:
    """A host that accepts everything."""

    status = 200
    headers = {}

    def __init__(self, stream):
        self.data = b"".join(event.frame for event in sample_stream()) if stream else strictjson.dumps(sample_message())

    def chunks(self):
        yield self.data

    def read(self):
        return self.data

    def finish(self):
        """Nothing trails."""

    close = finish


@pytest.fixture
def client(monkeypatch):
    monkeypatch.setattr(
        Transport,
        "send",
        lambda self, outbound, auth, watch: Memory(strictjson.loads(outbound.body).get("stream") is True),
    )
    config = parse("model_list: [{model_name: m, litellm_params: {model: test/m}}]")
    plugins = [one for one in discover() if one.kind == "surface"]
    return create_app(config, found=[found(HostPlugin, "test", "provider"), *plugins]).test_client()


@pytest.mark.slow
@pytest.mark.parametrize("path", VALID)
def test_no_body_makes_us_fail(client, path, caplog):
    caplog.set_level(logging.ERROR)
    statuses = set()

    @settings(
        max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None
    )
    @given(bodies(VALID[path]))
    def ask(body):
        answer = client.post(path, data=body, content_type="application/json")
        statuses.add(answer.status_code)
        assert answer.status_code in (200, 400, 404, 413, 415), answer.data
        assert b"Traceback" not in answer.data
        if answer.status_code != 200:
            assert json.loads(answer.data)["error"]["message"]

    ask()
    assert {200, 400} <= statuses
    assert not caplog.records


def test_the_valid_bodies_are_valid(client):
    for path, body in VALID.items():
        assert client.post(path, json=body).status_code == 200
