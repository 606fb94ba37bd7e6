"""Requests to Converse: every one is checked against the service model that AWS's own client is made from."""

import base64
import copy
import json
import re

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.serialize import create_serializer
from botocore.validate import ParamValidator
from gateway_provider_bedrock import converse
from gateway_provider_bedrock.converse_block import Names
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import InvalidRequest, strictjson

MODEL = ServiceModel(Loader().load_service_model("bedrock-runtime", "service-2"), "bedrock-runtime")
CONVERSE = MODEL.operation_model("Converse")
PIXEL = base64.b64encode(b"\x89PNG picture").decode()
PDF = base64.b64encode(b"%PDF-1.7 pages").decode()
CACHED = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}
POINT = {"cachePoint": {"type": "default"}}
HOUR_POINT = {"cachePoint": {"type": "default", "ttl": "1h"}}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}}
TOOL = {"name": "look", "description": "Looks.", "input_schema": SCHEMA}
SPEC = {"toolSpec": {"name": "look", "description": "Looks.", "inputSchema": {"json": SCHEMA}}}
BASH = {"type": "bash_20250124", "name": "bash", "cache_control": CACHED}
USE = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"x": 1}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "seen"}


def unpacked(value, shape, path="request"):
    """The value as boto3 takes it: blobs as bytes. Checks what botocore leaves to the service: patterns, enums, limits."""
    kind = shape.type_name
    if kind == "structure" and not shape.is_document_type:
        return {name: unpacked(inner, shape.members[name], f"{path}.{name}") for name, inner in value.items()}
    if kind == "list":
        assert len(value) <= shape.metadata.get("max", len(value)), path
        return [unpacked(inner, shape.member, f"{path}[]") for inner in value]
    if kind == "map":
        for name in value:
            unpacked(name, shape.key, path)
        return {name: unpacked(inner, shape.value, path) for name, inner in value.items()}
    if kind == "blob":
        return base64.b64decode(value, validate=True)
    if kind == "string":
        assert value in (shape.enum or [value]), path
        assert len(value) <= shape.metadata.get("max", len(value)), path
        assert re.fullmatch(shape.metadata.get("pattern", ".*"), value, re.DOTALL), path
    return value


def sent(body, betas=()):
    """The request for a body, after AWS's client has agreed that it would send just that."""
    before = copy.deepcopy(body)
    request = converse.encode(body, betas)
    assert body == before
    params = {"modelId": "us.anthropic.claude-opus-4-6-v1", **unpacked(request, CONVERSE.input_shape)}
    report = ParamValidator().validate(params, CONVERSE.input_shape)
    assert not report.has_errors(), report.generate_report()
    theirs = create_serializer("rest-json").serialize_to_request(params, CONVERSE)["body"]
    assert json.loads(theirs) == json.loads(strictjson.dumps(request))
    return request


def asked(content, role="user"):
    return sent({"messages": [{"role": role, "content": content}], "tools": [TOOL]})["messages"][0]["content"]


def document(**fields):
    return {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}, **fields}


def test_the_smallest_request_is_only_what_was_asked():
    assert sent({"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 5}) == {
        "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
        "inferenceConfig": {"maxTokens": 5},
        "additionalModelResponseFieldPaths": ["/stop_sequence", "/delta/stop_sequence", "/usage/output_tokens_details"],
    }


PDF_BLOCK = {"format": "pdf", "name": "document", "source": {"bytes": PDF}}


@pytest.mark.parametrize(
    ("block", "parts"),
    [
        ({"type": "text", "text": "Grüß"}, [{"text": "Grüß"}]),
        ({"type": "text", "text": "a", "citations": None, "cache_control": None}, [{"text": "a"}]),
        ({"type": "text", "text": "a", "citations": []}, [{"text": "a"}]),
        ({"type": "text", "text": "a", "cache_control": CACHED}, [{"text": "a"}, POINT]),
        ({"type": "text", "text": "a", "cache_control": HOUR}, [{"text": "a"}, HOUR_POINT]),
        ({"type": "text", "text": "a", "cache_control": {**CACHED, "scope": "global"}}, [{"text": "a"}, POINT]),
        (IMAGE, [{"image": {"format": "png", "source": {"bytes": PIXEL}}}]),
        ({**IMAGE, "cache_control": HOUR}, [{"image": {"format": "png", "source": {"bytes": PIXEL}}}, HOUR_POINT]),
        (document(), [{"document": PDF_BLOCK}]),
        (
            document(title="Plan", context="Draft.", citations={"enabled": True}, cache_control=CACHED),
            [{"document": {**PDF_BLOCK, "name": "Plan", "context": "Draft.", "citations": {"enabled": True}}}, POINT],
        ),
        (document(citations={"enabled": False}), [{"document": {**PDF_BLOCK, "citations": {"enabled": False}}}]),
        (document(citations={}), [{"document": PDF_BLOCK}]),
        (
            document(source={"type": "text", "media_type": "text/plain", "data": "words"}),
            [{"document": {"format": "txt", "name": "document", "source": {"text": "words"}}}],
        ),
        (
            document(
                source={"type": "content", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
            ),
            [{"document": {"name": "document", "source": {"content": [{"text": "a"}, {"text": "b"}]}}}],
        ),
        (
            document(source={"type": "content", "content": "whole"}),
            [{"document": {"name": "document", "source": {"content": [{"text": "whole"}]}}}],
        ),
        (
            {
                "type": "search_result",
                "source": "https://a.example",
                "title": "A",
                "content": [{"type": "text", "text": "found"}],
                "citations": {"enabled": True},
            },
            [
                {
                    "searchResult": {
                        "source": "https://a.example",
                        "title": "A",
                        "content": [{"text": "found"}],
                        "citations": {"enabled": True},
                    }
                }
            ],
        ),
        (USE, [{"toolUse": {"toolUseId": "toolu_1", "name": "look", "input": {"x": 1}}}]),
        (
            {**USE, "caller": {"type": "direct"}, "input": {}},
            [{"toolUse": {"toolUseId": "toolu_1", "name": "look", "input": {}}}],
        ),
        (
            {**USE, "cache_control": CACHED},
            [{"toolUse": {"toolUseId": "toolu_1", "name": "look", "input": {"x": 1}}}, POINT],
        ),
        (
            {"type": "thinking", "thinking": "So.", "signature": "sig/+="},
            [{"reasoningContent": {"reasoningText": {"text": "So.", "signature": "sig/+="}}}],
        ),
        (
            {"type": "thinking", "thinking": "", "signature": "sig"},
            [{"reasoningContent": {"reasoningText": {"text": "", "signature": "sig"}}}],
        ),
        (
            {"type": "thinking", "thinking": "So.", "signature": ""},
            [{"reasoningContent": {"reasoningText": {"text": "So."}}}],
        ),
        (
            {"type": "redacted_thinking", "data": "EmwKAhgB"},
            [{"reasoningContent": {"redactedContent": base64.b64encode(b"EmwKAhgB").decode()}}],
        ),
    ],
)
def test_a_block_says_the_same_in_converse(block, parts):
    assert asked([block]) == parts


@pytest.mark.parametrize(
    ("fields", "result"),
    [
        ({"content": "seen"}, {"content": [{"text": "seen"}]}),
        ({"content": ""}, {"content": []}),
        ({"content": []}, {"content": []}),
        ({"content": None}, {"content": []}),
        ({"content": "bad", "is_error": True}, {"content": [{"text": "bad"}], "status": "error"}),
        ({"content": "good", "is_error": False}, {"content": [{"text": "good"}], "status": "success"}),
        (
            {"content": [{"type": "text", "text": "a"}, IMAGE, document(title="T")]},
            {
                "content": [
                    {"text": "a"},
                    {"image": {"format": "png", "source": {"bytes": PIXEL}}},
                    {"document": {**PDF_BLOCK, "name": "T"}},
                ]
            },
        ),
    ],
)
def test_a_tool_result_says_the_same_in_converse(fields, result):
    block = {"type": "tool_result", "tool_use_id": "toolu_1", **fields}
    assert asked([block]) == [{"toolResult": {"toolUseId": "toolu_1", **result}}]


def test_a_cache_mark_inside_a_tool_result_moves_behind_it():
    inner = [
        {"type": "text", "text": "a", "cache_control": CACHED},
        {"type": "text", "text": "b", "cache_control": HOUR},
    ]
    assert asked([{**RESULT, "content": inner}, {"type": "text", "text": "c"}])[1:] == [HOUR_POINT, {"text": "c"}]
    assert asked([{**RESULT, "content": inner, "cache_control": CACHED}])[1:] == [POINT]


@pytest.mark.parametrize(
    ("titles", "names"),
    [
        ([None, None, ""], ["document", "document (2)", "document (3)"]),
        (["Report.pdf", "Report/pdf"], ["Report-pdf", "Report-pdf (2)"]),
        (["a  b\tc\n(d) [e]"], ["a b c (d) [e]"]),
        (["a", "a (2)", "a", "a"], ["a", "a (2)", "a (3)", "a (4)"]),
        (["報告", "***"], ["document", "document (2)"]),
        (["x" * 300, "x" * 300], ["x" * 190, "x" * 190 + " (2)"]),
    ],
)
def test_documents_have_names_that_the_service_takes(titles, names):
    parts = asked([document(title=title) for title in titles])
    assert [part["document"]["name"] for part in parts] == names


def test_names_are_unique_across_turns_and_tool_results():
    body = {
        "messages": [
            {"role": "user", "content": [document(title="A")]},
            {"role": "assistant", "content": [USE]},
            {"role": "user", "content": [{**RESULT, "content": [document(title="A")]}, document(title="A")]},
        ],
        "tools": [TOOL],
    }
    turns = sent(body)["messages"]
    inner, outer = turns[2]["content"]
    names = [turns[0]["content"][0], inner["toolResult"]["content"][0], outer]
    assert [part["document"]["name"] for part in names] == ["A", "A (2)", "A (3)"]


@pytest.mark.timeout(20)  # a search from the start for each name would take minutes
def test_many_documents_of_one_title_are_named_in_no_time():
    names = Names()
    assert len({names.give("A") for _ in range(50_000)}) == 50_000


@pytest.mark.parametrize(
    ("system", "parts"),
    [
        ("Be brief.", [{"text": "Be brief."}]),
        (
            [{"type": "text", "text": "a"}, {"type": "text", "text": "b", "cache_control": HOUR}],
            [{"text": "a"}, {"text": "b"}, HOUR_POINT],
        ),
        ("", None),
        ([], None),
        (None, None),
    ],
)
def test_the_system_prompt_travels(system, parts):
    assert sent({"messages": [{"role": "user", "content": "Hi"}], "system": system}).get("system") == parts


def test_turns_of_one_role_are_joined_and_a_system_turn_stays():
    body = {
        "messages": [
            {"role": "user", "content": "a"},
            {"role": "user", "content": [{"type": "text", "text": "b"}]},
            {"role": "system", "content": "c"},
            {"role": "assistant", "content": "d"},
        ]
    }
    assert sent(body)["messages"] == [
        {"role": "user", "content": [{"text": "a"}, {"text": "b"}]},
        {"role": "system", "content": [{"text": "c"}]},
        {"role": "assistant", "content": [{"text": "d"}]},
    ]


OWN = "additionalModelRequestFields"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"temperature": 0.5, "top_p": 0.9}, {"inferenceConfig": {"temperature": 0.5, "topP": 0.9}}),
        ({"stop_sequences": ["END"]}, {"inferenceConfig": {"stopSequences": ["END"]}}),
        ({"stop_sequences": []}, {}),
        ({"top_k": 40}, {OWN: {"top_k": 40}}),
        ({"thinking": {"type": "adaptive", "display": "omitted"}}, {OWN: {"thinking": {"type": "adaptive", "display": "omitted"}}}),
        ({"output_config": {"effort": "max"}}, {"outputConfig": {"effort": "max"}}),
        (
            {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
            {"outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": '{"type":"object"}'}}}}},
        ),
        ({"output_config": {}}, {}),
        ({"metadata": {"user_id": "user_1@team"}}, {"requestMetadata": {"user_id": "user_1@team"}}),
        ({"metadata": {"user_id": '{"device":"a"}'}}, {}),
        ({"metadata": {"user_id": "x" * 257}}, {}),
        ({"metadata": {"user_id": None}}, {}),
        ({"tools": [TOOL]}, {"toolConfig": {"tools": [SPEC]}}),
        ({"tools": [{**TOOL, "type": "custom", "description": ""}]}, {"toolConfig": {"tools": [{"toolSpec": {"name": "look", "inputSchema": {"json": SCHEMA}}}]}}),
        ({"tools": [{**TOOL, "strict": True}]}, {"toolConfig": {"tools": [{"toolSpec": {**SPEC["toolSpec"], "strict": True}}]}}),
        ({"tools": [{**TOOL, "eager_input_streaming": True, "defer_loading": False}]}, {"toolConfig": {"tools": [SPEC]}}),
        ({"tools": [{**TOOL, "cache_control": HOUR}]}, {"toolConfig": {"tools": [SPEC, HOUR_POINT]}}),
        ({"tools": [BASH]}, {OWN: {"tools": [BASH]}}),
        ({"tools": [BASH, TOOL]}, {"toolConfig": {"tools": [SPEC]}, OWN: {"tools": [BASH]}}),
        ({"tools": [TOOL], "tool_choice": {"type": "auto"}}, {"toolConfig": {"tools": [SPEC], "toolChoice": {"auto": {}}}}),
        ({"tools": [TOOL], "tool_choice": {"type": "any"}}, {"toolConfig": {"tools": [SPEC], "toolChoice": {"any": {}}}}),
        (
            {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "look"}},
            {"toolConfig": {"tools": [SPEC], "toolChoice": {"tool": {"name": "look"}}}},
        ),
        (
            {"tools": [TOOL], "tool_choice": {"type": "auto", "disable_parallel_tool_use": False}},
            {"toolConfig": {"tools": [SPEC], "toolChoice": {"auto": {}}}},
        ),
        (
            {"tools": [TOOL], "tool_choice": {"type": "any", "disable_parallel_tool_use": True}},
            {"toolConfig": {"tools": [SPEC]}, OWN: {"tool_choice": {"type": "any", "disable_parallel_tool_use": True}}},
        ),
        (
            {"tools": [TOOL, BASH], "tool_choice": {"type": "tool", "name": "bash"}},
            {"toolConfig": {"tools": [SPEC]}, OWN: {"tools": [BASH], "tool_choice": {"type": "tool", "name": "bash"}}},
        ),
        ({"tools": [BASH], "tool_choice": {"type": "any"}}, {OWN: {"tools": [BASH], "tool_choice": {"type": "any"}}}),
        ({"tools": [TOOL, BASH], "tool_choice": {"type": "none"}}, {}),
        ({"tool_choice": {"type": "auto"}}, {}),
        ({"tools": [], "tool_choice": None}, {}),
        ({"speed": None, "container": None}, {}),
    ],
)  # fmt: skip
def test_a_field_goes_to_its_place(fields, said):
    request = sent({"messages": [{"role": "user", "content": "Hi"}], **fields})
    del request["messages"], request["additionalModelResponseFieldPaths"]
    assert request == said


def test_betas_go_to_the_model():
    request = sent({"messages": [{"role": "user", "content": "Hi"}], "top_k": 1}, ["a-2025", "b-2025"])
    assert request[OWN] == {"top_k": 1, "anthropic_beta": ["a-2025", "b-2025"]}


def test_tools_stay_when_the_conversation_used_them_and_none_may_be_called():
    turns = [{"role": "assistant", "content": [USE]}, {"role": "user", "content": [RESULT]}]
    request = sent({"messages": turns, "tools": [TOOL], "tool_choice": {"type": "none"}})
    assert request["toolConfig"] == {"tools": [SPEC]}
    assert request[OWN] == {"tool_choice": {"type": "none"}}


def test_numbers_of_a_schema_keep_their_spelling():
    body = strictjson.loads(
        b'{"messages":[],"temperature":0.50,"output_config":{"format":{"type":"json_schema","schema":{"maximum":1.50}}}}'
    )
    text = strictjson.dumps(converse.encode(body, ()))
    assert rb'"schema":"{\"maximum\":1.50}"' in text
    assert b'"temperature":0.50' in text


def test_an_empty_source_is_no_error():
    empty = {"type": "base64", "media_type": "application/pdf", "data": ""}
    request = converse.encode({"messages": [{"role": "user", "content": [document(source=empty)]}]}, ())
    assert request["messages"][0]["content"] == [{"document": {**PDF_BLOCK, "source": {"bytes": ""}}}]


def turn(*blocks):
    return {
        "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": list(blocks)}],
        "tools": [TOOL],
    }


def plain(**fields):
    return {"messages": [{"role": "user", "content": "Hi"}], **fields}


FIRST = "messages[1].content[0]"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (turn({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}), FIRST),
        (turn({"type": "web_search_tool_result", "tool_use_id": "s", "content": []}), FIRST),
        (turn({"type": "compaction", "content": "summary"}), FIRST),
        (turn({"type": "container_upload", "file_id": "f"}), FIRST),
        (turn({"type": "mcp_tool_use", "id": "m"}), FIRST),
        (turn({"type": "fallback"}), FIRST),
        (turn({"type": "from_next_year"}), FIRST),
        (turn({"type": "text", "text": "a"}, {"type": "hologram"}), "messages[1].content[1]"),
        (turn({**RESULT, "content": [{"type": "tool_reference", "tool_name": "x"}]}), f"{FIRST}.content[0]"),
        (turn({**RESULT, "content": [RESULT]}), f"{FIRST}.content[0]"),
        (turn({**USE, "caller": {"type": "code_execution_20250825", "tool_id": "s"}}), f"{FIRST}.caller"),
        (turn({"type": "text", "text": "a", "from_next_year": 1}), f"{FIRST}.from_next_year"),
        (turn({"type": "text", "text": "a", "citations": [{"type": "elsewhere"}]}), f"{FIRST}.citations[0]"),
        (turn({"type": "text", "text": "a", "cache_control": {"type": "eternal"}}), f"{FIRST}.cache_control"),
        (turn(document(source={"type": "content", "content": [IMAGE]})), f"{FIRST}.source.content[0]"),
        (plain(tools=[{"type": "web_search_20250305", "name": "web_search"}]), "tools[0]"),
        (plain(tools=[TOOL, {"type": "mcp_toolset", "mcp_server_name": "m"}]), "tools[1]"),
        (plain(tools=[{"type": "tool_search_tool_regex_20251119", "name": "s"}]), "tools[0]"),
        (plain(tools=[{**TOOL, "defer_loading": True}]), "tools[0].defer_loading"),
        (plain(tools=[{**TOOL, "input_examples": [{}]}]), "tools[0].input_examples"),
        (plain(max_tokens=0), "max_tokens"),
        (plain(speed="fast"), "speed"),
        (plain(cache_control=CACHED), "cache_control"),
        (plain(context_management={"edits": []}), "context_management"),
        (plain(output_config={"task_budget": {"type": "tokens", "total": 1}}), "output_config.task_budget"),
        (plain(output_config={"format": {"type": "regex"}}), "output_config.format.type"),
        (plain(system=[IMAGE]), "system[0]"),
        ({"messages": [{"role": "user", "content": "a", "output_config": {}}]}, "messages[0].output_config"),
        ({"messages": [{"role": "tool", "content": "a"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": [RESULT]}]}, "tools"),
    ],
)
def test_what_converse_cannot_say_is_refused_with_the_remedy(body, param):
    with pytest.raises(InvalidRequest, match="bedrock/<id>, without converse/") as caught:
        converse.encode(body, ())
    assert (caught.value.param, caught.value.status) == (param, 400)
    assert caught.value.message.startswith(f"{param}: ")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (turn({"type": "image", "source": {"type": "url", "url": "https://a.example/b.png"}}), f"{FIRST}.source"),
        (turn(document(source={"type": "file", "file_id": "f"})), f"{FIRST}.source"),
        (
            turn({"type": "image", "source": {"type": "base64", "media_type": "image/tiff", "data": ""}}),
            f"{FIRST}.source.media_type",
        ),
        (turn(document(source={"type": "base64", "media_type": "text/csv", "data": ""})), f"{FIRST}.source.media_type"),
        (turn({"type": "text", "text": 1}), f"{FIRST}.text"),
        (turn({"type": "text", "text": "a", "cache_control": {**CACHED, "ttl": "1d"}}), f"{FIRST}.cache_control.ttl"),
        (turn("text"), FIRST),
        (turn({"text": "a"}), f"{FIRST}.type"),
        (turn({**RESULT, "is_error": "yes"}), f"{FIRST}.is_error"),
        (plain(tool_choice={"type": "any"}), "tool_choice"),
        (plain(tool_choice={"type": ["any"]}, tools=[TOOL]), "tool_choice.type"),
        (plain(tools=[{"name": "a"}]), "tools[0].input_schema"),
        (plain(tools={"look": TOOL}), "tools"),
        ({"messages": "Hi"}, "messages"),
    ],
)
def test_what_is_malformed_is_refused_by_its_place(body, param):
    with pytest.raises(InvalidRequest) as caught:
        converse.encode(body, ())
    assert caught.value.param == param


WHOLE = {
    "system": [{"type": "text", "text": "Be brief.", "cache_control": HOUR}],
    "messages": [
        {
            "role": "user",
            "content": [document(title="T", citations={"enabled": True}), IMAGE, {"type": "text", "text": "a"}],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "So.", "signature": "s"},
                {"type": "redacted_thinking", "data": "d"},
                {
                    "type": "text",
                    "text": "b",
                    "citations": [
                        {
                            "type": "page_location",
                            "cited_text": "c",
                            "document_index": 0,
                            "document_title": "T",
                            "start_page_number": 1,
                            "end_page_number": 2,
                        }
                    ],
                },
                USE,
            ],
        },
        {
            "role": "user",
            "content": [
                {**RESULT, "content": [{"type": "text", "text": "a", "cache_control": CACHED}], "is_error": False}
            ],
        },
    ],
    "max_tokens": 100,
    "temperature": 1.0,
    "stop_sequences": ["END"],
    "tools": [{**TOOL, "cache_control": HOUR}, BASH],
    "tool_choice": {"type": "tool", "name": "look"},
    "thinking": {"type": "adaptive"},
    "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {}}},
    "metadata": {"user_id": "u"},
}


def places(value, path=()):
    """Every place in a JSON value, the value itself first."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in inner:
        yield from places(part, (*path, name))


def put(value, path, new):
    """A copy with something else at a place."""
    if not path:
        return new
    changed = copy.copy(value)
    changed[path[0]] = put(value[path[0]], path[1:], new)
    return changed


WORDS = ["text", "image", "document", "thinking", "tool_result", "tool", "none", "base64", "url", "", "x"]
SCALARS = st.none() | st.booleans() | st.integers(-1, 3) | st.floats(allow_nan=False) | st.sampled_from(WORDS)
NAMES = ["type", "text", "content", "source", "data", "name", "cache_control", "ttl", "citations", "input"]
ODD = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=5,
)


def refused(body):
    """Why a body is refused; None if it is not."""
    try:
        converse.encode(body, ())
    except InvalidRequest as error:
        return error
    return None


def test_the_whole_request_is_what_amazon_would_send():
    assert len(sent(WHOLE)) == 8


@settings(max_examples=600, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([path for path in places(WHOLE) if path]), ODD), min_size=1, max_size=3))
def test_an_odd_body_is_encoded_or_refused_by_name_and_nothing_else(changes):
    body = WHOLE
    for path, new in changes:
        try:
            body = put(body, path, new)
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took the place away
    refusal = refused(body)
    assert refusal is None or (refusal.param and refusal.message.startswith(refusal.param))


@settings(max_examples=300, deadline=None)
@given(st.text())
def test_any_title_becomes_a_name_that_the_service_takes(title):
    name = asked([document(title=title)])[0]["document"]["name"]
    assert re.fullmatch(r"[A-Za-z0-9()\[\]-]+( [A-Za-z0-9()\[\]-]+)*", name)
    assert len(name) <= 200
