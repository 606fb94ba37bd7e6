"""Sampling: temperature, top_p and top_k, which newer models and thinking rule out."""

from gateway_infra_simulator.ask import Ask
from gateway_infra_simulator.refusal import RefusalError, bad
from gateway_infra_simulator.rules.fields import SAMPLING

MIN_TOP_P = 0.95

_DEFAULTS = {"temperature": 1, "top_p": 1}


def check(ask: Ask) -> None:
    """Refuse sampling settings that are out of range or have no effect any more."""
    for name in ("temperature", "top_p"):
        if not 0 <= ask.body.get(name, 0) <= 1:
            raise bad(name, "range: 0..1")
    if not ask.model.sampling:
        _removed(ask)
    elif ask.thinks:
        _with_thinking(ask)


def _removed(ask: Ask) -> None:
    for name in SAMPLING:
        if name in ask.body and ask.body[name] != _DEFAULTS.get(name):
            raise RefusalError(400, f"`{name}` is deprecated for this model.")


def _with_thinking(ask: Ask) -> None:
    if ask.body.get("temperature", 1) != 1:
        raise RefusalError(400, "`temperature` may only be set to 1 when thinking is enabled.")
    if ask.body.get("top_p", 1) < MIN_TOP_P:
        raise RefusalError(400, "`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled.")
    if "top_k" in ask.body:
        raise RefusalError(400, "`top_k` must be unset when thinking is enabled.")
