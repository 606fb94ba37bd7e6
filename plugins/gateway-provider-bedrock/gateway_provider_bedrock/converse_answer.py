"""An answer of Converse as a message of the Messages API, and the parts that a stream has in common with it.

Source: service model of bedrock-runtime (``ConverseResponse``, ``TokenUsage``, ``StopReason``).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from gateway import Garbled
from gateway_provider_bedrock import converse_blob, converse_citation
from gateway_provider_bedrock.converse_form import Body

_STOPS: Mapping[str, str] = {
    "guardrail_intervened": "refusal",
    "content_filtered": "refusal",
    # The tokens are spent and the text is worth reading; an error would hide both and invite a second payment.
    "malformed_model_output": "end_turn",
    "malformed_tool_use": "end_turn",
}
"""Stop reasons that have another name in Messages; all others have the same."""

_EXPLANATIONS = {
    "guardrail_intervened": "A guardrail of the host intervened.",
    "content_filtered": "The host's content filter intervened.",
}
_COUNTS = {
    "inputTokens": "input_tokens",
    "outputTokens": "output_tokens",
    "cacheReadInputTokens": "cache_read_input_tokens",
    "cacheWriteInputTokens": "cache_creation_input_tokens",
}
_OPTIONAL = {"cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}
NOTHING_USED = {"input_tokens": 0, "output_tokens": 0, **_OPTIONAL}
"""Usage before the host has said anything of it."""


def message(answer: Body, *, id: str, model: str) -> Body:  # noqa: A002 - the field's own name
    """The message that an answer amounts to.

    Args:
        answer: the JSON of a Converse response.
        id: the message's id, which Converse does not give.
        model: the model's name, which it does not give either.

    Raises:
        Garbled: there is no message in it; one without content is one.
    """
    parts = fields(fields(answer.get("output")).get("message")).get("content")
    if not isinstance(parts, list):
        raise Garbled("The host's answer holds no message.")
    own = fields(answer.get("additionalModelResponseFields"))
    return {
        "id": id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [block for part in parts for block in _blocks(fields(part))],
        **ending(answer.get("stopReason"), own),
        "usage": usage(answer.get("usage"), own),
    }


def ending(reason: Any, own: Body) -> Body:
    """Why it ended: ``stop_reason``, ``stop_sequence`` and, after a refusal, ``stop_details``."""
    sequence = own.get("stop_sequence") or fields(own.get("delta")).get("stop_sequence")
    end: Body = {"stop_reason": _STOPS.get(str(reason), reason), "stop_sequence": sequence}
    if str(reason) in _EXPLANATIONS:
        end["stop_details"] = {"type": "refusal", "category": None, "explanation": _EXPLANATIONS[str(reason)]}
    return end


def usage(said: Any, own: Body) -> Body:
    """What was used, in Messages' words; what the host did not say is left out, so that nobody takes it for a count.

    Converse's input excludes what was read from or written to the cache, as that of Messages does.
    """
    told = fields(said)
    counts = {ours: told[theirs] for theirs, ours in _COUNTS.items() if told.get(theirs) is not None}
    if not counts:
        return {}
    details = fields(own.get("usage")).get("output_tokens_details")
    return {**_OPTIONAL, **counts, **_writes(told), **({"output_tokens_details": details} if details else {})}


def _writes(told: Body) -> Body:
    """Cache writes by lifetime. The list is empty when nothing was written."""
    listed = told.get("cacheDetails")
    details = [fields(detail) for detail in listed] if isinstance(listed, list) else []
    if not details:
        return {}
    split = {"5m": 0, "1h": 0}
    for detail in details:
        ttl, tokens = detail.get("ttl"), detail.get("inputTokens")
        if isinstance(tokens, int):  # a lifetime that nobody knows yet is not the cheapest one
            split[ttl if ttl in ("5m", "1h") else "1h"] += tokens
    return {"cache_creation": {f"ephemeral_{ttl}_input_tokens": tokens for ttl, tokens in split.items()}}


def _blocks(part: Body) -> Iterator[Body]:
    """The block that a part amounts to; none for what says nothing or has no word in Messages."""
    text = converse_citation.texts([part])
    if text:
        yield {"type": "text", "text": text}
    if "toolUse" in part:
        use = fields(part["toolUse"])
        yield {"type": "tool_use", "id": use.get("toolUseId"), "name": use.get("name"), "input": use.get("input") or {}}
    if "reasoningContent" in part:
        yield from _reasoning(fields(part["reasoningContent"]))
    if "citationsContent" in part:
        yield from _cited(fields(part["citationsContent"]))


def _reasoning(reasoning: Body) -> Iterator[Body]:
    said = fields(reasoning.get("reasoningText"))
    text, signature = said.get("text") or "", said.get("signature") or ""
    if text or signature:
        yield {"type": "thinking", "thinking": text, "signature": signature}
    if isinstance(reasoning.get("redactedContent"), str):
        yield {"type": "redacted_thinking", "data": converse_blob.to_data(reasoning["redactedContent"])}


def _cited(cited: Body) -> Iterator[Body]:
    text = converse_citation.texts(cited.get("content"))
    listed = cited.get("citations")
    read = map(converse_citation.read, listed if isinstance(listed, list) else [])
    citations = [citation for citation in read if citation is not None]
    if text or citations:
        yield {"type": "text", "text": text, **({"citations": citations} if citations else {})}


def fields(value: Any) -> Body:
    """An object's fields; none for anything else that a host may have sent."""
    return value if isinstance(value, dict) else {}
