"""Geography: where inference may run."""

from gateway_infra_simulator import shape
from gateway_infra_simulator.ask import Ask
from gateway_infra_simulator.refusal import bad


def check(ask: Ask) -> None:
    """Refuse places that do not exist and models that run in one place only."""
    geo = ask.body.get("inference_geo")
    if geo is None:
        return
    if not ask.model.geo:
        raise bad("inference_geo", f"not supported for model {ask.model.id}")
    shape.choice("inference_geo", geo, ("global", "us"))


def served(ask: Ask) -> str:
    """The place that usage reports."""
    if not ask.model.geo:
        return "not_available"
    return ask.body.get("inference_geo") or "global"
