"""How an answer ended: Claude's stop reason in OpenAI's words, and what those words cannot say.

Everything here looks at the answer's own fields: a whole message, or what a stream has told of one so far.
Sources: Messages API reference, "Stop reasons" and "Refusals"; OpenAI API reference, ``finish_reason``.
"""

from collections.abc import Mapping
from typing import Any

from gateway_surface_chat.words import FINISH

_LOSSY = frozenset({"refusal", "pause_turn"})
"""Reasons that a client may have to tell from others of the same finish (LiteLLM docs)."""

FACTS = ("stop_reason", "stop_details", "context_management", "container")
"""Fields of a message that are known at its end."""


def finish_reason(message: Mapping[str, Any], *, legacy: bool) -> str:
    """OpenAI's closed set has no other words; a reason that nobody knows is an ordinary end."""
    finish = FINISH.get(str(message.get("stop_reason")), "stop")
    return "function_call" if legacy and finish == "tool_calls" else finish


def refusal(message: Mapping[str, Any]) -> str | None:
    """Why the model refused, if it did and said so."""
    details = message.get("stop_details")
    if message.get("stop_reason") != "refusal" or not isinstance(details, dict):
        return None
    explanation = details.get("explanation")
    return explanation if isinstance(explanation, str) else None


def extras(message: Mapping[str, Any]) -> dict[str, Any]:
    """What ``provider_specific_fields`` says of the end."""
    said = {name: message[name] for name in ("context_management", "container") if message.get(name) is not None}
    if message.get("stop_details") is not None or message.get("stop_reason") in _LOSSY:
        said |= {name: message.get(name) for name in ("stop_reason", "stop_details")}
    return said
