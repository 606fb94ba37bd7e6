"""Geo pricing: where inference runs, and what it costs to say so.

A host tells the place in its usage, or its provider states it for a deployment; either way it is one fact.
Sources: Anthropic data residency page; pricing pages of the four hosts.
"""

from collections.abc import Mapping

from marshmallow import fields, validate

from gateway import Call, Param, Rows, hookimpl, rows

CAPABILITY = "inference_geo"
PATH = "inference_geo"
ANYWHERE = "global"
REMEDY = "Elsewhere the deployment decides: ask for a regional one, with a region's inference profile or location."


class GeoPricingPlugin:
    """Owns ``inference_geo``, and prices the place that was served."""

    @hookimpl
    def register_params(self) -> list[Param]:
        """The place."""
        return [Param(PATH, fields.Str(validate=validate.Length(min=1)), needs=_need, remedy=REMEDY)]

    @hookimpl
    def register_catalog(self) -> Rows:
        """Where it can be asked for, and what each place costs."""
        return rows(__package__)

    @hookimpl
    def prepare_request(self, call: Call) -> None:
        """Anywhere is no restriction: it is left unsaid where the word is not known."""
        if call.get(PATH) == ANYWHERE and CAPABILITY not in call.grants:
            call.remove(PATH)

    @hookimpl
    def adjust_cost(self, served: Mapping[str, str]) -> str | None:
        """Whatever was served in a place of its own."""
        return CAPABILITY if PATH in served else None


def _need(place: str) -> str | None:
    return None if place == ANYWHERE else CAPABILITY
