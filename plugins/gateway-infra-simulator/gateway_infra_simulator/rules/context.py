"""Context management: which edits may be asked for, and what excludes what."""

from collections.abc import Callable, Collection
from typing import Any

from gateway_infra_simulator import shape
from gateway_infra_simulator.ask import Ask
from gateway_infra_simulator.beta import betas
from gateway_infra_simulator.refusal import RefusalError, bad

MIN_TRIGGER = 50_000

Body = dict[str, Any]


def check(ask: Ask) -> None:
    """Refuse edits that are unknown, malformed or lack their beta, and on-demand compaction beside them."""
    management = ask.body.get("context_management")
    if ask.body.get("compaction") is not None:
        shape.tag("compaction", ask.body["compaction"], ("summarize",))
        if management is not None:
            raise RefusalError(400, "compaction: cannot be combined with context_management")
    if management is not None:
        shape.only("context_management", management, ("edits",))
        _edits(ask, shape.listing("context_management.edits", management.get("edits") or []))


def _edits(ask: Ask, edits: list[object]) -> None:
    allowed = [kind for kind in betas().edits if ask.may(betas().edits, kind)]
    for index, value in enumerate(edits):
        path = f"context_management.edits.{index}"
        edit = shape.mapping(path, value)
        kind = shape.tag(path, edit, allowed)
        if kind == "clear_thinking_20251015" and index:
            raise bad(path, "clear_thinking_20251015 must be the first edit")
        _EDITS[kind](ask, f"{path}.{kind}", edit)


def _compact(ask: Ask, path: str, edit: Body) -> None:
    if not ask.model.compaction:
        raise RefusalError(400, f"{path}: not supported for model {ask.model.id}")
    shape.only(path, edit, ("type", "trigger", "pause_after_compaction", "instructions"))
    _amount(f"{path}.trigger", edit.get("trigger"), ("input_tokens",), MIN_TRIGGER)
    if edit.get("pause_after_compaction") is not None:
        shape.boolean(f"{path}.pause_after_compaction", edit["pause_after_compaction"])
    if edit.get("instructions") is not None:
        shape.string(f"{path}.instructions", edit["instructions"])


def _clear_tool_uses(_ask: Ask, path: str, edit: Body) -> None:
    shape.only(path, edit, ("type", "trigger", "keep", "clear_at_least", "exclude_tools", "clear_tool_inputs"))
    _amount(f"{path}.trigger", edit.get("trigger"), ("input_tokens", "tool_uses"))
    _amount(f"{path}.keep", edit.get("keep"), ("tool_uses",))
    _amount(f"{path}.clear_at_least", edit.get("clear_at_least"), ("input_tokens",))
    _names(f"{path}.exclude_tools", edit.get("exclude_tools"))
    if not isinstance(edit.get("clear_tool_inputs"), bool):
        _names(f"{path}.clear_tool_inputs", edit.get("clear_tool_inputs"))


def _clear_thinking(_ask: Ask, path: str, edit: Body) -> None:
    shape.only(path, edit, ("type", "keep"))
    keep = edit.get("keep")
    if keep not in (None, "all", {"type": "all"}):
        _amount(f"{path}.keep", keep, ("thinking_turns",), 1)


def _amount(path: str, value: object, kinds: Collection[str], least: int = 0) -> None:
    """So many of something: ``{"type": "tool_uses", "value": 3}``."""
    if value is None:
        return
    amount = shape.mapping(path, value)
    shape.tag(path, amount, kinds)
    shape.only(path, amount, ("type", "value"))
    shape.integer(f"{path}.value", shape.need(path, amount, "value"), least)


def _names(path: str, value: object) -> None:
    if value is not None:
        for index, name in enumerate(shape.listing(path, value)):
            shape.string(shape.under(path, index), name)


_EDITS: dict[str, Callable[[Ask, str, Body], None]] = {
    "compact_20260112": _compact,
    "clear_tool_uses_20250919": _clear_tool_uses,
    "clear_thinking_20251015": _clear_thinking,
}
