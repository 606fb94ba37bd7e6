"""A memory of what the database said, and when; it holds so many answers and forgets the oldest.

What exists and what does not have room of their own, so that whoever tries names out drives nobody from memory.
"""

import threading
from dataclasses import dataclass
from typing import Generic, TypeVar

from gateway_infra_ledger.fork import at_fork

SIZE = 10_000
"""Answers of each sort that are kept; one takes about a kilobyte."""

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Answer(Generic[Value]):
    """What was said.

    Attributes:
        value: None for what does not exist.
        at: when it was asked, by the clock of whoever asked.
    """

    value: Value | None
    at: float


class Memory(Generic[Value]):
    """Answers by name; may be used by many threads."""

    _lock: threading.Lock

    def __init__(self, size: int = SIZE) -> None:
        self._size = size
        self._present: dict[str, Answer[Value]] = {}
        self._absent: dict[str, Answer[Value]] = {}
        self._renew()
        at_fork(child=self._renew)

    def __len__(self) -> int:
        return len(self._present) + len(self._absent)

    def get(self, name: str) -> Answer[Value] | None:
        """What is remembered under a name."""
        return self._present.get(name) or self._absent.get(name)

    def put(self, name: str, answer: Answer[Value]) -> None:
        """Remember an answer, in the place of the oldest if there is no room."""
        room, other = (self._absent, self._present) if answer.value is None else (self._present, self._absent)
        with self._lock:
            other.pop(name, None)
            room.pop(name, None)
            if len(room) >= self._size:
                del room[next(iter(room))]
            room[name] = answer

    def _renew(self) -> None:
        """A lock that nobody holds, in a new process."""
        self._lock = threading.Lock()
