"""What is left of a limit, as clients are told."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["requests", "tokens"]


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit on one kind of thing, such as 60 requests a minute.

    Attributes:
        kind: what is counted.
        limit: how many there may be.
        remaining: how many are left.
        reset: seconds until all of them are there again.
    """

    kind: Kind
    limit: int
    remaining: int
    reset: float


def tightest(limits: Iterable[Limit]) -> list[Limit]:
    """Of each kind the one with the least left: it is the one that a client will meet."""
    found: dict[Kind, Limit] = {}
    for one in limits:
        known = found.get(one.kind)
        if known is None or one.remaining < known.remaining:
            found[one.kind] = one
    return list(found.values())
