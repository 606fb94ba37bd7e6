"""Signatures: thinking and summaries that come back must be what this simulator said."""

from gateway_infra_simulator.ask import Ask
from gateway_infra_simulator.refusal import RefusalError, bad
from gateway_infra_simulator.seal import Seal
from gateway_infra_simulator.turn import Placed


def check(ask: Ask, seal: Seal) -> None:
    """Refuse thoughts of a stranger, and our own thoughts and summaries if they were changed."""
    for turn in ask.turns:
        for placed in turn.of_kind("compaction"):
            _summary(placed, seal)
        for placed in turn.of_kind("thinking", "redacted_thinking"):
            _known(placed, seal)


def _known(placed: Placed, seal: Seal) -> None:
    block = placed.block
    if placed.kind == "thinking" and not seal.knows_thinking(block["thinking"], block["signature"]):
        raise bad(placed.path, "Invalid `signature` in `thinking` block")
    if placed.kind == "redacted_thinking" and not seal.knows_redacted(block["data"]):
        raise bad(placed.path, "Invalid `data` in `redacted_thinking` block")


def _summary(placed: Placed, seal: Seal) -> None:
    content = placed.block.get("content")
    if content is None:
        return
    fault = seal.fault_of_summary(content, placed.block)
    if fault:
        text = f"{placed.path}: the `compaction` block is not what was returned; send every field of it back unchanged"
        raise RefusalError(400, text, {"error_code": fault})
