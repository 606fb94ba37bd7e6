"""A parameter of our own: whom an answer is for. Partners pay more, and the answer says so."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from marshmallow import Schema, fields, validate

from gateway import Call, Event, Factor, Filter, Param, hookimpl


class Settings(Schema):
    """``audience:`` in the configuration: what partners pay, as a multiple of the price."""

    partner_times = fields.Decimal(load_default=Decimal("1.2"))


class AudiencePlugin:
    """Claims ``audience``, takes it out of what the host sees, prices it, and marks the answer."""

    settings = Settings

    def __init__(self, settings: dict[str, Any]) -> None:
        self._times = settings["partner_times"]

    @hookimpl
    def register_params(self) -> list[Param]:
        return [Param("audience", fields.Str(validate=validate.OneOf(["internal", "partner"])))]

    @hookimpl
    def prepare_request(self, call: Call) -> None:
        call.remove("audience")

    @hookimpl
    def adjust_cost(self, call: Call) -> Factor | None:
        return Factor("partner", self._times) if call.asked.get("audience") == "partner" else None

    @hookimpl
    def filter_events(self, call: Call) -> Filter | None:
        def mark(event: Event) -> Iterable[Event]:
            value = event.json()
            if event.name == "message_start":
                value = {**value, "message": {**value["message"], "audience": call.asked["audience"]}}
            yield Event.of({**value, **({"audience": call.asked["audience"]} if event.name == "message" else {})})

        return Filter(mark, events=frozenset({"message_start", "message"})) if "audience" in call.asked else None
