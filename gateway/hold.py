"""Holds: what an admission keeps aside until the call is settled."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

from gateway.ledger import Entry
from gateway.limit import Limit, tightest

log = logging.getLogger(__name__)


class Hold(Protocol):
    """What an admission leaves behind until the call is settled.

    Attributes:
        headers: further response headers.
        limits: what is left of the limits that it counts against; each surface words them in its own way.
    """

    headers: Mapping[str, str]
    limits: Sequence[Limit]

    def settle(self, entry: Entry) -> None:
        """Replace what was held by what the attempt cost; called for every entry of the call."""

    def release(self) -> None:
        """Give back what is still held; called once, at the end, whatever happened."""


def left(holds: Sequence[Hold]) -> list[Limit]:
    """What is left of all limits, the tightest of each kind."""
    return tightest(limit for hold in holds for limit in getattr(hold, "limits", ()))


def release(holds: Sequence[Hold]) -> None:
    """Give back every hold, whatever another one does."""
    for hold in holds:
        with spared("a hold could not be released"):
            hold.release()


@contextmanager
def spared(what: str) -> Iterator[None]:
    """Log what a hold raises: the answer and the other holds do not suffer from it."""
    try:
        yield
    except Exception:
        log.exception("%s", what)
