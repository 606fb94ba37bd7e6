"""Compaction: the host sums up a conversation that grew too long, and goes on from the summary.

The edit is the client's; this package lets it through where it exists, with its beta. A summary that comes back in the
conversation needs the same beta, whether or not the edit stands beside it. Passes are billed by the core.
Sources: Anthropic compaction page; Anthropic SDK types 2.12 (edit, block and delta).
"""

from collections.abc import Iterable, Mapping
from typing import Any

from marshmallow import INCLUDE, Schema, fields, validate

from gateway import Beta, Call, Event, Filter, Need, Rows, Variant, hookimpl, rows

CAPABILITY = "compaction"
BLOCK = "compaction"
"""Type of the block that holds a summary."""

LEAST = 50_000
"""Tokens below which the API takes no trigger (Anthropic compaction page)."""


class Trigger(Schema):
    """When to compact: ``{"type": "input_tokens", "value": 150000}``."""

    class Meta:
        """What the API will know besides travels."""

        unknown = INCLUDE

    type = fields.Str(required=True, validate=validate.Equal("input_tokens"))
    value = fields.Int(
        strict=True, required=True, validate=validate.Range(min=LEAST, error=f"has to be at least {LEAST}.")
    )


class Edit(Schema):
    """``compact_20260112``, one of ``context_management.edits``."""

    class Meta:
        """What the API will know besides travels."""

        unknown = INCLUDE

    trigger = fields.Nested(Trigger, allow_none=True)
    pause_after_compaction = fields.Bool(truthy={True}, falsy={False}, allow_none=True)
    instructions = fields.Str(allow_none=True)


class CompactionPlugin:
    """Owns the edit and its beta token."""

    @hookimpl
    def register_params(self) -> list[Variant | Beta]:
        """The edit, and the token that clients may send themselves."""
        edit = Variant("context_management.edits[]", "compact_20260112", Edit(), needs=CAPABILITY)
        return [edit, Beta("compact-2026-01-12")]

    @hookimpl
    def register_catalog(self) -> Rows:
        """Where it exists."""
        return rows(__package__)

    @hookimpl
    def prepare_request(self, call: Call) -> None:
        """A conversation that carries a summary needs a host that can read it."""
        if not _needed(call) and carries_summary(call.body.get("messages")):
            call.add_need(Need(CAPABILITY, "messages"))

    @hookimpl
    def filter_events(self, call: Call) -> Filter | None:
        """Where a surface puts streams into other words, it gets the whole block at its end; Messages has its own."""
        if not call.stream or call.surface == "messages" or not _needed(call):
            return None
        return Filter(Whole(), blocks=frozenset({BLOCK}))


class Whole:
    """Attaches each summary's whole block to the event that ends it.

    It is put together as the official SDK does, which replaces what a delta says again; only text that comes in several
    pieces goes on, where the SDK would keep the last.
    """

    def __init__(self) -> None:
        self._open: dict[int, dict[str, Any]] = {}

    def __call__(self, event: Event) -> Iterable[Event]:
        """The event; the one that ends a block carries it as ``content_block``."""
        value = event.json()
        index = value["index"]
        if event.name == "content_block_start":
            self._open[index] = dict(value["content_block"])
        elif event.name == "content_block_stop":
            event = Event.of({**value, "content_block": self._open.pop(index)})
        elif isinstance(value.get("delta"), dict):
            self._open[index] |= _said(self._open[index], value["delta"])
        return [event]


def _said(block: Mapping[str, Any], delta: Mapping[str, Any]) -> dict[str, Any]:
    """What a delta says of a block: its text goes on, anything else is replaced, and a null takes nothing away."""
    said = {name: value for name, value in delta.items() if name != "type" and value is not None}
    if isinstance(block.get("content"), str) and isinstance(said.get("content"), str):
        said["content"] = block["content"] + said["content"]
    return said


def _needed(call: Call) -> bool:
    return any(need.capability == CAPABILITY for need in call.needs)


def carries_summary(messages: Any) -> bool:
    """Whether a turn of a conversation holds a block with a summary."""
    contents = (one.get("content") for one in messages if isinstance(one, dict)) if isinstance(messages, list) else ()
    return any(
        isinstance(block, dict) and block.get("type") == BLOCK
        for content in contents
        if isinstance(content, list)
        for block in content
    )
