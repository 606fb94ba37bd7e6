"""Holds: what an admission keeps aside until the call is settled."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

from gateway.ledger import Entry

log = logging.getLogger(__name__)


class Hold(Protocol):
    """What an admission leaves behind until the call is settled.

    Attributes:
        headers: response headers that tell the client its limits.
    """

    headers: Mapping[str, str]

    def settle(self, entry: Entry) -> None:
        """Replace what was held by what the attempt cost; called for every entry of the call."""

    def release(self) -> None:
        """Give back what is still held; called once, at the end, whatever happened."""


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
