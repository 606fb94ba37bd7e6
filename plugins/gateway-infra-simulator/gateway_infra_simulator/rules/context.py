"""Context management: which edits may be asked for, and what excludes what."""

from gateway_infra_simulator import shape
from gateway_infra_simulator.ask import Ask
from gateway_infra_simulator.beta import betas
from gateway_infra_simulator.refusal import RefusalError, bad

MIN_TRIGGER = 50_000


def check(ask: Ask) -> None:
    """Refuse edits that are unknown, lack their beta, or come together with on-demand compaction."""
    management = ask.body.get("context_management")
    if ask.body.get("compaction") is not None:
        shape.tag("compaction", ask.body["compaction"], ("summarize",))
        if management is not None:
            raise RefusalError(400, "compaction: cannot be combined with context_management")
    if management is not None:
        shape.only("context_management", management, ("edits",))
        _edits(ask, shape.listing("context_management.edits", management.get("edits", [])))


def _edits(ask: Ask, edits: list[object]) -> None:
    allowed = [kind for kind in betas().edits if ask.may(betas().edits, kind)]
    for index, edit in enumerate(edits):
        path = f"context_management.edits.{index}"
        kind = shape.tag(path, shape.mapping(path, edit), allowed)
        if kind == "clear_thinking_20251015" and index:
            raise bad(path, "clear_thinking_20251015 must be the first edit")
        if kind == "compact_20260112":
            _trigger(f"{path}.compact_20260112", shape.mapping(path, edit).get("trigger"))


def _trigger(path: str, trigger: object) -> None:
    if trigger is not None:
        value = shape.need(f"{path}.trigger", shape.mapping(f"{path}.trigger", trigger), "value")
        shape.integer(f"{path}.trigger.value", value, MIN_TRIGGER)
