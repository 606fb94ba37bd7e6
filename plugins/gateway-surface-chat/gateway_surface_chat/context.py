"""``context_management``: OpenAI's list of entries, or the object of the Messages API as it is.

Sources: OpenAI API reference, ``context_management``; Anthropic compaction page.
"""

from typing import Any

from gateway_surface_chat.shape import as_object
from gateway_surface_chat.words import EDITS

THRESHOLD = "compact_threshold"


def context_management(given: Any) -> Any:
    """The object that a list stands for; anything else is the client's own word for it."""
    if not isinstance(given, list):
        return given
    return {"edits": [_edit(as_object(one, f"context_management[{at}]")) for at, one in enumerate(given)]}


def _edit(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry as an edit; what it says besides goes along."""
    kind = entry.get("type")
    if not isinstance(kind, str) or kind not in EDITS:
        return entry
    edit = {name: value for name, value in entry.items() if name != THRESHOLD} | {"type": EDITS[kind]}
    if entry.get(THRESHOLD) is None:
        return edit
    return edit | {"trigger": {"type": "input_tokens", "value": entry[THRESHOLD]}}
