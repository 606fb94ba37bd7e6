"""A whole message to a chat completion.

Sources: OpenAI API reference, "The chat completion object"; LiteLLM docs for ``reasoning_content``, ``thinking_blocks``
and ``provider_specific_fields``; Messages API reference, content blocks.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from gateway import Call, strictjson
from gateway_surface_chat.carriers import SPOKEN, field_of
from gateway_surface_chat.ending import extras, finish_reason, refusal
from gateway_surface_chat.shape import Block
from gateway_surface_chat.wishes import Wishes

THINKING = frozenset({"thinking", "redacted_thinking"})


def head(call: Call, kind: str) -> dict[str, Any]:
    """What every object of one answer begins with."""
    return {
        "id": f"chatcmpl-{call.id.removeprefix('req_')}",
        "object": kind,
        "created": int(call.at.timestamp()),
        "model": call.model,
        "system_fingerprint": None,
    }


def completion(call: Call, wishes: Wishes, message: Mapping[str, Any], usage: Mapping[str, Any]) -> dict[str, Any]:
    """The chat completion that says what a message says."""
    choice = {
        "index": 0,
        "message": _message(message, wishes),
        "logprobs": None,
        "finish_reason": finish_reason(message, legacy=wishes.legacy),
    }
    return {**head(call, "chat.completion"), "choices": [choice], "usage": usage}


def carried(blocks: Iterable[Block]) -> dict[str, list[Block]]:
    """Blocks that have no place of their own, by the field that carries them."""
    fields: dict[str, list[Block]] = {}
    for block in blocks:
        kind = str(block.get("type"))
        if kind not in SPOKEN:
            fields.setdefault(field_of(kind), []).append(block)
    return fields


def _message(message: Mapping[str, Any], wishes: Wishes) -> dict[str, Any]:
    blocks = _objects(message.get("content"))
    calls = [_call(block, wishes) for block in blocks if block.get("type") == "tool_use"]
    thinking = [block for block in blocks if block.get("type") in THINKING]
    return {
        "role": "assistant",
        "content": _text(blocks, calls),
        "refusal": refusal(message),
        **_reasoning(thinking),
        **_calls(calls, wishes),
        "provider_specific_fields": {
            "citations": _citations(blocks),
            "thinking_blocks": thinking or None,
            **carried(blocks),
            **extras(message),
        },
    }


def _text(blocks: list[Block], calls: list[dict[str, Any]]) -> str | None:
    texts = [str(block.get("text")) for block in blocks if block.get("type") == "text"]
    return "".join(texts) if texts or not calls else None


def _reasoning(thinking: list[Block]) -> dict[str, Any]:
    """Redacted thinking has no text to show."""
    texts = [str(block.get("thinking")) for block in thinking if block["type"] == "thinking"]
    shown = {"reasoning_content": "".join(texts)} if texts else {}
    return shown | ({"thinking_blocks": thinking} if thinking else {})


def _call(block: Block, wishes: Wishes) -> dict[str, Any]:
    arguments = strictjson.dumps_lenient(block.get("input") or {}).decode()
    return {
        "id": block.get("id"),
        "type": "function",
        "function": {"name": wishes.name(block.get("name")), "arguments": arguments},
    }


def _calls(calls: list[dict[str, Any]], wishes: Wishes) -> dict[str, Any]:
    if not calls:
        return {}
    return {"function_call": calls[0]["function"]} if wishes.legacy else {"tool_calls": calls}


def _citations(blocks: list[Block]) -> list[list[dict[str, Any]]] | None:
    """A list for each text that cites, each citation with the text that it supports."""
    cited = [
        [{**citation, "supported_text": block.get("text")} for citation in _objects(block["citations"])]
        for block in blocks
        if block.get("type") == "text" and block.get("citations")
    ]
    return cited or None


def _objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
