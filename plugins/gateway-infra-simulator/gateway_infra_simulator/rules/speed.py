"""Speed: which models run fast, and which of them only with the beta."""

from gateway_infra_simulator.ask import Ask
from gateway_infra_simulator.refusal import bad


def check(ask: Ask) -> None:
    """Refuse ``speed`` without its beta, and ``fast`` where the model has no such mode."""
    speed = ask.body.get("speed")
    if speed is None:
        return
    if ask.model.fast != "ga" and not ask.may_field("speed"):
        raise bad("speed", "Extra inputs are not permitted")
    if speed == "fast" and ask.model.fast == "no":
        raise bad("speed", f"'fast' is not supported for model {ask.model.id}")


def served(ask: Ask) -> str:
    """The speed that usage reports."""
    fast = ask.body.get("speed") == "fast" and ask.model.fast in ("beta", "ga")
    return "fast" if fast else "standard"
