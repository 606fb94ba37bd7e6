"""Bearer tokens: those that the simulator's identity services have given out, for whom, and until when."""

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from gateway_infra_simulator.request import Request

LIFETIME = 3599.0
"""Seconds; both Google and Microsoft give tokens for about an hour."""


@dataclass(frozen=True)
class Bearer:
    """One token.

    Attributes:
        scopes: what it opens.
        expires_at: seconds since 1970.
    """

    value: str
    scopes: frozenset[str]
    expires_at: float


class Bearers:
    """The tokens of one simulator; nothing else is a token.

    Args:
        lifetime: seconds for which a token is good.
        clock: seconds since 1970.
    """

    def __init__(self, lifetime: float = LIFETIME, clock: Callable[[], float] = time.time) -> None:
        self.lifetime = lifetime
        self._clock = clock
        self._given: dict[str, Bearer] = {}
        self._lock = threading.Lock()

    def issue(self, form: str, *scopes: str) -> Bearer:
        """A new token; ``form`` has a pair of braces where the random part goes."""
        value = form.format(secrets.token_urlsafe(48))
        bearer = Bearer(value, frozenset(scopes), self._clock() + self.lifetime)
        with self._lock:
            self._given[value] = bearer
        return bearer

    def find(self, value: str) -> Bearer | None:
        """What was given out as this text; None for a stranger's."""
        with self._lock:
            return self._given.get(value)

    def is_over(self, bearer: Bearer) -> bool:
        """Whether its time has passed."""
        return bearer.expires_at <= self._clock()

    def expire(self) -> None:
        """The time of every token so far is over."""
        with self._lock:
            self._given = {value: replace(bearer, expires_at=0.0) for value, bearer in self._given.items()}


def sent(request: Request) -> str:
    """The token that a request carries; empty if it carries none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
