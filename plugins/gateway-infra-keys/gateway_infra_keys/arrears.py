"""Arrears: steps that the database could not take when they were due, in their order, and never more than fit."""

import logging
import threading
from collections import deque
from collections.abc import Callable

from gateway import Unavailable
from gateway_infra_keys.patience import Patience

log = logging.getLogger(__name__)

Step = Callable[[], None]
"""Work for the database that may be repeated without harm, because a step that failed may have been taken."""


class Arrears:
    """A bounded queue in front of the database.

    Args:
        patience: does the work.
        size: how many steps fit; one more pushes the oldest out, and the log names it.
    """

    def __init__(self, patience: Patience, size: int) -> None:
        self._patience = patience
        self._size = size
        self._steps: deque[tuple[str, Step]] = deque()
        self._lock = threading.Lock()
        self._turn = threading.Lock()

    def __len__(self) -> int:
        return len(self._steps)

    def add(self, what: str, step: Step) -> None:
        """Take the step later; ``what`` is for the log."""
        with self._lock:
            self._steps.append((what, step))
            lost = self._steps.popleft()[0] if len(self._steps) > self._size else ""
        if lost:
            log.error("too much waits for the database; not counted against a budget: %s", lost)

    def pay(self, most: int | None = None) -> None:
        """Take the steps, oldest first, until one cannot be taken now or so many are."""
        with self._turn:
            for _ in range(len(self._steps) if most is None else most):
                if not self._steps or not self._taken(*self._steps[0]):
                    return

    def _taken(self, what: str, step: Step) -> bool:
        try:
            self._patience.run(step)
        except Unavailable:
            return False
        except Exception:  # it would fail again, and the others wait behind it
            log.exception("not counted against a budget: %s", what)
        with self._lock:
            if self._steps and self._steps[0] == (what, step):  # else it was pushed out meanwhile
                self._steps.popleft()
        return True
