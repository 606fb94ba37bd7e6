"""Adaptive thinking: the model decides how much it thinks; ``reasoning_effort`` is OpenAI's word for asking it to.

Which models think how is a matter of rows; the budgets of models without adaptive thinking are settings.
Sources: Anthropic adaptive thinking and extended thinking pages; OpenAI API reference, ``reasoning_effort``.
"""

from collections.abc import Mapping
from typing import Any

from marshmallow import INCLUDE, Schema, ValidationError, fields, validate

from gateway import Call, Need, Param, Rows, Variant, hookimpl, rows

ADAPTIVE = "adaptive_thinking"
BUDGETED = "budgeted_thinking"
"""Capability of models that think up to a budget of tokens."""
QUIET = "disabled_thinking"
"""Capability of models that think unless they are told not to."""
CONSTANT = "constant_thinking"
"""Capability of models that cannot be told not to think."""

LEVELS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
LEAST = 1024
"""Tokens of the smallest budget that the API takes (Anthropic extended thinking page)."""

BUDGETS: Mapping[str, int] = {
    "minimal": 1024, "low": 1024, "medium": 2048, "high": 4096, "xhigh": 8192, "max": 16384,
}  # fmt: skip
"""Tokens of thinking for each level, where a model needs a number (LiteLLM docs, "Reasoning content")."""


class Settings(Schema):
    """``adaptive_thinking:`` in the configuration: budgets by level, for models without adaptive thinking."""

    budgets = fields.Dict(
        keys=fields.Str(validate=validate.OneOf(LEVELS[1:])),
        values=fields.Int(strict=True, validate=validate.Range(min=LEAST)),
        load_default=dict,
    )


class Adaptive(Schema):
    """``thinking`` of type ``adaptive``."""

    class Meta:
        """What the API will know besides travels."""

        unknown = INCLUDE

    display = fields.Str(allow_none=True)


class AdaptiveThinkingPlugin:
    """Owns ``thinking`` of type ``adaptive``, and what chat clients say instead of it."""

    settings = Settings

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._budgets = {**BUDGETS, **settings["budgets"]}

    @hookimpl
    def register_params(self) -> list[Variant | Param]:
        """The variant, and the chat surface's own word."""
        return [
            Variant("thinking", "adaptive", Adaptive(), needs=ADAPTIVE),
            Param("reasoning_effort", fields.Raw(validate=_check_level), surface="chat"),
        ]

    @hookimpl
    def register_catalog(self) -> Rows:
        """Which model thinks how."""
        return rows(__package__)

    @hookimpl
    def prepare_request(self, call: Call) -> None:
        """Write what ``reasoning_effort`` means to this model; a ``thinking`` of the client's own says more."""
        asked = call.own("chat", "reasoning_effort")
        for name in {*asked} - {"effort"} if isinstance(asked, dict) else ():
            call.ignore(f"reasoning_effort.{name}", "Only the level has a counterpart.")
        level = level_of(asked)
        if level is None or call.get("thinking") is not None:
            return
        if level == "none":
            _quiet(call)
        elif ADAPTIVE not in call.grants and BUDGETED in call.grants:
            self._think(call, level)
        else:
            call.add_need(Need(ADAPTIVE, "reasoning_effort", claim="chat:reasoning_effort"))
            call.set("thinking", {"type": "adaptive"})

    def _think(self, call: Call, level: str) -> None:
        """Think up to a budget, which has to leave room for an answer."""
        budget = min(self._budgets[level], call.get("max_tokens", self._budgets[level] + 1) - 1)
        if budget < LEAST:
            call.ignore(
                "thinking", f"reasoning_effort asks for it, but max_tokens has no room for {LEAST} tokens of it."
            )
        else:
            call.set("thinking", {"type": "enabled", "budget_tokens": budget})


def _quiet(call: Call) -> None:
    """No thinking, where that has to be said and can be."""
    if QUIET in call.grants:
        call.set("thinking", {"type": "disabled"})
    elif CONSTANT in call.grants:
        call.ignore("reasoning_effort", "The model always thinks.")


def level_of(value: Any) -> Any:
    """The level, given alone or as an object's ``effort``; None when there is none."""
    return value.get("effort") if isinstance(value, dict) else value


def _check_level(value: Any) -> None:
    level = level_of(value)
    if level is not None and level not in LEVELS:
        raise ValidationError(f"has to be one of {', '.join(LEVELS)}.")
