"""Limits of several processes and hosts, counted in Redis or Valkey.

One script counts everything that a call wants, in one step and one round trip: so key and team are taken both or not at
all, and a slow server is waited for once. The library ``limits`` asks for one limit at a time and takes nothing back;
the windows are cut as it cuts them. The clock is the server's.

A parallel call is a lease: its process renews it while the call runs, so that one that died gives it back by itself.
Not for Redis Cluster: the counters of a key and of its team may lie on different nodes.
"""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from gateway_infra_ledger.fork import at_fork

from gateway import ConfigError
from gateway_infra_keys.breaker import Breaker, Broken
from gateway_infra_keys.limit_window import LONG, PERIOD, Count, Taken, Want

PATIENCE = 0.06
"""Seconds for each step: to connect, log in, choose the database, ask. All four are less than a quarter of a second."""

LEASE = 60.0
"""Seconds after which a call of a process that died is not counted any more."""

_CLOCK = """
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) + tonumber(time[2]) / 1000000
end
"""

_TAKE = f"""{_CLOCK}
local number = math.floor(now / {PERIOD})
local left = {PERIOD} - now % {PERIOD}
local answer, fits = {{}}, 1
local function want(i)
  return ARGV[3 * i + 1], tonumber(ARGV[3 * i + 2]), tonumber(ARGV[3 * i + 3])
end
for i, key in ipairs(KEYS) do
  local kind, limit, cost = want(i)
  local previous, current = 0, 0
  if kind == 'parallel' then
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
    current = redis.call('ZCARD', key)
  else
    previous = tonumber(redis.call('GET', key .. '/' .. (number - 1)) or 0)
    current = tonumber(redis.call('GET', key .. '/' .. number) or 0)
  end
  if math.floor(previous * left / {PERIOD}) + current + cost > limit then fits = 0 end
  answer[2 * i - 1], answer[2 * i] = previous, current
end
if fits == 1 then
  for i, key in ipairs(KEYS) do
    local kind, _, cost = want(i)
    if kind == 'parallel' then
      redis.call('ZADD', key, now + ARGV[3], ARGV[2])
      redis.call('EXPIRE', key, math.ceil(ARGV[3]))
    else
      redis.call('INCRBY', key .. '/' .. number, cost)
      redis.call('EXPIRE', key .. '/' .. number, {LONG})
    end
  end
end
return {{fits, string.format('%.6f', now), unpack(answer)}}
"""

_FINISH = f"""{_CLOCK}
for i, key in ipairs(KEYS) do
  local kind, extra = ARGV[2 * i + 2], tonumber(ARGV[2 * i + 3])
  if kind == 'parallel' then
    redis.call('ZREM', key, ARGV[2])
  elseif extra > 0 then
    local current = key .. '/' .. math.floor(now / {PERIOD})
    redis.call('INCRBY', current, extra)
    redis.call('EXPIRE', current, {LONG})
  elseif extra < 0 then
    local held = key .. '/' .. math.floor(ARGV[3] / {PERIOD})
    if redis.call('EXISTS', held) == 1 then redis.call('INCRBY', held, extra) end
  end
end
"""

_RENEW = f"""{_CLOCK}
for i, key in ipairs(KEYS) do
  redis.call('ZADD', key, 'XX', now + ARGV[2], ARGV[i + 2])
  redis.call('EXPIRE', key, math.ceil(ARGV[2]))
end
"""


class Shared:
    """Counts in Redis, by way of a breaker.

    Args:
        url: ``redis://``, ``rediss://``, ``unix://``, or the same with ``valkey``; with the password, if there is one.
        lease: seconds after which a dead process's calls are free.
        clock: the time in seconds; None is the server's.
        patience: seconds for each step of asking.

    Raises:
        ConfigError: the URL cannot be used, or the library for it is not installed.
    """

    _client: Any
    _leases: set[tuple[str, str]]
    _keeper: threading.Thread | None
    _lock: threading.Lock
    _stop: threading.Event

    def __init__(
        self, url: str, *, lease: float = LEASE, clock: Callable[[], float] | None = None, patience: float = PATIENCE
    ) -> None:
        self._url = _plain(url)
        self._patience = patience
        self._lease = lease
        self._clock = clock
        self._begin()
        secrets = _secrets(self._client)
        self.breaker = Breaker("the limits' Redis", self._probe, secrets)
        at_fork(child=self._begin)

    def take(self, name: str, wants: Sequence[Want]) -> Taken:
        """Take all that a call wants, or nothing.

        Raises:
            Broken: the server does not answer.
        """
        return self.breaker.run(partial(self._take, name, tuple(wants)))

    def finish(self, taken: Taken, used: int) -> None:
        """A call is over and used so many tokens; without a server, its windows and leases end by themselves."""
        owed = [want for want in taken.wants if want.kind != "requests"]
        with self._lock:
            self._leases -= {(_key(want), taken.name) for want in owed}
        words = [word for want in owed for word in (want.kind, used - want.cost)]
        with suppress(Broken):
            if owed:
                self.breaker.run(partial(self._ask, _FINISH, map(_key, owed), taken.name, taken.at, *words))

    def close(self) -> None:
        """Leave the threads nothing to do."""
        self._stop.set()
        self.breaker.close()
        self._client.close()

    def _take(self, name: str, wants: tuple[Want, ...]) -> Taken:
        words = [word for want in wants for word in (want.kind, want.limit, want.cost)]
        fits, at, *numbers = self._ask(_TAKE, map(_key, wants), name, self._lease, *words)
        now = float(at)
        left = PERIOD - now % PERIOD
        counts = [Count(before, now_, left) for before, now_ in zip(numbers[::2], numbers[1::2], strict=True)]
        if fits:
            self._keep({(_key(want), name) for want in wants if want.kind == "parallel"})
        return Taken(name, now, bool(fits), wants, tuple(counts))

    def _ask(self, script: str, keys: Any, *words: Any) -> Any:
        """Run a script. Its text is sent each time: a server that has just started knows no script by its digest."""
        names = list(keys)
        return self._client.eval(script, len(names), *names, self._clock() if self._clock else "", *words)

    def _probe(self) -> None:
        """Do what calls do: a replica, a full server and one that forbids scripts answer a mere greeting."""
        self._ask(_TAKE, ["gateway/probe"], "probe", self._lease, "requests", 1 << 40, 1)

    def _keep(self, leases: set[tuple[str, str]]) -> None:
        if not leases:
            return
        with self._lock:
            self._leases |= leases
            if self._keeper is None:
                self._keeper = threading.Thread(target=self._keep_all, name="gateway-leases", daemon=True)
                self._keeper.start()

    def _keep_all(self) -> None:
        while not self._stop.wait(self._lease / 3):
            self._renew()

    def _renew(self) -> None:
        """Renew the leases of the calls that run; one that ended meanwhile stays ended."""
        with self._lock:
            leases = sorted(self._leases)
        if leases:
            keys, names = zip(*leases, strict=True)
            with suppress(Broken):
                self.breaker.run(partial(self._ask, _RENEW, keys, self._lease, *names))

    def _begin(self) -> None:
        """Start afresh in a new process; the first call connects."""
        self._client = _client(self._url, self._patience)
        self._leases = set()
        self._keeper = None
        self._stop = threading.Event()
        self._lock = threading.Lock()


def _key(want: Want) -> str:
    return f"gateway/{want.kind}/{want.subject}"


def _plain(url: str) -> str:
    """Valkey speaks Redis' protocol, and one library for both is enough."""
    scheme, colon, rest = url.partition("://")
    scheme = scheme.replace("valkey", "redis", 1)
    known = {"redis+unix": "unix", "rediss": "rediss", "redis": "redis", "unix": "unix"}
    if not colon or scheme not in known:
        raise ConfigError("keys: redis_url: has to begin with redis://, rediss://, unix://, valkey:// or valkeys://.")
    return f"{known[scheme]}://{rest}"


def _client(url: str, patience: float) -> Any:
    try:
        import redis  # noqa: PLC0415 - it comes with an extra
    except ImportError:
        raise ConfigError("keys: redis_url: needs its library: pip install 'gateway-infra-keys[redis]'.") from None
    try:
        return redis.Redis.from_url(
            url,
            socket_connect_timeout=patience,
            socket_timeout=patience,
            max_connections=1 << 20,  # as many as there are threads
            retry=redis.retry.Retry(redis.backoff.NoBackoff(), 0),  # what was asked once may have been counted
            protocol=2,  # the newer one needs a further round trip to begin with
            driver_info=None,  # and so does saying who we are
        )
    except (ValueError, TypeError):
        raise ConfigError("keys: redis_url: cannot be read; it is not shown because it may hold a password.") from None


def _secrets(client: Any) -> list[str]:
    """What must not be logged: a server may repeat what it did not understand."""
    known = client.connection_pool.connection_kwargs
    return [known[name] for name in ("password", "username") if known.get(name)]
