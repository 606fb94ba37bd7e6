"""Drives the features of a gateway with the official OpenAI client; prints what it saw as one JSON object."""

import json
import sys

import openai

url, key = sys.argv[1:3]
client = openai.OpenAI(base_url=url, api_key=key, max_retries=0)
EDIT = {"context_management": {"edits": [{"type": "compact_20260112"}]}}
ASKED = {"role": "user", "content": "[[sim:compaction summary=Grüße]]"}


def ask(*messages, **more):
    return client.chat.completions.create(model="claude-opus-4-6", messages=list(messages), **more)


def hello(**more):
    answer = ask({"role": "user", "content": "Hello"}, **more)
    usage = answer.usage.model_extra
    return {"speed": usage.get("speed"), "geo": usage.get("inference_geo"), "cost": usage["cost"]}


answer = ask(ASKED, max_tokens=1000, extra_body=EDIT)
message = answer.choices[0].message
again = ask(ASKED, message.model_dump(exclude_none=True), {"role": "user", "content": "Go on"}, extra_body=EDIT)
blocks, events = [], []
for part in ask(ASKED, max_tokens=1000, stream=True, extra_body=EDIT):
    for choice in part.choices:
        fields = (choice.delta.model_extra or {}).get("provider_specific_fields", {})
        events += fields
        blocks = fields.get("compaction_blocks", blocks)
thought = ask({"role": "user", "content": "Hello"}, reasoning_effort="high").choices[0].message
print(
    json.dumps(
        {
            "blocks": message.model_extra["provider_specific_fields"]["compaction_blocks"],
            "iterations": [one["type"] for one in answer.usage.model_extra["iterations"]],
            "again": again.choices[0].finish_reason,
            "events": events,
            "streamed": blocks,
            "thought": thought.model_extra.get("reasoning_content", ""),
            "plain": hello(),
            "fast": hello(extra_body={"speed": "fast"}),
            "us": hello(extra_body={"inference_geo": "us"}),
            "beta": hello(extra_headers={"anthropic-beta": "context-1m-2025-08-07"}),
        }
    )
)
