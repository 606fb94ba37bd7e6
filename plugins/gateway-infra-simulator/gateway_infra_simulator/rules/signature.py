"""Signatures: thinking that comes back must be what this simulator said."""

from gateway_infra_simulator.ask import Ask
from gateway_infra_simulator.refusal import bad
from gateway_infra_simulator.seal import Seal
from gateway_infra_simulator.turn import Placed


def check(ask: Ask, seal: Seal) -> None:
    """Refuse thoughts of a stranger, and our own ones if they were changed."""
    for turn in ask.turns:
        for placed in turn.of_kind("thinking", "redacted_thinking"):
            _known(placed, seal)


def _known(placed: Placed, seal: Seal) -> None:
    block = placed.block
    if placed.kind == "thinking" and not seal.knows_thinking(block["thinking"], block["signature"]):
        raise bad(placed.path, "Invalid `signature` in `thinking` block")
    if placed.kind == "redacted_thinking" and not seal.knows_redacted(block["data"]):
        raise bad(placed.path, "Invalid `data` in `redacted_thinking` block")
