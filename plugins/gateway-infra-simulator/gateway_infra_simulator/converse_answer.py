"""Converse's voice: a finished message, or the events of one, in AWS's own words."""

import base64
from typing import Any

from gateway_infra_simulator import bedrock_fault, eventstream
from gateway_infra_simulator.bedrock_fault import FaultError
from gateway_infra_simulator.bedrock_invoke import LATENCY, BedrockVoice
from gateway_infra_simulator.flow import COMMENT, Event
from gateway_infra_simulator.manner import Manner
from gateway_infra_simulator.refusal import RefusalError
from gateway_infra_simulator.response import Piece, Response

Body = dict[str, Any]

STOPS = {"refusal": "content_filtered", "pause_turn": "end_turn", "compaction": "end_turn"}
"""Stop reasons that Converse has no word for; a script may use any of AWS's own."""

_SILENT = ("ping", COMMENT)
"""Events that have no frame."""

_BLOCKS_OF = {"start_block_index": "start", "end_block_index": "end"}
_LOCATIONS = {
    "char_location": (
        "documentChar",
        {"document_index": "documentIndex", "start_char_index": "start", "end_char_index": "end"},
    ),
    "page_location": (
        "documentPage",
        {"document_index": "documentIndex", "start_page_number": "start", "end_page_number": "end"},
    ),
    "content_block_location": ("documentChunk", {"document_index": "documentIndex"} | _BLOCKS_OF),
    "search_result_location": ("searchResultLocation", {"search_result_index": "searchResultIndex"} | _BLOCKS_OF),
    "web_search_result_location": ("web", {"url": "url"}),
}
"""Where a citation points to, by its type: the member of AWS's union, and its fields by ours."""


class ConverseVoice(BedrockVoice):
    """How Converse and ConverseStream answer one request, whose body is given."""

    def __init__(self, body: Body) -> None:
        self._paths = body.get("additionalModelResponseFieldPaths", [])
        self._echoed = {key: body[key] for key in ("performanceConfig", "serviceTier") if key in body}

    def refuse(self, refusal: RefusalError, request_id: str) -> Response:
        """What the model refuses is told as the model's error."""
        if isinstance(refusal, FaultError):
            return super().refuse(refusal, request_id)
        text = f"The model returned the following errors: {refusal.message}"
        return super().refuse(RefusalError(refusal.status, text), request_id)

    def whole(self, message: Body) -> Any:
        """The answer as JSON; blocks that Converse has no word for are left out."""
        content = [block for block in map(_block, message["content"]) if block]
        return {
            "output": {"message": {"role": "assistant", "content": content}},
            **self._stopped(message),
            **self._metadata(message["usage"]),
        }

    def pieces(self, stream: list[Event], manner: Manner) -> tuple[Piece, ...]:  # noqa: ARG002  # frames have no lines
        """The frames; each piece keeps the event that it stands for, so that manners and records find their places."""
        message: Body = {"usage": {}}
        pieces = []
        for event in stream:
            message = _followed(message, event)
            if data := self._frame(event, message):
                pieces.append(Piece(data, _recorded(event, message)))
        return tuple(pieces)

    def _frame(self, event: Event, message: Body) -> bytes:
        if event.name in _SILENT:
            return b""
        if event.name.startswith("content_block_"):
            return _block_frame(event)
        match event.name:
            case "message_start":
                return eventstream.event("messageStart", {"role": "assistant"})
            case "message_delta":
                stopped = event.data["delta"].get("stop_reason")
                return eventstream.event("messageStop", self._stopped(message)) if stopped else b""
            case "message_stop":
                return eventstream.event("metadata", self._metadata(message["usage"]))
        return _other_frame(event)

    def _stopped(self, message: Body) -> Body:
        reason = message["stop_reason"]
        stopped = {"stopReason": STOPS.get(reason, reason)}
        more = _more(message, self._paths)
        return stopped | ({"additionalModelResponseFields": more} if more else {})

    def _metadata(self, usage: Body) -> Body:
        return {"usage": _usage(usage), "metrics": {"latencyMs": LATENCY}} | self._echoed


# -------------------------------------------------------------------------------------------------------------- blocks


def _block(block: Body) -> Body | None:
    match block["type"]:
        case "text" if block.get("citations"):
            cited = [_citation(one) for one in block["citations"]]
            return {"citationsContent": {"content": [{"text": block["text"]}], "citations": cited}}
        case "text":
            return {"text": block["text"]}
        case "thinking":
            text = {"text": block["thinking"], "signature": block["signature"]}
            return {"reasoningContent": {"reasoningText": text}}
        case "redacted_thinking":
            return {"reasoningContent": {"redactedContent": _blob(block["data"])}}
        case "tool_use":
            return {"toolUse": {"toolUseId": block["id"], "name": block["name"], "input": block["input"]}}
    return None


def _blob(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _citation(citation: Body) -> Body:
    nowhere: tuple[str, dict[str, str]] = ("", {})
    name, keys = _LOCATIONS.get(citation["type"], nowhere)
    made: Body = {"sourceContent": [{"text": citation.get("cited_text", "")}]}
    if name:
        made["location"] = {name: {ours: citation[theirs] for theirs, ours in keys.items() if theirs in citation}}
    if title := citation.get("title") or citation.get("document_title"):
        made["title"] = title
    return made


# -------------------------------------------------------------------------------------------------------------- frames


def _block_frame(event: Event) -> bytes:
    index = {"contentBlockIndex": event.data["index"]}
    if event.name == "content_block_stop":
        return eventstream.event("contentBlockStop", index)
    if event.name == "content_block_delta":
        delta = _delta(event.data["delta"])
        return eventstream.event("contentBlockDelta", {"delta": delta} | index) if delta else b""
    return _start(event.data["content_block"], index)


def _other_frame(event: Event) -> bytes:
    if event.name != "error":
        return eventstream.event(event.name, event.data)
    name = bedrock_fault.frame_name(event.data["error"]["type"], times_out=False)
    return eventstream.exception(name, bedrock_fault.payload(name, event.data["error"]))


def _start(block: Body, index: Body) -> bytes:
    """Only a tool call has a start of its own; redacted thinking, whole from the start, is a delta here."""
    if block["type"] == "tool_use":
        start = {"toolUse": {"toolUseId": block["id"], "name": block["name"]}}
        return eventstream.event("contentBlockStart", {"start": start} | index)
    if block["type"] == "redacted_thinking":
        delta = {"reasoningContent": {"redactedContent": _blob(block["data"])}}
        return eventstream.event("contentBlockDelta", {"delta": delta} | index)
    return b""


def _delta(delta: Body) -> Body | None:
    match delta.get("type"):
        case "text_delta":
            return {"text": delta["text"]}
        case "thinking_delta":
            return {"reasoningContent": {"text": delta["thinking"]}}
        case "signature_delta":
            return {"reasoningContent": {"signature": delta["signature"]}}
        case "input_json_delta":
            return {"toolUse": {"input": delta["partial_json"]}}
        case "citations_delta":
            return {"citation": _citation(delta["citation"])}
    return None


def _followed(message: Body, event: Event) -> Body:
    """The message so far, as the events tell it."""
    if event.name == "message_start":
        return dict(event.data["message"])
    if event.name != "message_delta":
        return message
    usage: Body = message["usage"] | event.data.get("usage", {})
    return {**message, **event.data["delta"], "usage": usage}


def _recorded(event: Event, message: Body) -> Event:
    """The event as it can be known from its frame: usage is told only at the end."""
    match event.name:
        case "message_start":
            return Event(event.name, {})
        case "message_delta":
            return Event(event.name, {"delta": event.data["delta"]})
        case "message_stop":
            return Event(event.name, {"usage": message["usage"]})
    return event


# --------------------------------------------------------------------------------------------------------------- usage


def _usage(usage: Body) -> Body:
    read, written = usage.get("cache_read_input_tokens") or 0, usage.get("cache_creation_input_tokens") or 0
    given, said = usage.get("input_tokens") or 0, usage.get("output_tokens") or 0
    split = usage.get("cache_creation") or {}
    lives = {"1h": split.get("ephemeral_1h_input_tokens"), "5m": split.get("ephemeral_5m_input_tokens")}
    details = [{"ttl": ttl, "inputTokens": tokens} for ttl, tokens in lives.items() if tokens]
    counted = {
        "inputTokens": given,
        "outputTokens": said,
        "totalTokens": given + said + read + written,
        "cacheReadInputTokens": read,
        "cacheWriteInputTokens": written,
    }
    return counted | ({"cacheDetails": details} if details else {})


def _more(message: Body, paths: list[str]) -> Body:
    """The fields of the model's own answer at some JSON Pointers, as far as they are there."""
    more: Body = {}
    for path in paths:
        keys = [key.replace("~1", "/").replace("~0", "~") for key in path.split("/")[1:]]
        found = _at(message, keys)
        if found is not None:
            _put(more, keys, found)
    return more


def _at(value: Any, keys: list[str]) -> Any:
    for key in keys:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def _put(tree: Body, keys: list[str], value: Any) -> None:
    for key in keys[:-1]:
        tree = tree.setdefault(key, {})
    tree[keys[-1]] = value
