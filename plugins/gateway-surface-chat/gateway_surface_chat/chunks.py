"""Messages events to chunks.

Sources: Messages API reference, "Streaming"; OpenAI API reference, "The chat completion chunk object".
"""

from collections.abc import Callable, Mapping
from typing import Any

from gateway import Event, Garbled
from gateway_surface_chat.carriers import field_of
from gateway_surface_chat.ending import FACTS, extras, finish_reason, refusal
from gateway_surface_chat.frame import Frame
from gateway_surface_chat.openblocks import NOTHING, OpenBlock, Other, Series, Text, Thinking, ToolUse
from gateway_surface_chat.shape import Block
from gateway_surface_chat.wishes import Wishes
from gateway_surface_chat.words import SERIES


class Stream:
    """The answer of one call, event by event.

    Args:
        frame: writes the chunks.
        wishes: how the client wants them.
    """

    def __init__(self, frame: Frame, wishes: Wishes) -> None:
        self._frame = frame
        self._wishes = wishes
        self._open: dict[int, OpenBlock] = {}
        self._tools = 0
        self._thoughts = 0
        self._told: dict[str, list[Block]] = {}
        self._facts: dict[str, Any] = {}
        self._takes: Mapping[str, Callable[[Event], bytes]] = {
            "content_block_delta": self._delta,
            "content_block_start": self._start_block,
            "content_block_stop": self._stop_block,
            "message_start": self._start,
            "message_delta": self._note,
            "message_stop": self._stop,
        }

    def take(self, event: Event) -> bytes:
        """The chunks for an event; an event that nobody knows has none."""
        take = self._takes.get(event.name)
        return NOTHING if take is None else take(event)

    def _delta(self, event: Event) -> bytes:
        value = event.json()
        try:
            block, delta = self._open[value["index"]], value["delta"]
        except (KeyError, TypeError):
            raise _garbled(event) from None
        if not isinstance(delta, dict):
            raise _garbled(event)
        return block.delta(delta)

    def _start(self, event: Event) -> bytes:
        message = _part(event, "message")
        self._facts |= {name: message[name] for name in FACTS if message.get(name) is not None}
        return self._frame.chunk({"role": "assistant", "content": ""})

    def _start_block(self, event: Event) -> bytes:
        block = self._opened(_part(event, "content_block"))
        self._open[_index(event)] = block
        return block.start()

    def _opened(self, block: Block) -> OpenBlock:
        kind = str(block.get("type"))
        if kind == "text":
            return Text(block, self._frame)
        if kind in ("thinking", "redacted_thinking"):
            self._thoughts += 1
            return Thinking(block, self._frame, self._thoughts - 1)
        if kind == "tool_use":
            self._tools += 1
            return ToolUse(block, self._frame, self._tools - 1, self._wishes)
        told = self._told.setdefault(field_of(kind), [])
        return (Series if kind in SERIES else Other)({**block, "type": kind}, self._frame, told)

    def _stop_block(self, event: Event) -> bytes:
        block = self._open.pop(_index(event), None)
        whole = event.json().get("content_block")
        if isinstance(block, Other) and isinstance(whole, dict):
            block.become(whole)
        return NOTHING if block is None else block.stop()

    def _note(self, event: Event) -> bytes:
        facts = {**_part(event, "delta"), "context_management": event.json().get("context_management")}
        self._facts |= {name: facts[name] for name in FACTS if facts.get(name) is not None}
        return NOTHING

    def _stop(self, _event: Event) -> bytes:
        """Only the final event ends an answer: what says why it ended may come in several pieces."""
        explanation = refusal(self._facts)
        refused = NOTHING if explanation is None else self._frame.chunk({"refusal": explanation})
        series = {field: blocks for field, blocks in self._told.items() if field in SERIES.values()}
        fields = series | extras(self._facts)
        delta = {"provider_specific_fields": fields} if fields else {}
        return refused + self._frame.last(delta, finish_reason(self._facts, legacy=self._wishes.legacy))


def _part(event: Event, name: str) -> dict[str, Any]:
    value = event.json()
    part = value.get(name) if isinstance(value, dict) else None
    if not isinstance(part, dict):
        raise _garbled(event)
    return part


def _index(event: Event) -> int:
    value = event.json()
    index = value.get("index") if isinstance(value, dict) else None
    if not isinstance(index, int):
        raise _garbled(event)
    return index


def _garbled(event: Event) -> Garbled:
    return Garbled(f"The host sent an event {event.name!r} that does not fit into its stream.")
