"""Limits of keys and teams: requests and tokens per minute, and calls at once.

A call is admitted when everything fits, its key's limits and its team's, and a refused call counts nowhere. Tokens are
those that the ledger counts: the prompt, cached or not, and the answer. Before the call, a ``strict`` key takes the
most that it may use, with all the output that it allows, so that answers of any length stay within the limit. A
``soft`` key takes the prompt alone, because most answers are far shorter than they may be; calls that run at the same
time may together go over. When a call is over, what it used takes the place of what was taken.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from gateway import Bill, Call, Entry, Limit, RateLimited
from gateway.estimate import prompt_tokens
from gateway.limit import tightest
from gateway.pricing import MILLION
from gateway_infra_keys.breaker import Broken
from gateway_infra_keys.limit_local import Local
from gateway_infra_keys.limit_shared import Shared
from gateway_infra_keys.limit_window import Taken, Want
from gateway_infra_keys.model import Key, Limits, Mode, Team

_PER = {"requests": "requests per minute", "tokens": "tokens per minute", "parallel": "calls at once"}


class Counter(Protocol):
    """Whoever counts: this process, or Redis."""

    def take(self, name: str, wants: Sequence[Want]) -> Taken:
        """Take all that a call wants, or nothing."""

    def finish(self, taken: Taken, used: int) -> None:
        """A call is over and used so many tokens."""


class RateHold:
    """What a call has taken of its limits.

    Attributes:
        headers: none; the surfaces word the limits.
        limits: what was left right after it was admitted.
    """

    headers: Mapping[str, str] = {}
    limits: Sequence[Limit]

    def __init__(self, counter: Counter, taken: Taken) -> None:
        self.limits = _limits(taken)
        self._counter = counter
        self._taken = taken
        self._used: dict[int, int] = {}
        self._released = False

    def settle(self, entry: Entry) -> None:
        """An attempt used tokens; every attempt counts once."""
        self._used[entry.attempt] = sum(sum(one.counts.values()) for one in entry.passes)

    def release(self) -> None:
        """The call is over: what its attempts used takes the place of what was taken."""
        if not self._released:
            self._released = True
            self._counter.finish(self._taken, sum(self._used.values()))


class RateLimits:
    """Admits calls by the limits of their keys and teams.

    Args:
        settings: ``redis_url``, a ``Secret`` or None: where limits are shared; ``workers``: how many processes there
            are, each of which enforces its share while they are not.

    Raises:
        ConfigError: the URL cannot be used.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        url = settings.get("redis_url")
        self._local = Local(settings.get("workers") or 1)
        self._shared = Shared(url.reveal()) if url else None

    def admit(self, call: Call, estimate: Bill | None, key: Key, team: Team | None) -> RateHold | None:
        """Take what a call needs of its limits; None where there are none.

        Raises:
            RateLimited: there is no room now, or there never will be.
        """
        owners = {f"key/{key.id}": "This key"} | ({f"team/{team.id}": f"The team {team.name}"} if team else {})
        wants = [*_wants(f"key/{key.id}", key.limits, call, estimate, key.mode)]
        wants += _wants(f"team/{team.id}", team.limits, call, estimate, key.mode) if team else []
        if not wants:
            return None
        for want in wants:
            if want.impossible:
                raise _impossible(want, owners[want.subject])
        counter, taken = self._take(call.id, wants)
        if not taken.fits:
            raise _refusal(taken, owners)
        return RateHold(counter, taken)

    def close(self) -> None:
        """End what runs in the background."""
        if self._shared:
            self._shared.close()

    def _take(self, name: str, wants: Sequence[Want]) -> tuple[Counter, Taken]:
        if self._shared:
            with suppress(Broken):
                return self._shared, self._shared.take(name, wants)
        return self._local, self._local.take(name, wants)


def _wants(subject: str, limits: Limits, call: Call, estimate: Bill | None, mode: Mode) -> Iterator[Want]:
    if limits.requests is not None:
        yield Want(subject, "requests", limits.requests)
    if limits.tokens is not None:
        yield Want(subject, "tokens", limits.tokens, _tokens(call, estimate, mode))
    if limits.parallel is not None:
        yield Want(subject, "parallel", limits.parallel)


def _tokens(call: Call, estimate: Bill | None, mode: Mode) -> int:
    """How many tokens a call takes before anybody knows what it uses."""
    if mode == "strict" and estimate is not None:
        return sum(line.quantity for line in estimate.lines if line.unit == MILLION)
    output = call.body.get("max_tokens") or 0 if mode == "strict" else 0
    return prompt_tokens(call.body) + output


def _limits(taken: Taken) -> list[Limit]:
    """What is left of the rates, the tightest of each kind."""
    return tightest(
        Limit(want.kind, want.limit, max(want.limit - count.used, 0), count.reset())
        for want, count in taken.left()
        if want.kind != "parallel"
    )


def _refusal(taken: Taken, owners: Mapping[str, str]) -> RateLimited:
    """The refusal by whichever limit takes longest to have room again."""
    short = [(count.wait(want), want) for want, count in taken.left() if not count.fits(want)]
    wait, want = max(short, key=lambda one: one[0])
    seconds = math.floor(wait) + 1
    return RateLimited(
        f"{owners[want.subject]} has reached its limit of {_PER[want.kind]}, {want.limit}. Try again in {seconds} s.",
        retry_after=seconds,
        limits=_limits(taken),
        details=_details(want),
    )


def _impossible(want: Want, owner: str) -> RateLimited:
    error = RateLimited(
        f"{owner} has a limit of {_PER[want.kind]}, {want.limit}, and this call needs up to {want.cost}: "
        "it can never pass. Send less, allow less output, or ask for a higher limit.",
        details=_details(want),
    )
    error.should_retry = False
    return error


def _details(want: Want) -> dict[str, str]:
    return {"limit": want.kind, "of": want.subject.partition("/")[0]}
