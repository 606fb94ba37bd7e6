"""A bearer token with an end: fetched once for everybody, and anew before it expires."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from requests import PreparedRequest
from requests.auth import AuthBase

log = logging.getLogger(__name__)


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
        token, failures = self._token, self._failures  # once: another thread may put the next one there
        if not self._old(token):
            return token.value
        if not self._lock.acquire(blocking=not self._usable(token)):
            return token.value
        try:
            return self._renewed(failures).value
        finally:
            self._lock.release()

    def forget(self) -> bool:
        """A host did not accept the token: it may have been revoked, so the next call fetches another.

        One that is fresh was not revoked; another would fare no better, and it stays. Returns whether it went.
        """
        gone = self._clock() - self._fetched_at > FRESH
        if gone:
            self._token = Token("", 0.0)
        return gone

    def _renewed(self, failures: int) -> Token:
        """The next token, unless somebody got it while this caller waited; a failure is everybody's who waited."""
        token = self._token
        if not self._old(token):
            return token
        if self._failure is not None and self._failures > failures:
            raise self._failure.with_traceback(None)
        try:
            self._token = self._fetch()
            self._fetched_at = self._clock()
        except Exception as error:
            log.warning("an identity service gave no token: %s", error)
            if not self._usable(token):
                self._failures, self._failure = self._failures + 1, error
                raise
            self._again_at = self._clock() + RETRY
        return self._token

    def _old(self, token: Token) -> bool:
        now = self._clock()
        return now >= token.expires_at or (now >= token.expires_at - self._early and now >= self._again_at)

    def _usable(self, token: Token) -> bool:
        return self._clock() < token.expires_at


FRESH = 60.0
"""Seconds in which a token that was refused is not fetched again."""

RETRY = 10.0
"""Seconds between tries to renew a token that still works."""
