"""Drives a gateway with the official Anthropic client, as its users do; prints what it saw as one JSON object."""

import json
import sys

import anthropic

url, key = sys.argv[1:3]
client = anthropic.Anthropic(base_url=url, api_key=key, max_retries=0)
MODEL = "claude-opus-4-6"
seen = {"version": anthropic.__version__}


def ask(text, **more):
    messages = more.pop("messages", [{"role": "user", "content": text}])
    return client.messages.create(**{"model": MODEL, "max_tokens": 300, "messages": messages, **more})


def raised(text="", **more):
    try:
        ask(text, **more)
    except anthropic.APIStatusError as error:
        return {"class": type(error).__name__, "status": error.status_code, "text": error.message, "body": error.body}
    return None


answer = ask("[[sim:text]]")
seen["json"] = {
    "text": answer.content[0].text,
    "stop": answer.stop_reason,
    "model": answer.model,
    "tokens": [answer.usage.input_tokens, answer.usage.output_tokens],
    "request_id": answer._request_id,
}

with client.messages.stream(
    model=MODEL, max_tokens=300, messages=[{"role": "user", "content": "[[sim:text]]"}]
) as stream:
    text = "".join(stream.text_stream)
    final = stream.get_final_message()
seen["stream"] = {"text": text, "stop": final.stop_reason, "model": final.model, "tokens": final.usage.output_tokens}

tools = [
    {
        "name": "get_weather",
        "description": "The weather.",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    }
]
question = {"role": "user", "content": "[[sim:tools parallel=2]]"}
called = ask("", messages=[question], tools=tools)
uses = [block for block in called.content if block.type == "tool_use"]
results = [{"type": "tool_result", "tool_use_id": use.id, "content": "sunny"} for use in uses]
turns = [question, {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in called.content]}]
after = ask("", messages=[*turns, {"role": "user", "content": results}], tools=tools)
seen["tools"] = {
    "stop": called.stop_reason,
    "calls": [[use.name, use.input] for use in uses],
    "after": after.stop_reason,
}

thinking = {"type": "enabled", "budget_tokens": 1024}
question = {"role": "user", "content": "[[sim:thinking]]"}
with client.messages.stream(model=MODEL, max_tokens=4000, thinking=thinking, messages=[question]) as stream:
    thought = stream.get_final_message()
turns = [question, {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in thought.content]}]
again = ask("", messages=[*turns, {"role": "user", "content": "[[sim:text]]"}], max_tokens=4000, thinking=thinking)
seen["thinking"] = {"blocks": [block.type for block in thought.content], "again": again.stop_reason}

seen["count"] = client.messages.count_tokens(model=MODEL, messages=[{"role": "user", "content": "hi"}]).input_tokens
seen["models"] = [model.id for model in client.models.list()]
seen["errors"] = {
    "bad_request": raised("hi", extra_body={"messages": 7}),
    "upstream_bad_request": raised("hi", extra_body={"unheard_of": 1}),
    "unknown_model": raised("hi", model="gpt-4"),
    "rate_limit": raised("[[sim:error status=429 retry_after=3]]"),
    "overloaded": raised("[[sim:error status=529]]"),
    "server": raised("[[sim:error status=500]]"),
    "capability": raised("hi", extra_body={"output_config": {"effort": "xhigh"}}),
}
client = anthropic.Anthropic(base_url=url, api_key="sk-wrong", max_retries=0)
seen["errors"]["unauthenticated"] = raised("hi")
client = anthropic.Anthropic(base_url=url, api_key=key, max_retries=0)
try:
    with client.messages.stream(
        model=MODEL, max_tokens=300, messages=[{"role": "user", "content": "[[sim:mid_error]]"}]
    ) as stream:
        stream.until_done()
except anthropic.APIStatusError as error:
    seen["errors"]["in_stream"] = {"class": type(error).__name__, "body": error.body}
print(json.dumps(seen))
