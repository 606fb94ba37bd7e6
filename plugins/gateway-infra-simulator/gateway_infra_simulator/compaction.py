"""Compaction: when a conversation is summed up, in which words, and what is left of it as the prompt."""

from dataclasses import dataclass

from gateway_infra_simulator.ask import Ask
from gateway_infra_simulator.beta import betas
from gateway_infra_simulator.prompt import input_tokens, size_of, size_of_block, tokens

EDIT = "compact_20260112"
TRIGGER = 150_000
QUOTED = 200
"""How many characters of the instructions are repeated."""


@dataclass(frozen=True)
class Compaction:
    """A summary that is due, and whether the answer ends with it."""

    summary: str
    pause: bool


def due(ask: Ask) -> Compaction | None:
    """The compaction that a request leads to; none if its prompt is too short or nothing may be said at all."""
    edit = next((edit for edit in ask.edits if edit["type"] == EDIT), None)
    if edit is None or not ask.body.get("max_tokens"):
        return None
    if ask.input_tokens < (edit.get("trigger") or {}).get("value", TRIGGER):
        return None
    summary = f"[simulated] A summary in place of {ask.input_tokens} tokens."
    if edit.get("instructions"):
        summary += f" Instructions: {edit['instructions'][:QUOTED]}"
    return Compaction(summary, edit.get("pause_after_compaction") is True)


def listed(ask: Ask) -> bool:
    """Whether usage lists its passes: it does with the beta, also when nothing was summed up."""
    return ask.may(betas().edits, EDIT)


def tokens_left(ask: Ask, summary: str | None) -> int:
    """The prompt of the pass that answers: tools, system, the summary and the last turn, as long as it is itself.

    Without a summary the compaction has failed, and everything is still there.
    """
    if summary is None:
        return ask.input_tokens
    fixed = tuple(part for part in ask.parts if not part.message)
    last = sum(size_of_block(placed.block) for placed in ask.turns[-1].blocks)
    return tokens(size_of(summary) + last + sum(part.size for part in fixed)) + input_tokens(())
