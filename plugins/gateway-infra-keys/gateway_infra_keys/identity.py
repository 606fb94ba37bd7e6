"""Identity: whose a credential is, remembered for a few seconds, and what holds while the database is away."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TypeVar

from gateway_infra_ledger.database import Away
from gateway_infra_ledger.fork import at_fork

from gateway import Permissions, Principal
from gateway_infra_keys.memory import Answer, Memory
from gateway_infra_keys.model import Key, Team
from gateway_infra_keys.patience import FILE_WAIT, WAIT, Patience
from gateway_infra_keys.store import Keys
from gateway_infra_keys.token import Token, is_id

FRESH = 4.0
"""Seconds for which an answer of the database holds; with the time that asking takes it stays under five."""

STALE = 3600.0
"""Seconds for which an ``open`` key is believed while the database is away: so long a revocation may go unseen."""

ASKING = 4
"""Threads that ask the database, each with a connection."""

Value = TypeVar("Value")


class Identity:
    """Knows keys and teams.

    Args:
        keys: the store that is asked when nothing fresh is remembered.
        fresh: seconds for which something is.
        quiet: seconds without an answer after which the database is away.
        clock: seconds that only go forward.
    """

    _patience: Patience

    def __init__(
        self,
        keys: Keys,
        *,
        fresh: float = FRESH,
        quiet: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys = keys
        usual = FILE_WAIT if keys.dialect == "sqlite" else WAIT
        self._quiet = usual if quiet is None else quiet
        self._fresh = fresh
        self._clock = clock
        self._changed = clock()
        self._of: Memory[Key] = Memory()
        self._keys_by_id: Memory[Key] = Memory()
        self._teams_by_id: Memory[Team] = Memory()
        self._renew()
        at_fork(child=self._renew)
        keys.listeners.append(self.forget)

    def principal(self, credential: str | None, headers: Mapping[str, str]) -> Principal | None:  # noqa: ARG002 - as the hook calls it
        """Who sends this credential; None for one that is missing, malformed, unknown, expired or revoked.

        Raises:
            Away: it may be a key, but the database cannot be asked.
        """
        key = self.of(credential)
        if key is None:
            return None
        team = self.team(key.team_id) if key.team_id else None
        permissions = Permissions(models=key.models, capabilities=key.capabilities)
        return Principal(key.id, key.alias, team.name if team else "", key.tags, permissions)

    def of(self, credential: str | None) -> Key | None:
        """The key of a credential, if it is one today and its team is one.

        Raises:
            Away: it may be a key, but the database cannot be asked. A key whose policy is ``open`` and that was seen
                in the last hour goes on instead.
        """
        token = Token.parse(credential) if credential else None
        if token is None:
            return None
        answer = self._recall(self._of, self._keys.hash(token), lambda: self._keys.find(token))
        key = answer.value
        if key is None or not self._is_alive(key):
            return None
        if self._keys_by_id.get(key.id) is not answer:
            self._keys_by_id.put(key.id, answer)  # admission asks for it in a moment
        return key

    def key(self, key_id: str) -> Key | None:
        """A key by its id, whatever has become of it; None for the operator and others who have none.

        Raises:
            Away: nothing is remembered, and the database cannot be asked.
        """
        if not is_id(key_id):
            return None
        return self._recall(self._keys_by_id, key_id, lambda: self._keys.known(key_id)).value

    def team(self, team_id: str) -> Team | None:
        """A team by its id, whatever has become of it.

        Raises:
            Away: nothing is remembered, and the database cannot be asked.
        """
        return self._recall(self._teams_by_id, team_id, lambda: self._keys.teams.known(team_id)).value

    def forget(self) -> None:
        """Ask again for everything; what is remembered is left for the time when nobody can be asked."""
        self._changed = self._clock()

    def _is_alive(self, key: Key) -> bool:
        if key.revoked_at or (key.expires_at and key.expires_at <= datetime.now(UTC)):
            return False
        team = self.team(key.team_id) if key.team_id else None
        return not key.team_id or (team is not None and not team.revoked_at)

    def _recall(self, memory: Memory[Value], name: str, ask: Callable[[], Value | None]) -> Answer[Value]:
        """What is remembered, if it is fresh; else what the database says now."""
        known = memory.get(name)
        now = self._clock()
        if known and known.at >= self._changed and now - known.at < self._fresh:
            return known
        try:
            answer = Answer(self._patience.run(ask), now)
        except Away:
            if known and _goes_on(known.value) and now - known.at < STALE:
                return known
            raise
        memory.put(name, answer)
        return answer

    def _renew(self) -> None:
        """Threads of its own for a new process."""
        self._patience = Patience(ASKING, self._quiet)


def _goes_on(value: object) -> bool:
    """Whether something that was seen before is believed while nobody can be asked; a team as far as its key is."""
    return value.on_outage == "open" if isinstance(value, Key) else value is not None
