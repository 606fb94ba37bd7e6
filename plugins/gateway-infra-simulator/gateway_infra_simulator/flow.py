"""The flow of a stream: the events of a message in their order, and the changes that a script makes to it."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from gateway_infra_simulator.block import Block

Body = dict[str, Any]

_START_ONLY = ("cache_creation", "service_tier", "inference_geo", "speed")
_DELTA_ONLY = ("iterations", "fallback_credit")
_DELTA_FIELDS = ("stop_reason", "stop_sequence", "stop_details", "container")
_LATE_FIELDS = ("context_management", "input_transformations")


COMMENT = ":"
"""The name of an event that is no event but a comment line."""


class Event(NamedTuple):
    """One server-sent event."""

    name: str
    data: Body


@dataclass(frozen=True)
class Insert:
    """A further event, put in so that it becomes number ``at``; 0 comes before ``message_start``."""

    at: int
    name: str
    data: Body


@dataclass(frozen=True)
class Flow:
    """Changes to the order of events.

    Attributes:
        pings: how many ``ping`` events follow the start of the first block.
        deltas: how many ``message_delta`` events there are; only the last has a stop reason.
        inserts: events of any name, put in afterwards.
        keep: where the stream ends, as the end of a slice: 3 keeps three events, -1 all but the last.
        error: the error that takes the place of what was not kept.
    """

    pings: int = 1
    deltas: int = 1
    inserts: tuple[Insert, ...] = ()
    keep: int | None = None
    error: Body | None = None


def events(message: Body, blocks: tuple[Block, ...], flow: Flow) -> list[Event]:
    """The stream of a finished message."""
    stream = [_message_start(message)]
    for index, block in enumerate(blocks):
        stream += _block(index, block)
    stream += _message_deltas(message, flow.deltas)
    stream.append(_event("message_stop"))
    return _changed(stream, flow)


def _event(name: str, **data: Any) -> Event:
    return Event(name, {"type": name, **data})


def _message_start(message: Body) -> Event:
    started = {key: value for key, value in message.items() if key not in (*_LATE_FIELDS, "container")}
    usage = {key: value for key, value in message["usage"].items() if key not in _DELTA_ONLY}
    usage["output_tokens"] = min(1, usage.get("output_tokens") or 0)
    for counter in ("output_tokens_details", "server_tool_use"):
        if usage.get(counter):
            usage[counter] = dict.fromkeys(usage[counter], 0)
    empty: Body = {"content": [], "stop_reason": None, "stop_sequence": None, "stop_details": None}
    return _event("message_start", message=started | empty | {"usage": usage})


def _block(index: int, block: Block) -> list[Event]:
    start = _event("content_block_start", index=index, content_block=block.start)
    deltas = [_event("content_block_delta", index=index, delta=delta) for delta in block.deltas]
    return [start, *deltas, _event("content_block_stop", index=index)]


def _message_deltas(message: Body, count: int) -> list[Event]:
    usage = {key: value for key, value in message["usage"].items() if key not in _START_ONLY}
    total = usage.get("output_tokens") or 0
    early = [
        _event("message_delta", delta={"stop_reason": None, "stop_sequence": None},
               usage={"output_tokens": total * step // count})
        for step in range(1, count)
    ]  # fmt: skip
    delta = {key: message[key] for key in _DELTA_FIELDS if key in message}
    late = {key: message[key] for key in _LATE_FIELDS if key in message}
    return [*early, _event("message_delta", delta=delta, usage=usage, **late)]


def _changed(stream: list[Event], flow: Flow) -> list[Event]:
    stream = _with_pings(stream, flow.pings)
    for insert in flow.inserts:
        stream.insert(insert.at, Event(insert.name, insert.data))
    if flow.keep is not None:
        stream = stream[: flow.keep]
    if flow.error is not None:
        stream.append(_event("error", error=flow.error))
    return stream


def _with_pings(stream: list[Event], pings: int) -> list[Event]:
    first = next((at for at, event in enumerate(stream) if event.name == "content_block_start"), 0)
    for step in range(pings):
        stream.insert(first + 1 + 2 * step, _event("ping"))
    return stream
