"""Idempotency: under one ``idempotency-key``, a virtual key's request is answered once, and the answer is given again.

The first one goes to the host. Those that come meanwhile wait for its answer, in whatever process they are. If it fails
or its process dies, the next one goes. Nobody goes while the database is away: nobody could know who was first.
"""

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from gateway_infra_ledger.database import Away, Database
from gateway_infra_ledger.fork import at_fork

from gateway import Call, Conflict, InvalidRequest, Saved, Unavailable
from gateway.replay import HEADER
from gateway_infra_keys.answer import Request, Shelf, Standing
from gateway_infra_keys.lease import Lease
from gateway_infra_keys.patience import Patience

log = logging.getLogger(__name__)

DEFAULTS: Mapping[str, Any] = {
    "idempotency": True,
    "idempotency_hours": 24,
    "idempotency_wait": 60,
    "idempotency_max_kb": 1024,
    "idempotency_max_answers": 1000,
}
"""The settings: on or off; how long an answer is kept, in hours; how long others wait for it, in seconds; the longest
body that is kept, in KiB; and how many answers are kept for a virtual key."""

RETRY = 2
"""Seconds after which a client may find the database back."""

FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.25
"""Seconds between looks at what another call is about to answer; each pause is half as long again as the one before."""

WAITING = 50
"""Requests of a process that may wait for the answers of others; each holds a thread that could serve somebody."""

OWED = 64
"""Answers that wait in memory for a database that went away during their calls."""

TIDY = 3600.0
"""Seconds between two times of dropping old answers."""

CLERKS = {"sqlite": 1, "postgresql": 8}
"""Threads that work with the database; SQLite lets one write at a time."""

_KEY = re.compile("[!-~]{1,255}")


class StillAnswering(Conflict):
    """The same request is being answered right now; a retry finds its answer."""

    should_retry = True

    def __init__(self) -> None:
        super().__init__(f"The request with this {HEADER} is still being answered; ask again later.", retry_after=1)


class Claim:
    """The core's ``Claim``. Nothing that it does at the end of a call can spoil the answer: troubles are logged.

    Args:
        saved: the answer that was given before; None when this call is to give it.
        keep: called with the answer.
        release: called when there is none.
    """

    def __init__(self, saved: Saved | None, keep: Callable[[Saved], None], release: Callable[[], None]) -> None:
        self.saved = saved
        self._keep = keep
        self._release = release

    def keep(self, answer: Saved) -> None:
        """Save the answer, unless it is too long."""
        self._keep(answer)

    def release(self) -> None:
        """Let somebody else try."""
        self._release()


class Answers:
    """Knows what was answered under which idempotency key.

    Args:
        database: opened with this package's schema.
        settings: see ``DEFAULTS``.
        clock: the time, UTC; it decides about the age of answers only.
    """

    _patience: Patience
    _lease: Lease
    _shelf: Shelf
    _live: set[str]
    _owed: dict[str, tuple[Request, Saved]]
    _seats: threading.Semaphore
    _used: bool
    _tidied: float

    def __init__(
        self,
        database: Database,
        settings: Mapping[str, Any],
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        known = {**DEFAULTS, **settings}
        self._database = database
        self._on = bool(known["idempotency"])
        self._age = timedelta(hours=known["idempotency_hours"])
        self._wait_at_most = float(known["idempotency_wait"])
        self._longest = int(known["idempotency_max_kb"]) * 1024
        self._most = int(known["idempotency_max_answers"])
        self._now = clock
        self._renew()
        at_fork(child=self._renew)

    def claim(self, call: Call, key: str) -> Claim | None:
        """The answer that was given before, or the right to give the first one; may wait for another call's answer.

        Raises:
            InvalidRequest: the key is not 1 to 255 visible ASCII characters.
            Conflict: it came with another request before, or that one takes longer than we wait.
            Unavailable: the database is away, so nobody knows whether the request was answered.
        """
        if not self._on:
            return None
        if not _KEY.fullmatch(key):
            raise InvalidRequest(f"{HEADER} has to be 1 to 255 visible ASCII characters, without spaces.", param=HEADER)
        request = Request.of(call, key)
        self._used = True
        self._live.add(call.id)
        ours = False
        try:
            saved = self._answer(request)
            ours = saved is None
        finally:
            if not ours:
                self._live.discard(call.id)
        return Claim(saved, partial(self._keep, request), partial(self._release, request))

    def tend(self) -> None:
        """Every few seconds: give a sign of life, save what could not be saved before, drop what is over."""
        try:
            if self._used:
                self._lease.beat()
                self._pay()
                self._sweep()
            self._tidy()
        except Away as error:
            log.debug("answers wait while the database is away: %s", error.reason)

    def close(self) -> None:
        """Save what could not be saved before, if the database is there."""
        self._pay()

    def _answer(self, request: Request) -> Saved | None:
        """The answer of an earlier request; None when this one is the first."""
        standing = self._look(request)
        if standing is not None and standing.saved is None:
            standing = self._wait(request)
        return standing.saved if standing else None

    def _look(self, request: Request) -> Standing | None:
        now = self._now()
        try:
            standing = self._patience.run(partial(self._shelf.claim, request, now, now - self._age))
        except Away as error:
            raise Unavailable(
                f"Nobody can say for now whether the request with this {HEADER} was answered before: the gateway's "
                "database is away.",
                retry_after=RETRY,
            ) from error
        if standing is not None and standing.fingerprint != request.fingerprint:
            raise Conflict(f"This {HEADER} came with another request before; give the new request a key of its own.")
        return standing

    def _wait(self, request: Request) -> Standing | None:
        if not self._seats.acquire(blocking=False):
            raise StillAnswering
        try:
            return self._watch(request, time.monotonic() + self._wait_at_most)
        finally:
            self._seats.release()

    def _watch(self, request: Request, deadline: float) -> Standing | None:
        pause = FIRST_PAUSE
        while time.monotonic() + pause < deadline:
            time.sleep(pause)
            standing = self._look(request)
            if standing is None or standing.saved is not None:
                return standing
            pause = min(pause * 1.5, LONGEST_PAUSE)
        raise StillAnswering

    def _keep(self, request: Request, answer: Saved) -> None:
        if len(answer.body) > self._longest:
            self._release(request)
        elif not self._done(request, partial(self._shelf.keep, request, answer)):
            self._owe(request, answer)

    def _release(self, request: Request) -> None:
        self._done(request, partial(self._shelf.release, request))
        self._live.discard(request.call_id)  # what could not be released is found by the next sweep

    def _done(self, request: Request, step: Callable[[], bool | None]) -> bool:
        """Take the last step of a call; False when the database is away."""
        try:
            if self._patience.run(step) is False:
                log.warning("%s: its idempotency key went to another call meanwhile", request.call_id)
        except Away:
            return False
        except Exception:  # the answer is out already; a sweep frees the key
            log.exception("%s: its answer is not kept", request.call_id)
        self._live.discard(request.call_id)
        return True

    def _owe(self, request: Request, answer: Saved) -> None:
        """Save it later; until then others are told that it is being answered."""
        if len(self._owed) < OWED:
            self._owed[request.call_id] = request, answer
        else:
            log.warning("%s: its answer is not kept, too many wait for the database", request.call_id)
            self._live.discard(request.call_id)

    def _pay(self) -> None:
        for request, answer in list(self._owed.values()):
            if self._done(request, partial(self._shelf.keep, request, answer)):
                self._owed.pop(request.call_id, None)

    def _sweep(self) -> None:
        """Free keys whose calls are over: the database did not hear of it, or heard of the claim too late."""
        for request in self._shelf.open():
            if request.call_id not in self._live:
                self._shelf.release(request)

    def _tidy(self) -> None:
        if time.monotonic() - self._tidied > TIDY:
            self._shelf.forget(self._now() - self._age)
            self._tidied = time.monotonic()

    def _renew(self) -> None:
        """Start afresh in a new process; the calls of the parent are the parent's."""
        self._patience = Patience(CLERKS[self._database.dialect])
        self._lease = Lease(self._database)
        self._shelf = Shelf(self._database, self._lease.id, self._most)
        self._live = set()
        self._owed = {}
        self._seats = threading.BoundedSemaphore(WAITING)
        self._used = False
        self._tidied = float("-inf")
