"""Drives the features of a gateway with the official Anthropic client; prints what it saw as one JSON object."""

import json
import sys

import anthropic

url, key = sys.argv[1:3]
client = anthropic.Anthropic(base_url=url, api_key=key, max_retries=0)
EDIT = {"context_management": {"edits": [{"type": "compact_20260112"}]}}
ASKED = {"role": "user", "content": "[[sim:compaction summary=Grüße]]"}
COMMON = {"model": "claude-opus-4-6", "max_tokens": 4000}


def ask(*messages, **more):
    return client.beta.messages.create(**COMMON, messages=list(messages), **more)


def hello(**more):
    usage = ask({"role": "user", "content": "Hello"}, **more).usage.model_dump()
    return {name: usage.get(name) for name in ("speed", "inference_geo")}


def kept(block):
    return {name: value for name, value in block.model_dump().items() if value is not None}


answer = ask(ASKED, extra_body=EDIT, betas=["compact-2026-01-12"])
said = {"role": "assistant", "content": [kept(block) for block in answer.content]}
again = ask(ASKED, said, {"role": "user", "content": "Go on"}, extra_body=EDIT)
with client.beta.messages.stream(**COMMON, messages=[ASKED], extra_body=EDIT, betas=["compact-2026-01-12"]) as stream:
    streamed = stream.get_final_message()
thought = ask({"role": "user", "content": "Hello"}, extra_body={"thinking": {"type": "adaptive"}})
print(
    json.dumps(
        {
            "version": anthropic.__version__,
            "blocks": [kept(block) for block in answer.content if block.type == "compaction"],
            "iterations": [one["type"] for one in answer.usage.model_dump()["iterations"]],
            "again": again.stop_reason,
            "streamed": [kept(block) for block in streamed.content if block.type == "compaction"],
            "thought": [block.type for block in thought.content],
            "plain": hello(),
            "fast": hello(extra_body={"speed": "fast"}),
            "us": hello(extra_body={"inference_geo": "us"}),
            "beta": hello(betas=["context-1m-2025-08-07", "fast-mode-2026-02-01"], extra_body={"speed": "fast"}),
        }
    )
)
