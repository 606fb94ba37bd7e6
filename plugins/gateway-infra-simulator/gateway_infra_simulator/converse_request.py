"""A Converse request put into the form of the Messages API, so that the same rules and scripts serve both."""

import base64
import json
from collections.abc import Callable, Iterable
from typing import Any

from gateway_infra_simulator import shape
from gateway_infra_simulator.bedrock_fault import invalid
from gateway_infra_simulator.bedrock_invoke import BETAS, KEYS, beta_tokens

Body = dict[str, Any]

CONVERSE_BETAS = BETAS - {
    "compact-2026-01-12",
    "mid-conversation-output-config-2026-07-01",
    "mid-conversation-tool-changes-2026-07-01",
    "per-turn-control-2026-07-01",
    "tool-search-tool-2025-10-19",
} | {"structured-outputs-2025-11-13"}
"""The betas that are known here: InvokeModel's, without those whose fields Converse cannot carry."""

_ALLOWED = tuple(key for key in KEYS if key != "anthropic_version")
_INFERENCE = {
    "maxTokens": "max_tokens",
    "temperature": "temperature",
    "topP": "top_p",
    "stopSequences": "stop_sequences",
}
_BINARY = {
    "pdf": "application/pdf",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
"""Formats of documents that stay bytes; the others are read as text."""


def canonical(body: Body, max_tokens: int) -> tuple[Body, frozenset[str]]:
    """The same request as the Messages API has it, and its betas.

    Args:
        body: of the right shape, and in keeping with the rules.
        max_tokens: what the model produces at most, for requests that set no limit.
    """
    made = _merged(_own(body), body.get("additionalModelRequestFields", {}))
    shape.only("", made, _ALLOWED)
    tokens = beta_tokens(made.pop("anthropic_beta", []), CONVERSE_BETAS)
    return {"max_tokens": max_tokens} | made, tokens


def _own(body: Body) -> Body:
    made: Body = {"messages": [_message(message) for message in body["messages"]]}
    if "system" in body:
        made["system"] = _marked(body["system"], _block)
    for key, value in body.get("inferenceConfig", {}).items():
        made[_INFERENCE[key]] = value
    if "toolConfig" in body:
        made |= _tool_config(body["toolConfig"])
    if "outputConfig" in body:
        made["output_config"] = _output(body["outputConfig"])
    return made


def _merged(own: Body, more: Body, path: str = "") -> Body:
    merged = dict(own)
    for key, value in more.items():
        there = merged.get(key)
        if isinstance(there, dict) and isinstance(value, dict):
            merged[key] = _merged(there, value, f"{path}{key}/")
        elif isinstance(there, list) and isinstance(value, list) and key == "tools":
            merged[key] = [*there, *value]
        elif key in merged:
            raise invalid(f"The additional field {path}{key} conflicts with an existing field.")
        else:
            merged[key] = value
    return merged


def _message(message: Body) -> Body:
    return {"role": message["role"], "content": _marked(message["content"], _block)}


def _marked(blocks: Iterable[Body], put: Callable[[Body], Body]) -> list[Body]:
    """The blocks; each cache point becomes a mark on the one before it."""
    made: list[Body] = []
    for block in blocks:
        if "cachePoint" in block:
            ttl = {"ttl": block["cachePoint"]["ttl"]} if "ttl" in block["cachePoint"] else {}
            made[-1] = made[-1] | {"cache_control": {"type": "ephemeral"} | ttl}
        else:
            made.append(put(block))
    return made


# -------------------------------------------------------------------------------------------------------------- blocks


def _block(block: Body) -> Body:
    kind, value = next(iter(block.items()))
    return _BLOCKS[kind](value)


def _text(text: str) -> Body:
    return {"type": "text", "text": text}


def _image(image: Body) -> Body:
    source = {"type": "base64", "media_type": f"image/{image['format']}", "data": image["source"]["bytes"]}
    return {"type": "image", "source": source}


def _document(document: Body) -> Body:
    made: Body = {"type": "document", "source": _source(document), "title": document["name"]}
    for key in ("context", "citations"):
        if key in document:
            made[key] = document[key]
    return made


def _source(document: Body) -> Body:
    kind, value = next(iter(document["source"].items()))
    match kind:
        case "bytes" if document.get("format", "txt") in _BINARY:
            return {"type": "base64", "media_type": _BINARY[document["format"]], "data": value}
        case "bytes":
            return _plain(_utf8("document", value))
        case "text":
            return _plain(value)
    return {"type": "content", "content": [_text(part["text"]) for part in value]}


def _plain(text: str) -> Body:
    return {"type": "text", "media_type": "text/plain", "data": text}


def _utf8(what: str, blob: str) -> str:
    try:
        return base64.b64decode(blob).decode()
    except UnicodeDecodeError:
        raise invalid(f"The {what} is not text in UTF-8") from None


def _tool_use(use: Body) -> Body:
    return {"type": "tool_use", "id": use["toolUseId"], "name": use["name"], "input": use["input"]}


def _tool_result(result: Body) -> Body:
    failed = {"is_error": True} if result.get("status") == "error" else {}
    content = [_block(part) for part in result["content"]]
    return {"type": "tool_result", "tool_use_id": result["toolUseId"], "content": content} | failed


def _json(value: Any) -> Body:
    return _text(json.dumps(value, ensure_ascii=False))


def _reasoning(content: Body) -> Body:
    if "redactedContent" in content:
        return {"type": "redacted_thinking", "data": _utf8("redactedContent", content["redactedContent"])}
    thought = content["reasoningText"]
    signature = {"signature": thought["signature"]} if "signature" in thought else {}
    return {"type": "thinking", "thinking": thought["text"]} | signature


def _guarded(content: Body) -> Body:
    if "image" in content:
        return _image(content["image"])
    return _text(content["text"]["text"])


def _cited(content: Body) -> Body:
    return _text("".join(part["text"] for part in content.get("content", ())))


def _search_result(result: Body) -> Body:
    content = [_text(part["text"]) for part in result["content"]]
    made = {"type": "search_result", "source": result["source"], "title": result["title"], "content": content}
    return made | ({"citations": result["citations"]} if "citations" in result else {})


_BLOCKS: dict[str, Callable[[Any], Body]] = {
    "citationsContent": _cited,
    "document": _document,
    "guardContent": _guarded,
    "image": _image,
    "json": _json,
    "reasoningContent": _reasoning,
    "searchResult": _search_result,
    "text": _text,
    "toolResult": _tool_result,
    "toolUse": _tool_use,
}


# --------------------------------------------------------------------------------------------------- tools and output


def _tool_config(config: Body) -> Body:
    made: Body = {"tools": _marked(config["tools"], _tool)}
    if "toolChoice" in config:
        kind, value = next(iter(config["toolChoice"].items()))
        made["tool_choice"] = {"type": kind} | value
    return made


def _tool(tool: Body) -> Body:
    spec = tool["toolSpec"]
    made = {"name": spec["name"], "input_schema": spec["inputSchema"].get("json")}
    return made | {key: spec[key] for key in ("description", "strict") if key in spec}


def _output(config: Body) -> Body:
    made: Body = {"effort": config["effort"]} if "effort" in config else {}
    if "textFormat" in config:
        wanted = config["textFormat"]["structure"]["jsonSchema"]["schema"]
        made["format"] = {"type": "json_schema", "schema": _schema(wanted)}
    return made


def _schema(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise invalid("outputConfig.textFormat.structure.jsonSchema.schema is not valid JSON") from None
