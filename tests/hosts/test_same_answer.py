"""One conversation over five wires: the client gets the same answer from each, and pays the same but for stated factors."""

import json
from decimal import Decimal

import pytest
from gateway_infra_simulator import Answer, Simulator, assemble, read_stream
from gateway_infra_simulator.amazon import ACCESS_KEY, SECRET_KEY

from gateway import hookimpl
from gateway.app import create_app
from gateway.config import parse
from gateway.plugins import discover
from gateway.testing import found
from tests.hosts.conftest import PATHS

AWS = "aws_access_key_id: os.environ/AWS_KEY, aws_secret_access_key: os.environ/AWS_SECRET, aws_region_name: us-east-1, api_base: os.environ/SIM"
GOOGLE = "vertex_project: sim-project, vertex_credentials: os.environ/ACCOUNT, api_base: os.environ/SIM"
KEYED = "api_key: sim-key, api_base: os.environ/SIM"
CONFIG = f"""
model_list:
  - {{model_name: anthropic, litellm_params: {{model: anthropic/claude-opus-4-6, {KEYED}}}}}
  - {{model_name: azure_ai, litellm_params: {{model: azure_ai/claude-opus-4-6, {KEYED}}}}}
  - {{model_name: vertex_ai, litellm_params: {{model: vertex_ai/claude-opus-4-6, vertex_location: global, {GOOGLE}}}}}
  - {{model_name: bedrock, litellm_params: {{model: bedrock/global.anthropic.claude-opus-4-6-v1, {AWS}}}}}
  - {{model_name: converse, litellm_params: {{model: bedrock/converse/global.anthropic.claude-opus-4-6-v1, {AWS}}}}}
  - {{model_name: azure_ai-us, litellm_params: {{model: azure_ai/claude-opus-4-6, data_zone: us, {KEYED}}}}}
  - {{model_name: vertex_ai-us, litellm_params: {{model: vertex_ai/claude-opus-4-6, vertex_location: us-east5, {GOOGLE}}}}}
  - {{model_name: bedrock-us, litellm_params: {{model: bedrock/us.anthropic.claude-opus-4-6-v1, {AWS}}}}}
  - {{model_name: converse-us, litellm_params: {{model: bedrock/converse/us.anthropic.claude-opus-4-6-v1, {AWS}}}}}
"""
WIRES = ("anthropic", "azure_ai", "vertex_ai", "bedrock", "converse")
REGIONAL = ("azure_ai", "vertex_ai", "bedrock", "converse")

LONG = {
    "files": [{"path": f"src/ünïcode/{number}.py", "text": 'größer 😀 "quoted" \\ \n' * 20} for number in range(40)]
}
THOUGHT = "Zuerst prüfen wir 東京, dann 😀."
SAID = "Grüße aus 東京 — ich sehe 👩‍👩‍👧 nach."
TOOLS = [
    {"name": "weather", "description": "Tells the weather.", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}},
    {"name": "write", "description": "Writes files.", "input_schema": {"type": "object", "properties": {"files": {"type": "array"}}}},
]  # fmt: skip
ASKED = {"role": "user", "content": "Wie ist das Wetter in 東京? Schreib es auf. 😀"}
RESULTS = ("22 °C, ☀️", "40 Dateien geschrieben")
FIRST = (
    Answer.thinking(THOUGHT, signature="c2lnbmF0dXJlLTE=")
    + Answer.text(SAID, chunks=7)
    + Answer.tools(("weather", {"city": "東京"}), ("write", LONG), ("weather", {}), chunks=9)
)
SECOND = Answer.text("Fertig: 22 °C 🎌", chunks=3)
COUNTED = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "cache_creation")


@pytest.fixture(scope="module")
def stage():
    """A gateway in memory in front of the simulated hosts, and what it wrote down."""
    entries = []

    class Recorder:
        @hookimpl
        def record_entry(self, entry):
            entries.append(entry)

    with Simulator(keys=("sim-key",)) as sim:
        known = {
            "SIM": sim.url,
            "AWS_KEY": ACCESS_KEY,
            "AWS_SECRET": SECRET_KEY,
            "ACCOUNT": json.dumps(sim.service_account),
        }
        plugins = [one for one in discover() if one.kind != "infra"]
        app = create_app(parse(CONFIG, "c.yaml", known), found=[*plugins, found(Recorder, "rec", "infra")])
        yield app.test_client(), sim, entries
        app.extensions["gateway"].transport.close()


def send(stage, surface, model, body, *, stream):
    client = stage[0]
    more = (
        {"stream": True, **({"stream_options": {"include_usage": True}} if surface == "chat" else {})} if stream else {}
    )
    answer = client.post(PATHS[surface], json={"model": model, **body, **more})
    assert answer.status_code == 200, answer.text
    return answer


# -- Messages ------------------------------------------------------------------------------------------------------


def messages_turn(stage, model, turns, *, stream):
    body = {
        "max_tokens": 20_000,
        "system": [
            {"type": "text", "text": "Du bist höflich. " * 50, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
        ],
        "tools": TOOLS,
        "thinking": {"type": "adaptive"},
        "messages": turns,
    }
    answer = send(stage, "messages", model, body, stream=stream)
    return assemble(read_stream(answer.data, comments=True)) if stream else answer.json


def on_messages(stage, model, *, stream):
    """Both turns of the conversation."""
    first = messages_turn(stage, model, [ASKED], stream=stream)
    calls = [block for block in first["content"] if block["type"] == "tool_use"]
    results = [
        {"type": "tool_result", "tool_use_id": call["id"], "content": text}
        for call, text in zip(calls, (*RESULTS, "nichts"), strict=True)
    ]
    turns = [ASKED, {"role": "assistant", "content": first["content"]}, {"role": "user", "content": results}]
    return [first, messages_turn(stage, model, turns, stream=stream)]


def message_told(message):
    """What of a message may not differ."""
    ids = iter(range(100))
    content = [
        {**block, "id": f"tool-{next(ids)}"} if block["type"] == "tool_use" else block for block in message["content"]
    ]
    usage = {name: message["usage"].get(name) or 0 for name in COUNTED}
    usage["cache_creation"] = {name: count for name, count in (usage["cache_creation"] or {}).items() if count}
    return content, message["stop_reason"], message["stop_sequence"], usage


# -- Chat ----------------------------------------------------------------------------------------------------------


def chat_turn(stage, model, turns, *, stream):
    functions = [
        {
            "type": "function",
            "function": {"name": one["name"], "description": one["description"], "parameters": one["input_schema"]},
        }
        for one in TOOLS
    ]
    body = {"max_tokens": 20_000, "tools": functions, "thinking": {"type": "adaptive"}, "messages": turns}
    answer = send(stage, "chat", model, body, stream=stream)
    return (
        chat_assembled(answer.text)
        if stream
        else (answer.json["choices"][0]["message"], answer.json["choices"][0]["finish_reason"], answer.json["usage"])
    )


def chat_assembled(text):
    """A chat stream put together, as OpenAI's clients do it."""
    message = {"role": "assistant", "content": "", "tool_calls": [], "reasoning_content": ""}
    finish = usage = None
    for line in text.split("\n\n"):
        if not line.startswith("data: {"):
            continue
        chunk = json.loads(line.removeprefix("data: "))
        usage = chunk.get("usage") or usage
        for choice in chunk["choices"]:
            delta, finish = choice["delta"], choice["finish_reason"] or finish
            message["content"] += delta.get("content") or ""
            message["reasoning_content"] += delta.get("reasoning_content") or ""
            message["thinking_blocks"] = delta.get("thinking_blocks") or message.get("thinking_blocks")
            for call in delta.get("tool_calls") or ():
                if call.get("id"):
                    message["tool_calls"].append(
                        {
                            "id": call["id"],
                            "type": "function",
                            "function": {"name": call["function"]["name"], "arguments": ""},
                        }
                    )
                message["tool_calls"][call["index"]]["function"]["arguments"] += call["function"].get("arguments") or ""
    return message, finish, usage


def on_chat(stage, model, *, stream):
    asked = [{"role": "system", "content": "Du bist höflich."}, ASKED]
    first = chat_turn(stage, model, asked, stream=stream)
    message = first[0]
    results = [
        {"role": "tool", "tool_call_id": call["id"], "content": text}
        for call, text in zip(message["tool_calls"], (*RESULTS, "nichts"), strict=True)
    ]
    thoughts = [{"type": "thinking", "thinking": THOUGHT, "signature": "c2lnbmF0dXJlLTE="}]
    back = {name: message[name] for name in ("role", "content", "tool_calls")} | {"thinking_blocks": thoughts}
    return [first, chat_turn(stage, model, [*asked, back, *results], stream=stream)]


def chat_told(turn):
    message, finish, usage = turn
    calls = [
        (call["function"]["name"], json.loads(call["function"]["arguments"]))
        for call in message.get("tool_calls") or ()
    ]
    counted = usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]
    return message["content"], message.get("reasoning_content") or "", calls, finish, counted, usage["cost"]


# -- The comparison ------------------------------------------------------------------------------------------------


def conversation(stage, surface, model, *, stream):
    """What the client is told, what it costs, and what the host was sent."""
    _, sim, entries = stage
    sim.reset()
    entries.clear()
    sim.queue(FIRST, SECOND)
    talk, told = {"messages": (on_messages, message_told), "chat": (on_chat, chat_told)}[surface]
    turns = talk(stage, model, stream=stream)
    sent = [record for record in sim.log if record.path != "/token"]
    assert len(sent) == 2, "more went to the host than was asked"
    return [told(turn) for turn in turns], [entry.cost for entry in entries]


@pytest.fixture(scope="module")
def plain(stage):
    """The Anthropic API's own answers, by surface and manner, asked for once."""
    return {
        (surface, stream): conversation(stage, surface, "anthropic", stream=stream)
        for surface in PATHS
        for stream in (False, True)
    }


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("surface", [*PATHS])
def test_the_plain_wire_tells_what_was_scripted(plain, surface, stream):
    (first, second), costs = plain[surface, stream]
    if surface == "messages":
        content, stop, _, usage = first
        assert content[0] == {"type": "thinking", "thinking": THOUGHT, "signature": "c2lnbmF0dXJlLTE="}
        assert content[1]["text"] == SAID
        assert [block["input"] for block in content[2:]] == [{"city": "東京"}, LONG, {}]
        assert (stop, second[1]) == ("tool_use", "end_turn")
        assert usage["cache_creation"]["ephemeral_1h_input_tokens"] > 0
        assert second[3]["cache_read_input_tokens"] > 0
    else:
        assert first[:2] == (SAID, THOUGHT)
        assert first[2] == [("weather", {"city": "東京"}), ("write", LONG), ("weather", {})]
        assert (first[3], second[3]) == ("tool_calls", "stop")
    assert all(costs)


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("surface", [*PATHS])
@pytest.mark.parametrize("wire", WIRES[1:])
def test_every_wire_gives_the_same_answer_at_the_same_price(stage, plain, wire, surface, stream):
    assert conversation(stage, surface, wire, stream=stream) == plain[surface, stream]


@pytest.mark.parametrize("surface", [*PATHS])
def test_a_stream_tells_what_json_tells(plain, surface):
    assert plain[surface, True] == plain[surface, False]


@pytest.mark.parametrize("wire", REGIONAL)
def test_bills_differ_by_the_stated_factor_alone(stage, plain, wire):
    _, costs = plain["messages", False]
    _, regional = conversation(stage, "messages", f"{wire}-us", stream=False)
    assert regional == [cost * Decimal("1.1") for cost in costs]
    for entry in stage[2]:
        assert {factor.reason for line in entry.bill.lines for factor in line.factors} == {"inference_geo"}
        assert entry.unpriced == ()


@pytest.mark.parametrize("wire", WIRES)
def test_every_wire_counts_the_same_prompt_alike(stage, wire):
    body = {"model": wire, "messages": [ASKED], "tools": TOOLS, "system": "Du bist höflich."}
    counted = stage[0].post("/v1/messages/count_tokens", json=body)
    plainly = stage[0].post("/v1/messages/count_tokens", json={**body, "model": "anthropic"})
    assert counted.status_code == 200, counted.text
    assert counted.json["input_tokens"] == plainly.json["input_tokens"] > 0


@pytest.mark.parametrize("wire", WIRES)
def test_a_mark_with_a_scope_is_served_everywhere(stage, wire):
    mark = {"type": "ephemeral", "scope": "global"}
    body = {
        "model": wire,
        "max_tokens": 9,
        "system": [{"type": "text", "text": "x", "cache_control": mark}],
        "messages": [ASKED],
    }
    answer = stage[0].post("/v1/messages", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.headers.get("gateway-ignored-params") == (None if wire == "anthropic" else "cache_control.scope")
