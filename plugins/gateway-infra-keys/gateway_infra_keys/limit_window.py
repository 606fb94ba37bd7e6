"""The arithmetic of limits: what a call wants of each, what is counted already, and when there is room again. Pure.

Rates are sliding window counters, as in the library ``limits``: a minute is cut off at the clock, and of the minute
before as much counts as still lies within the last sixty seconds.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

PERIOD = 60
"""Seconds of a window: rates are per minute."""

LONG = 2 * PERIOD
"""Seconds that a window's counter is kept: while it is the current one, and while it is the one before."""

Kind = Literal["requests", "tokens", "parallel"]


@dataclass(frozen=True, slots=True)
class Want:
    """What a call wants of one limit.

    Attributes:
        subject: whose limit, such as ``key/a1b2``.
        kind: what is counted.
        limit: how many there may be in a minute, or at once.
        cost: how many the call takes.
    """

    subject: str
    kind: Kind
    limit: int
    cost: int = 1

    @property
    def impossible(self) -> bool:
        """Whether no waiting helps."""
        return self.cost > self.limit


@dataclass(frozen=True, slots=True)
class Count:
    """What is counted at a moment.

    Attributes:
        previous: in the minute before this one.
        current: in this minute; for parallel calls, now.
        left: seconds until this minute ends.
    """

    previous: int
    current: int
    left: float

    @property
    def used(self) -> int:
        """How many count now."""
        return math.floor(self.previous * self.left / PERIOD) + self.current

    def more(self, number: int) -> "Count":
        """So many more."""
        return replace(self, current=self.current + number)

    def fits(self, want: Want) -> bool:
        """Whether there is room."""
        return self.used + want.cost <= want.limit

    def wait(self, want: Want) -> float:
        """Seconds until there is room if nobody else comes; 0 when there is, and nobody knows when a call ends."""
        if self.fits(want) or want.kind == "parallel":
            return 0.0
        free = want.limit - want.cost
        if self.current <= free:
            return self.left - PERIOD * (free + 1 - self.current) / self.previous
        return self.left + PERIOD * (1 - (free + 1) / self.current)

    def reset(self) -> float:
        """Seconds until nothing of it counts any more if nobody comes."""
        if self.current:
            return self.left + PERIOD * (1 - 1 / self.current)
        return max(self.left - PERIOD / self.previous, 0.0) if self.previous else 0.0


@dataclass(frozen=True, slots=True)
class Taken:
    """The answer to a call's wants: all of them were taken, or none.

    Attributes:
        name: the call's id.
        at: when, in seconds by the clock of whoever counts.
        fits: whether they were taken.
        wants: as they were counted; the cost may be less than was asked where only a share of a limit is at hand.
        counts: what was counted before, one for each.
    """

    name: str
    at: float
    fits: bool
    wants: tuple[Want, ...]
    counts: tuple[Count, ...]

    def left(self) -> list[tuple[Want, Count]]:
        """Each want with what is counted now, after what was taken."""
        pairs = zip(self.wants, self.counts, strict=True)
        return [(want, count.more(want.cost if self.fits else 0)) for want, count in pairs]
