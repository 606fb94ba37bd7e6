"""Caching: how many marks a prompt may carry, of which kind, and in which order."""

from gateway_infra_simulator import shape
from gateway_infra_simulator.ask import Ask
from gateway_infra_simulator.refusal import RefusalError, bad

MAX_MARKS = 4


def check(ask: Ask) -> None:
    """Refuse marks that are malformed, too many, or ordered so that a long one follows a short one."""
    marks = [(shape.under(part.path, "cache_control"), part.control) for part in ask.whole if part.control]
    for path, control in marks:
        _mark(path, shape.mapping(path, control))
    if len(marks) > MAX_MARKS:
        raise RefusalError(400, f"A maximum of 4 blocks with cache_control may be provided. Found {len(marks)}.")
    _order([(path, control.get("ttl", "5m")) for path, control in marks])


def _mark(path: str, control: dict[str, object]) -> None:
    shape.tag(path, control, ("ephemeral",))
    shape.only(f"{path}.ephemeral", control, ("type", "ttl", "scope"))
    if "ttl" in control:
        shape.choice(f"{path}.ephemeral.ttl", control["ttl"], ("5m", "1h"))


def _order(marks: list[tuple[str, str]]) -> None:
    short = False
    for path, ttl in marks:
        if ttl == "1h" and short:
            raise bad(
                f"{path}.ttl",
                "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block. "
                "Note that blocks are processed in the following order: tools, system, messages.",
            )
        short = short or ttl == "5m"
