"""Thinking: which kinds a model knows, how much they may cost, and how earlier thoughts come back."""

from typing import Any

from gateway_infra_simulator import shape
from gateway_infra_simulator.ask import Ask
from gateway_infra_simulator.refusal import RefusalError, bad
from gateway_infra_simulator.turn import Turn

MIN_BUDGET = 1024
INTERLEAVED = "interleaved-thinking-2025-05-14"
UPDATES = "thinking-display-updates-2026-08-18"

_KEYS = {
    "adaptive": ("type", "display", "block_binding"),
    "enabled": ("type", "budget_tokens", "display", "block_binding"),
    "disabled": ("type",),
    "between_tools": ("type",),
}


def check(ask: Ask) -> None:
    """Refuse thinking that the model does not know or that contradicts the rest of the request."""
    if "thinking" not in ask.body:
        return
    thinking = ask.body["thinking"]
    kind = shape.tag("thinking", thinking, _KEYS)
    if kind not in ask.model.thinking:
        raise RefusalError(400, _unsupported(ask, kind))
    shape.only(f"thinking.{kind}", thinking, _keys(ask, kind))
    _display(ask, f"thinking.{kind}", thinking)
    _quiet(ask, kind)
    if kind == "enabled":
        _enabled(ask, thinking)


def _unsupported(ask: Ask, kind: str) -> str:
    if kind == "enabled" and "adaptive" in ask.model.thinking:
        return (
            '"thinking.type.enabled" is not supported for this model. '
            'Use "thinking.type.adaptive" and "output_config.effort" to control thinking behavior.'
        )
    if kind == "adaptive":
        return "adaptive thinking is not supported on this model"
    return f'"thinking.type.{kind}" is not supported for this model.'


def _keys(ask: Ask, kind: str) -> tuple[str, ...]:
    bound = ask.may_field("thinking.block_binding")
    return tuple(key for key in _KEYS[kind] if bound or key != "block_binding")


def _display(ask: Ask, path: str, thinking: dict[str, Any]) -> None:
    if thinking.get("display") is not None:
        updates = ("updates",) if UPDATES in ask.tokens else ()
        shape.choice(f"{path}.display", thinking["display"], ("summarized", "omitted", *updates))


def _quiet(ask: Ask, kind: str) -> None:
    effort = (ask.body.get("output_config") or {}).get("effort")
    if kind == "disabled" and ask.model.quiet_effort and effort in ("xhigh", "max"):
        raise RefusalError(
            400,
            f"output_config.effort '{effort}' is not supported when thinking is disabled on this model. "
            "Use effort 'high' or below, or enable thinking.",
        )


def _enabled(ask: Ask, thinking: dict[str, Any]) -> None:
    path = "thinking.enabled.budget_tokens"
    budget = shape.integer(path, shape.need("thinking.enabled", thinking, "budget_tokens"), MIN_BUDGET)
    interleaved = INTERLEAVED in ask.tokens and ask.body.get("tools")
    if not ask.counting and not interleaved and budget >= ask.body["max_tokens"]:
        raise RefusalError(400, "`max_tokens` must be greater than `thinking.budget_tokens`.")
    if ask.forced:
        raise RefusalError(400, "Thinking may not be enabled when tool_choice forces tool use.")
    if len(ask.turns) > 1:
        _led_by_thought(*ask.turns[-2:])


def _led_by_thought(before: Turn, last: Turn) -> None:
    if not last.of_kind("tool_result"):
        return
    first = before.blocks[0]
    if first.kind not in ("thinking", "redacted_thinking"):
        raise bad(
            f"{first.path}.type",
            f"Expected `thinking` or `redacted_thinking`, but found `{first.kind}`. When `thinking` is enabled, "
            "a final `assistant` message must start with a thinking block.",
        )
