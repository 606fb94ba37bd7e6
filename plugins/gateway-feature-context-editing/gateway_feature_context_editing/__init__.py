"""Context editing: the host clears old tool results and old thoughts out of a long conversation.

Sources: Anthropic context editing page; Anthropic SDK types 2.12.
"""

from marshmallow import INCLUDE, Schema, fields

from gateway import Beta, Rows, Variant, hookimpl, rows

CAPABILITY = "context_editing"
EDITS = "context_management.edits[]"


class ClearToolUses(Schema):
    """``clear_tool_uses_20250919``: what a client may say of when and what to clear."""

    class Meta:
        """What the API will know besides travels."""

        unknown = INCLUDE

    trigger = fields.Dict(allow_none=True)
    keep = fields.Dict(allow_none=True)
    clear_at_least = fields.Dict(allow_none=True)
    exclude_tools = fields.List(fields.Str(), allow_none=True)
    clear_tool_inputs = fields.Raw(allow_none=True)


class ClearThinking(Schema):
    """``clear_thinking_20251015``: ``keep`` is a number of turns, or all of them."""

    class Meta:
        """What the API will know besides travels."""

        unknown = INCLUDE

    keep = fields.Raw(allow_none=True)


class ContextEditingPlugin:
    """Owns the two edits and their beta token."""

    @hookimpl
    def register_params(self) -> list[Variant | Beta]:
        """The edits, and the token that clients may send themselves."""
        return [
            Variant(EDITS, "clear_tool_uses_20250919", ClearToolUses(), needs=CAPABILITY),
            Variant(EDITS, "clear_thinking_20251015", ClearThinking(), needs=CAPABILITY),
            Beta("context-management-2025-06-27"),
        ]

    @hookimpl
    def register_catalog(self) -> Rows:
        """Where they exist."""
        return rows(__package__)
