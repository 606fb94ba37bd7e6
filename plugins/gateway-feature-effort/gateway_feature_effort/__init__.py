"""Effort: how much a model spends on an answer, as a level.

Which levels a model knows are values of its row, so a wrong one is refused with the right ones.
Sources: Anthropic effort page; OpenAI API reference, ``reasoning_effort``.
"""

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, fields

from gateway import Beta, Call, Need, Param, Rows, hookimpl, rows

CAPABILITY = "effort"
PATH = "output_config.effort"

FOLLOWED: Mapping[str, str] = {"minimal": "low"}
"""Levels of OpenAI's that the Messages API words differently."""


class Settings(Schema):
    """``effort:`` in the configuration: whether a chat client's ``reasoning_effort`` sets the level too."""

    follow_reasoning_effort = fields.Bool(load_default=True)


class EffortPlugin:
    """Owns ``output_config.effort`` and its beta token."""

    settings = Settings

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._follows = settings["follow_reasoning_effort"]

    @hookimpl
    def register_params(self) -> list[Param | Beta]:
        """The level, and the token that clients may send themselves."""
        return [Param(PATH, fields.Str(), needs=CAPABILITY), Beta("effort-2025-11-24")]

    @hookimpl
    def register_catalog(self) -> Rows:
        """Which model knows which levels."""
        return rows(__package__)

    @hookimpl
    def prepare_request(self, call: Call) -> None:
        """Let the level follow ``reasoning_effort`` where the client gives none and the model knows levels."""
        level = _level(call.own("chat", "reasoning_effort"))
        if not self._follows or level in ("", "none") or call.get(PATH) is not None or CAPABILITY not in call.grants:
            return
        call.set(PATH, level)
        call.add_need(Need(CAPABILITY, "reasoning_effort", level, "chat:reasoning_effort"))


def _level(asked: Any) -> str:
    """The level in the Messages API's words; given alone or as an object's ``effort``."""
    level = asked.get("effort") if isinstance(asked, dict) else asked
    return FOLLOWED.get(level, level) if isinstance(level, str) else ""
