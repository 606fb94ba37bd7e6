"""Saved answers: the same request with the same idempotency key gets the same answer, and the host is asked once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

HEADER = "idempotency-key"
"""The request header that names a request for good (IETF draft "Idempotency-Key")."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A whole answer, as it went out."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Claim(Protocol):
    """A request that is being answered under an idempotency key.

    Attributes:
        saved: the answer, if it was given before; then nothing else has to happen.
    """

    saved: Saved | None

    def keep(self, answer: Saved) -> None:
        """Save the answer for the next one who asks."""

    def release(self) -> None:
        """The request got no answer worth saving; somebody else may try. Called if nothing was kept."""
