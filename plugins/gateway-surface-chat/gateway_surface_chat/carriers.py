"""The carriers of content blocks that chat completions have no word for: fields of ``provider_specific_fields``.

A block of type ``x`` travels whole in ``x_blocks``, whatever ``x`` is; ``words.toml`` lists the exceptions.
"""

from gateway_surface_chat.words import SERIES

SPOKEN = frozenset({"text", "thinking", "redacted_thinking", "tool_use"})
"""Types that have a place of their own in a message."""

_SERIES_FIELDS = frozenset(SERIES.values())


def field_of(kind: str) -> str:
    """The field that carries blocks of a type."""
    return SERIES.get(kind, f"{kind}_blocks")


def carries_blocks(field: str) -> bool:
    """Whether a field of an assistant turn holds blocks to be put back; thinking has a place of its own."""
    return field in _SERIES_FIELDS or (field.endswith("_blocks") and field != "thinking_blocks")
