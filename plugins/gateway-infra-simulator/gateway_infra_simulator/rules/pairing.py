"""Pairing: every tool call is answered in the next turn, and every result answers a call of the turn before."""

from collections import Counter
from itertools import takewhile

from gateway_infra_simulator.ask import Ask
from gateway_infra_simulator.refusal import RefusalError, bad
from gateway_infra_simulator.turn import Turn

_NOBODY = Turn("", -1, ())


def check(ask: Ask) -> None:
    """Refuse calls without results and results without calls."""
    spoken = [turn for turn in ask.turns if turn.role != "system"]
    _unique(spoken)
    for before, turn in zip([_NOBODY, *spoken], [*spoken, _NOBODY], strict=True):
        _answers(before, turn)
        _answered(before, turn)


def _calls(turn: Turn) -> list[str]:
    return [placed.block["id"] for placed in turn.of_kind("tool_use")]


def _unique(spoken: list[Turn]) -> None:
    ids = [call for turn in spoken for call in _calls(turn)]
    if len(set(ids)) < len(ids):
        raise bad("messages", "`tool_use` ids must be unique")


def _answers(before: Turn, turn: Turn) -> None:
    calls = _calls(before)
    for placed in turn.of_kind("tool_result"):
        found = placed.block["tool_use_id"]
        if found not in calls:
            raise bad(
                placed.path,
                f"unexpected `tool_use_id` found in `tool_result` blocks: {found}. "
                "Each `tool_result` block must have a corresponding `tool_use` block in the previous message.",
            )


def _answered(before: Turn, turn: Turn) -> None:
    # Only the results at the head of a turn count: text that comes first separates them from their calls.
    leading = takewhile(lambda placed: placed.kind == "tool_result", turn.blocks)
    results = Counter(placed.block["tool_use_id"] for placed in leading)
    missing = [call for call in _calls(before) if call not in results]
    if missing:
        raise bad(
            f"messages.{before.index}",
            f"`tool_use` ids were found without `tool_result` blocks immediately after: {', '.join(missing)}. "
            "Each `tool_use` block must have a corresponding `tool_result` block in the next message.",
        )
    doubled = [found for found, count in results.items() if count > 1]
    if doubled:
        text = f"each tool_use must have a single result. Found multiple `tool_result` blocks with id: {doubled[0]}"
        raise RefusalError(400, f"messages.{turn.index}.content: {text}")
