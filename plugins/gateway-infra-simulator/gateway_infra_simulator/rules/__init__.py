"""The rules that a request for a message must keep, one module for each subject."""

from collections.abc import Callable

from gateway_infra_simulator.ask import Ask
from gateway_infra_simulator.rules import (
    caching,
    content,
    context,
    geo,
    length,
    output,
    pairing,
    sampling,
    speed,
    thinking,
    tools,
)

RULES: tuple[Callable[[Ask], None], ...] = (
    tools.check,
    content.check,
    pairing.check,
    thinking.check,
    output.check,
    sampling.check,
    speed.check,
    geo.check,
    context.check,
    caching.check,
    length.check,
)
"""In the order in which they are asked; each raises a RefusalError. The top-level fields were checked before."""


def check(ask: Ask) -> None:
    """Refuse a request that the real API would refuse."""
    for rule in RULES:
        rule(ask)
