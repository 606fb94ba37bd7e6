"""Whatever is sent, an answer comes back: a message or an error in the API's shape, never a silent end."""

import copy
import json

import pytest
from gateway_infra_simulator import Simulator
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

BODY = {
    "model": "claude-opus-4-6",
    "max_tokens": 100,
    "stream": False,
    "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "ttl": "5m"}}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "use t"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "compaction", "content": "c", "encrypted_content": None},
                {"type": "tool_use", "id": "i", "name": "t", "input": {"a": 1}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "i", "content": [{"type": "text", "text": "r"}]},
                {"type": "text", "text": "use t [[sim:size tokens=70000]]"},
            ],
        },
    ],
    "tools": [{"name": "t", "input_schema": {"type": "object", "properties": {"a": {"type": "integer"}}}}],
    "tool_choice": {"type": "tool", "name": "t"},
    "thinking": {"type": "adaptive", "display": "summarized"},
    "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}},
    "metadata": {"user_id": "u"},
    "stop_sequences": ["END"],
    "context_management": {
        "edits": [
            {"type": "clear_thinking_20251015", "keep": {"type": "thinking_turns", "value": 1}},
            {
                "type": "clear_tool_uses_20250919",
                "trigger": {"type": "tool_uses", "value": 0},
                "keep": {"type": "tool_uses", "value": 0},
                "clear_at_least": {"type": "input_tokens", "value": 0},
                "exclude_tools": ["x"],
                "clear_tool_inputs": ["t"],
            },
            {
                "type": "compact_20260112",
                "trigger": {"type": "input_tokens", "value": 60000},
                "instructions": "i",
                "pause_after_compaction": False,
            },
        ]
    },
    "container": {"id": "c"},
    "inference_geo": "us",
    "service_tier": "auto",
}
BETAS = "compact-2026-01-12, context-management-2025-06-27"
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["type", "text", "id"]), inner, max_size=2)
    ),
    max_leaves=4,
)


def places(value, path=()):
    yield path
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield from places(member, (*path, key))


PLACES = [path for path in places(BODY) if path]


def mangled(path, value, *, drop):
    body = copy.deepcopy(BODY)
    parent = body
    for key in path[:-1]:
        parent = parent[key]
    if drop:
        del parent[path[-1]]
    else:
        parent[path[-1]] = value
    return body


@pytest.fixture(scope="module")
def shared():
    with Simulator() as simulator:
        yield simulator


def test_what_is_mangled_is_sound(shared, client_of):
    got = client_of(shared).post("/v1/messages", BODY, anthropic_beta=BETAS)
    assert got.json["context_management"]["applied_edits"][0]["cleared_tool_uses"] == 1
    assert [block["type"] for block in got.json["content"]] == ["compaction", "tool_use"]


@settings(max_examples=400, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(PLACES), value=VALUES, drop=st.booleans())
def test_any_mangled_request_is_answered(shared, client_of, path, value, drop):
    got = client_of(shared).post("/v1/messages", mangled(path, value, drop=drop), anthropic_beta=BETAS)
    assert got.status in (200, 400, 404)
    answer = got.message if got.status == 200 else got.error
    assert json.dumps(answer)


ABSENT = ("service_tier", "inference_geo", "container")
"""What the clouds refuse in any case."""


def from_cloud(api, host, body):
    sent = {key: value for key, value in body.items() if key not in ABSENT}
    return api.azure(beta=BETAS, **sent) if host == "azure" else api.vertex(beta=BETAS, place="us", **sent)


@pytest.mark.parametrize("host", ["azure", "vertex"])
def test_what_is_mangled_is_sound_on_the_clouds_too(shared, client_of, host):
    assert from_cloud(client_of(shared), host, BODY).status == 200


@settings(max_examples=150, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(PLACES), value=VALUES, drop=st.booleans(), host=st.sampled_from(["azure", "vertex"]))
def test_any_mangled_request_is_answered_by_the_clouds_too(shared, client_of, path, value, drop, host):
    got = from_cloud(client_of(shared), host, mangled(path, value, drop=drop))
    assert got.status in (200, 400, 404)
    assert got.json if got.status != 200 else got.message
