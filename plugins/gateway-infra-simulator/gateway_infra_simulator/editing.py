"""Context editing: which old tool results and thoughts are left out of a prompt, and how that is reported."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from gateway_infra_simulator.prompt import Part, input_tokens, size_of_input

Body = dict[str, Any]

TRIGGER = 100_000
KEPT_USES = 3
KEPT_TURNS = 1

_THOUGHTS = ("thinking", "redacted_thinking")


@dataclass(frozen=True)
class Edited:
    """What is left of a prompt, and what ``context_management.applied_edits`` says of the rest."""

    parts: tuple[Part, ...]
    applied: tuple[Body, ...] = ()


def edited(parts: tuple[Part, ...], edits: list[Body]) -> Edited:
    """A prompt after these edits, in their order; compaction is none of them."""
    now = Edited(parts)
    for edit in edits:
        match edit["type"]:
            case "clear_tool_uses_20250919":
                now = _without_tool_uses(now, edit)
            case "clear_thinking_20251015":
                now = _without_thinking(now, edit)
    return now


# ---------------------------------------------------------------------------------------------------------- tool uses


def _without_tool_uses(before: Edited, edit: Body) -> Edited:
    uses = {part.content["id"]: part for part in before.parts if part.kind == "tool_use"}
    if not _triggered(before, edit.get("trigger") or {}, len(uses)):
        return before
    old = _old_uses(before, uses, edit)
    inputs = {call for call in old if _clears_input(edit.get("clear_tool_inputs"), uses[call].content["name"])}
    left = tuple(_cleared(part, old, inputs) for part in before.parts)
    least = (edit.get("clear_at_least") or {}).get("value", 0)
    return _reported(before, left, edit["type"], {"cleared_tool_uses": len(old)}, least)


def _triggered(before: Edited, trigger: Body, uses: int) -> bool:
    if trigger.get("type") == "tool_uses":
        return bool(uses >= trigger["value"])
    return bool(input_tokens(before.parts) >= trigger.get("value", TRIGGER))


def _old_uses(before: Edited, uses: dict[str, Part], edit: Body) -> list[str]:
    """The ids of the calls whose results go: all but the newest, and none of a tool that is left out."""
    excluded = edit.get("exclude_tools") or ()
    answered = [part.content["tool_use_id"] for part in before.parts if part.kind == "tool_result"]
    open_to_it = [call for call in answered if call in uses and uses[call].content["name"] not in excluded]
    keep = (edit.get("keep") or {}).get("value", KEPT_USES)
    return open_to_it[: max(0, len(open_to_it) - keep)]


def _clears_input(wanted: Any, name: str) -> bool:
    return name in wanted if isinstance(wanted, list) else bool(wanted)


def _cleared(part: Part, old: list[str], inputs: set[str]) -> Part:
    if part.kind == "tool_result" and part.content["tool_use_id"] in old:
        return _emptied(part, "content", part.size)
    if part.kind == "tool_use" and part.content["id"] in inputs:
        return _emptied(part, "input", size_of_input(part.content))
    return part


# ----------------------------------------------------------------------------------------------------------- thinking


def _without_thinking(before: Edited, edit: Body) -> Edited:
    turns = list(dict.fromkeys(part.message for part in before.parts if part.kind in _THOUGHTS))
    old = turns[: max(0, len(turns) - _kept_turns(edit.get("keep"), len(turns)))]
    left = tuple(_forgotten(before, old))
    return _reported(before, left, edit["type"], {"cleared_thinking_turns": len(old)}, 0)


def _kept_turns(keep: Any, every: int) -> int:
    if keep is None:
        return KEPT_TURNS
    return every if keep == "all" or keep["type"] == "all" else int(keep["value"])


def _forgotten(before: Edited, old: list[str]) -> Iterator[Part]:
    for part in before.parts:
        gone = part.kind in _THOUGHTS and part.message in old
        yield _emptied(part, "thinking", part.size) if gone else part


# ------------------------------------------------------------------------------------------------------------- report


def _emptied(part: Part, key: str, freed: int) -> Part:
    """A part without one of its members: other content is another prefix for the cache."""
    return replace(part, content=part.content | {key: None}, size=part.size - freed)


def _reported(before: Edited, left: tuple[Part, ...], kind: str, count: Body, least: int) -> Edited:
    freed = input_tokens(before.parts) - input_tokens(left)
    if not any(count.values()) or freed < least:
        return before
    return Edited(left, (*before.applied, {"type": kind, **count, "cleared_input_tokens": freed}))
