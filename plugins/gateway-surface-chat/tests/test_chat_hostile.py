"""Hostile JSON: whatever is sent is read or refused, and never tripped over."""

import json
from contextlib import suppress

import pytest
from gateway_surface_chat import Chat
from gateway_surface_chat.request import HINTS, OWN
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import InvalidRequest, strictjson
from gateway.testing import make_call, sample_stream

WORDS = st.sampled_from([
    "", " ", "x", "user", "system", "assistant", "tool", "function", "developer", "text", "image_url", "file", "custom",
    "input_audio", "refusal", "thinking", "tool_use", "auto", "none", "required", "allowed_tools", "json_schema",
    "object", "data:image/png;base64,aGk=", "data:", "https://x", "{}", "[", "a@b.c", "anthropic-beta", "web_search",
])  # fmt: skip
LEAVES = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | WORDS
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner), max_leaves=3)

MARK = {"type": "ephemeral"}
PARTS = [
    {"type": "text", "text": "Hello", "cache_control": MARK},
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk=", "detail": "low"}},
    {"type": "file", "file": {"file_data": "aGk=", "filename": "x.txt"}},
    {"type": "file", "file": {"file_id": "file_1", "format": "application/pdf"}},
    {"type": "novelty", "key": [None]},
]
CALL = {"id": "call 1", "type": "function", "function": {"name": "f f", "arguments": '{"a": 1.50}'}}
FIELDS = {
    "novelty_blocks": [{"type": "novelty", "content": None}],
    "server_tool_use_blocks": [{"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}}],
    "web_search_results": [{"type": "web_search_tool_result", "tool_use_id": "s1", "content": []}],
    "thinking_blocks": [{"type": "thinking", "thinking": "Hm", "signature": "x", "index": 0}],
}
CONVERSATION = [
    {"role": "system", "content": "Be kind.", "cache_control": MARK},
    {"role": "user", "content": PARTS},
    {"role": "assistant", "content": "Hi", "refusal": "No", "tool_calls": [CALL], "provider_specific_fields": FIELDS},
    {"role": "tool", "tool_call_id": "call 1", "content": PARTS[:1], "is_error": True},
    {"role": "user", "content": "More"},
    {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": ""}},
    {"role": "function", "name": "f", "content": "1"},
    {"role": "developer", "content": PARTS[:1]},
]
FORMAT = {"type": "object", "properties": {"a": {"anyOf": [{"items": {"type": ["object"]}}]}}}
BODIES = [
    {"model": "m", "messages": CONVERSATION, "user": "u", "stop": ["a"], "stream": True, "temperature": 0.5, "n": 1},
    {
        "model": "m",
        "messages": CONVERSATION[1:2],
        "tools": [{"type": "function", "function": {"name": "f f", "parameters": FORMAT, "strict": True}}],
        "functions": [{"name": "g"}],
        "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"name": "f f"}]}},
        "parallel_tool_calls": False,
        "web_search_options": {"search_context_size": "low", "user_location": {"approximate": {"city": "x"}}},
        "stream_options": {"include_usage": True},
    },
    {
        "model": "m",
        "messages": CONVERSATION[:2],
        "system": "First",
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "function_call": {"name": "f"},
        "response_format": {"type": "json_schema", "json_schema": {"schema": FORMAT, "strict": True}},
        "output_config": {"effort": "low"},
        "extra_headers": {"anthropic-beta": "a,b", "x": "y"},
        "extra_body": {"anthropic_beta": ["c"], "metadata": {"user_id": "u"}, "service_tier": "default"},
        "logprobs": False,
        "modalities": ["text"],
        "max_completion_tokens": 5,
    },
]


def places(value, path=()):
    """Every place in a value, by the way to it."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield (*path, key)
        yield from places(one, (*path, key))


PLACES = [[*places(body)] for body in BODIES]


def spoiled(which, changes):
    """A good body with other values at some of its places; where those have gone, nothing happens."""
    body = json.loads(json.dumps(BODIES[which]))
    for place, value in changes:
        *way, last = PLACES[which][place % len(PLACES[which])]
        with suppress(KeyError, IndexError, TypeError):
            target = body
            for key in way:
                target = target[key]
            target[last] = value
    return body


SPOILED = st.builds(
    spoiled,
    st.integers(0, len(BODIES) - 1),
    st.lists(st.tuples(st.integers(0, 200), VALUES), max_size=3),
)


def test_the_good_bodies_are_good():
    for body in BODIES:
        assert Chat().read(body, {}).body["messages"]


@settings(max_examples=2000)
@given(SPOILED)
def test_a_body_is_read_or_refused(body):
    """What was read can be sent, and answered."""
    with suppress(InvalidRequest):
        asked = strictjson.loads_object(strictjson.dumps(body))
        reading = Chat().read(asked, {})
        strictjson.dumps(reading.body)
        assert reading.body["messages"]
        assert all(name.isprintable() and name.isascii() for name in (*reading.ignored, *reading.betas))
        writer = Chat().writer(make_call(asked=asked, model="m"))
        assert writer.events([*sample_stream()])


NAMES = st.sampled_from(
    sorted({*OWN, *HINTS, "model", "temperature", "top_p", "max_tokens", "stop_sequences", "stream"})
)


@settings(max_examples=500)
@given(st.dictionaries(NAMES | st.text(max_size=3), VALUES, max_size=4))
def test_any_object_is_read_or_refused(body):
    with suppress(InvalidRequest):
        Chat().read(body, {})


@pytest.mark.parametrize("depth", [190])
def test_the_deepest_nesting_that_the_parser_allows_is_fine(depth):
    schema = b'{"items":' * depth + b"{}" + b"}" * depth
    body = b'{"model":"m","messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema","json_schema":{"strict":true,"schema":%b}}}'
    Chat().read(strictjson.loads_object(body % schema), {})


def test_many_blocks_take_no_more_than_their_number():
    """No step looks at every block for every block."""
    blocks = [{"type": "server_tool_use", "id": f"s{n}", "tool_use_id": f"s{n - 1}"} for n in range(20_000)]
    results = [{"role": "tool", "tool_call_id": str(n), "content": "x"} for n in range(20_000)]
    parts = [{"type": "text", "text": str(n)} for n in range(20_000)]
    said = {"role": "assistant", "content": parts, "provider_specific_fields": {"server_tool_use_blocks": blocks}}
    body = {"model": "m", "messages": [said, {"role": "user", "content": parts}, *results]}
    turns = Chat().read(body, {}).body["messages"]
    assert [len(turn["content"]) for turn in turns] == [40_000, 40_000]
