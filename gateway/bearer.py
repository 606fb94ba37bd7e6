"""A bearer token with an end: fetched once for everybody, and anew before it expires."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from requests import PreparedRequest
from requests.auth import AuthBase


@dataclass(frozen=True, slots=True)
class Token:
    """What an identity service gives.

    Attributes:
        value: the token itself; it never shows.
        expires_at: unix seconds.
    """

    value: str
    expires_at: float

    def __repr__(self) -> str:
        return f"Token(***, expires_at={self.expires_at:.0f})"


class Bearer(AuthBase):
    """Signs with a token; safe to share between threads, and meant to be.

    Whoever first sees that a token grows old fetches the next one, while the others go on with it; without a usable
    token everybody waits for the one fetch. One that fails while the old token still works is no failure yet.

    Args:
        fetch: asks the identity service; raises ``Unidentified`` when it gets nothing.
        early: seconds before the end at which the next token is fetched.
        clock: unix seconds.
    """

    def __init__(
        self, fetch: Callable[[], Token], early: float = 240.0, clock: Callable[[], float] = time.time
    ) -> None:
        self._fetch = fetch
        self._early = early
        self._clock = clock
        self._lock = Lock()
        self._token = Token("", 0.0)
        self._fetched_at = 0.0
        self._again_at = 0.0
        self._failures = 0
        self._failure: Exception | None = None

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Add the token to the finished request."""
        request.headers["authorization"] = f"Bearer {self.token()}"
        return request

    def token(self) -> str:
        """A token that is good for a while yet."""
        if not self._old():
            return self._token.value
        failures = self._failures
        if self._lock.acquire(blocking=not self._usable()):
            try:
                self._renew(failures)
            finally:
                self._lock.release()
        return self._token.value

    def forget(self) -> None:
        """A host did not accept the token: it may have been revoked, so the next call fetches another.

        One that is fresh was not revoked; another would fare no better.
        """
        if self._clock() - self._fetched_at > FRESH:
            self._token = Token("", 0.0)

    def _renew(self, failures: int) -> None:
        """Fetch, unless somebody did while this caller waited; a failure is everybody's who waited for it."""
        if not self._old():
            return
        if self._failure is not None and self._failures > failures:
            raise self._failure
        try:
            self._token = self._fetch()
            self._fetched_at = self._clock()
        except Exception as error:
            if not self._usable():
                self._failures, self._failure = self._failures + 1, error
                raise
            self._again_at = self._clock() + RETRY

    def _old(self) -> bool:
        now = self._clock()
        return (now >= self._token.expires_at - self._early and now >= self._again_at) or now >= self._token.expires_at

    def _usable(self) -> bool:
        return self._clock() < self._token.expires_at


FRESH = 60.0
"""Seconds in which a token that was refused is not fetched again."""

RETRY = 10.0
"""Seconds between tries to renew a token that still works."""
