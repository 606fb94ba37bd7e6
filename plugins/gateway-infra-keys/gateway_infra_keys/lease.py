"""Leases: which processes still live, told from a beat that each of them raises, without comparing any clocks."""

import secrets
import time
from collections.abc import Callable

from gateway_infra_ledger.database import Database
from sqlalchemy import BigInteger, Column, Connection, Table, Text, delete, select

from gateway_infra_keys.account import INSERTS
from gateway_infra_keys.hold import holds
from gateway_infra_keys.schema import metadata

LEASE = 15.0
"""Seconds without a beat after which a process is dead. The core asks for recovery, and so for a beat, every 5 s."""

processes = Table(
    "key_processes",
    metadata,
    Column("id", Text, primary_key=True),
    Column("beat", BigInteger, nullable=False),
)
"""One row per process that holds something. One that never got as far as its first beat is known from its holds."""


class Lease:
    """This process's sign of life, and a watch over those of the others.

    A process is dead when its beat stood still for the whole lease on our own monotonic clock, while we looked often
    enough to have seen it move. So neither a clock that jumps nor a database that was away kills anybody.

    Args:
        lease: seconds.
        clock: monotonic seconds.
    """

    def __init__(self, database: Database, lease: float = LEASE, clock: Callable[[], float] = time.monotonic) -> None:
        self.id = secrets.token_hex(8)
        self._database = database
        self._lease = lease
        self._clock = clock
        self._beat = 0
        self._seen: dict[str, tuple[int, float]] = {}
        self._looked = clock()

    def beat(self) -> None:
        """Say that this process lives.

        Raises:
            Away: nobody could hear it.
        """
        self._beat += 1
        with self._database.writing() as connection:
            row = INSERTS[connection.dialect.name](processes).values(id=self.id, beat=self._beat)
            connection.execute(row.on_conflict_do_update(index_elements=["id"], set_={"beat": self._beat}))

    def dead(self) -> list[str]:
        """Other processes that are known to be dead, each until it is buried.

        Raises:
            Away: nobody knows.
        """
        with self._database.reading() as connection:
            beats = _beats(connection)
        now = self._clock()
        if now - self._looked > self._lease / 2:
            self._seen.clear()  # they may have beaten while nobody looked
        self._looked = now
        beats.pop(self.id, None)
        self._seen = {one: self._since(one, beat, now) for one, beat in beats.items()}
        return sorted(one for one, (_, since) in self._seen.items() if now - since >= self._lease)

    def bury(self, dead: list[str]) -> None:
        """Forget processes whose holds somebody has inherited."""
        with self._database.writing() as connection:
            connection.execute(delete(processes).where(processes.c.id.in_(dead)))

    def _since(self, one: str, beat: int, now: float) -> tuple[int, float]:
        before = self._seen.get(one)
        return before if before and before[0] == beat else (beat, now)


def _beats(connection: Connection) -> dict[str, int]:
    """The last beat of every process that is known, 0 for one that never beat."""
    holders = dict.fromkeys(connection.execute(select(holds.c.process).distinct()).scalars(), 0)
    return holders | {row.id: row.beat for row in connection.execute(select(processes))}
