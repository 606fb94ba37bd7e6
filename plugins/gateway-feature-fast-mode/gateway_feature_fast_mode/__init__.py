"""Fast mode: answers come faster and cost a multiple, charged by the speed that was served.

Sources: Anthropic fast mode page; Anthropic pricing page, "Fast mode pricing".
"""

from collections.abc import Mapping

from marshmallow import fields

from gateway import Beta, Call, Param, Rows, hookimpl, rows

CAPABILITY = "fast_mode"
STANDARD = "standard"


class FastModePlugin:
    """Owns ``speed`` and its beta token, and prices what was served fast."""

    @hookimpl
    def register_params(self) -> list[Param | Beta]:
        """The speed, and the token that clients may send themselves."""
        return [Param("speed", fields.Str(), needs=_need), Beta("fast-mode-2026-02-01")]

    @hookimpl
    def register_catalog(self) -> Rows:
        """Where it exists, and what it costs."""
        return rows(__package__)

    @hookimpl
    def prepare_request(self, call: Call) -> None:
        """The standard speed is everybody's: it is left unsaid where the word is not known."""
        if call.get("speed") != STANDARD:
            return
        if CAPABILITY in call.grants:
            call.add_betas(call.grants[CAPABILITY].betas)
        else:
            call.remove("speed")

    @hookimpl
    def adjust_cost(self, served: Mapping[str, str]) -> str | None:
        """Whatever was not served at standard speed."""
        return CAPABILITY if "speed" in served else None


def _need(speed: str) -> str | None:
    return None if speed == STANDARD else CAPABILITY
