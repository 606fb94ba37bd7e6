"""Tools there and back, in parallel, and structured output."""

import json
import sys

import anthropic

url, key = sys.argv[1:]
client = anthropic.Anthropic(base_url=url, api_key=key, max_retries=0, timeout=10)
schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
tools = [{"name": "get_weather", "description": "Weather of a city", "input_schema": schema}]
ask = {"model": "claude-opus-4-6", "max_tokens": 300, "tools": tools}
history = [{"role": "user", "content": "Please use get_weather."}]

with client.messages.stream(**ask, messages=history) as stream:
    first = stream.get_final_message()
call = first.content[0]
assert (first.stop_reason, call.type, call.name, call.input) == (
    "tool_use",
    "tool_use",
    "get_weather",
    {"city": "simulated"},
), first

history.append({"role": "assistant", "content": [block.to_dict() for block in first.content]})
history.append({"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}]})
second = client.messages.create(**ask, messages=history)
assert second.stop_reason == "end_turn"
assert "1 tool result" in second.content[0].text, second

several = [{"role": "user", "content": "[[sim:tools parallel=3]]"}]
with client.messages.stream(**ask, messages=several) as stream:
    message = stream.get_final_message()
assert [block.input["city"] for block in message.content] == ["Town 1", "Town 2", "Town 3"], message
empty = client.messages.create(**ask, messages=[{"role": "user", "content": "[[sim:tool_empty]]"}])
assert empty.content[0].input == {}

found = client.messages.create(**ask, messages=[{"role": "user", "content": "[[sim:web_search]]"}])
assert found.usage.server_tool_use.web_search_requests == 1
assert found.content[2].citations[0].type == "web_search_result_location"

structured = client.messages.create(
    **ask,
    messages=[{"role": "user", "content": "JSON"}],
    output_config={"format": {"type": "json_schema", "schema": schema}},
)
assert json.loads(structured.content[0].text) == {"city": "simulated"}
sys.stdout.write("done\n")
