"""Drives a gateway with the official OpenAI client, as its users do; prints what it saw as one JSON object."""

import json
import sys

import openai

url, key = sys.argv[1:3]
client = openai.OpenAI(base_url=url, api_key=key, max_retries=0)
MODEL = "claude-opus-4-6"
seen = {"version": openai.__version__}


def ask(text, **more):
    messages = more.pop("messages", [{"role": "user", "content": text}])
    return client.chat.completions.create(model=MODEL, messages=messages, **more)


def raised(text="", **more):
    try:
        ask(text, **more)
    except openai.APIStatusError as error:
        return {
            "class": type(error).__name__,
            "status": error.status_code,
            "code": error.code,
            "text": str(error.message),
        }
    except openai.APIError as error:
        return {"class": type(error).__name__, "text": str(error.message)}
    return None


answer = ask("[[sim:text]]")
seen["json"] = {
    "text": answer.choices[0].message.content,
    "finish": answer.choices[0].finish_reason,
    "model": answer.model,
    "tokens": [answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens],
    "request_id": answer._request_id,
    "cost": answer.usage.model_extra["cost"],
}

parts = list(ask("[[sim:text]]", stream=True, stream_options={"include_usage": True}))
seen["stream"] = {
    "text": "".join(part.choices[0].delta.content or "" for part in parts if part.choices),
    "finish": [part.choices[0].finish_reason for part in parts if part.choices][-1],
    "usage": parts[-1].usage.total_tokens,
    "cost": parts[-1].usage.model_extra["cost"],
    "choices_last": len(parts[-1].choices),
}

tools = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "The weather.",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
]
question = {"role": "user", "content": "[[sim:tools parallel=2]]"}
called = ask("", messages=[question], tools=tools).choices[0]
results = [{"role": "tool", "tool_call_id": call.id, "content": "sunny"} for call in called.message.tool_calls]
after = ask("", messages=[question, called.message.model_dump(exclude_none=True), *results], tools=tools)
seen["tools"] = {
    "finish": called.finish_reason,
    "calls": [[call.function.name, json.loads(call.function.arguments)] for call in called.message.tool_calls],
    "after": after.choices[0].finish_reason,
}

streamed = {}
for part in ask("", messages=[question], tools=tools, stream=True):
    for call in part.choices[0].delta.tool_calls or ():
        entry = streamed.setdefault(call.index, {"name": "", "arguments": "", "id": ""})
        entry["id"] += call.id or ""
        entry["name"] += call.function.name or ""
        entry["arguments"] += call.function.arguments or ""
seen["tools_stream"] = [
    [streamed[index]["name"], json.loads(streamed[index]["arguments"])] for index in sorted(streamed)
]

thinking = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
question = {"role": "user", "content": "[[sim:thinking]]"}
thought = ask("", messages=[question], max_tokens=4000, extra_body=thinking).choices[0].message
again = ask(
    "",
    messages=[question, thought.model_dump(exclude_none=True), {"role": "user", "content": "[[sim:text]]"}],
    max_tokens=4000,
    extra_body=thinking,
)
seen["thinking"] = {
    "reasoning": thought.model_extra["reasoning_content"],
    "blocks": [block["type"] for block in thought.model_extra["thinking_blocks"]],
    "again": again.choices[0].finish_reason,
}

seen["models"] = [model.id for model in client.models.list()]
seen["errors"] = {
    "bad_request": raised("hi", n=2),
    "upstream_bad_request": raised("hi", extra_body={"unheard_of": 1}),
    "unknown_model": raised("hi", extra_body={"model": "gpt-4"}),
    "rate_limit": raised("[[sim:error status=429 retry_after=3]]"),
    "overloaded": raised("[[sim:error status=529]]"),
    "server": raised("[[sim:error status=500]]"),
    "capability": raised("hi", extra_body={"output_config": {"effort": "xhigh"}}),
}
client = openai.OpenAI(base_url=url, api_key="sk-wrong", max_retries=0)
seen["errors"]["unauthenticated"] = raised("hi")
client = openai.OpenAI(base_url=url, api_key=key, max_retries=0)
try:
    for _ in ask("[[sim:mid_error]]", stream=True):
        pass
except openai.APIError as error:
    seen["errors"]["in_stream"] = {"class": type(error).__name__, "text": error.message}
print(json.dumps(seen))
