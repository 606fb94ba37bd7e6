"""The script: which answer the next call gets."""

import threading
from collections import deque
from typing import Any

from gateway_infra_simulator.answer import Answer
from gateway_infra_simulator.ask import Ask
from gateway_infra_simulator.echo import echo
from gateway_infra_simulator.notation import load
from gateway_infra_simulator.refusal import RefusalError
from gateway_infra_simulator.rules import speed
from gateway_infra_simulator.scenario import UnknownScenarioError, called, scenario


class Script:
    """First what was queued, then what the prompt asks for, then the standing answer, then the echo.

    An answer for another speed than the one that is served is passed by.
    """

    def __init__(self) -> None:
        self._queue: deque[Answer] = deque()
        self._standing: Answer | None = None
        self._lock = threading.Lock()

    def queue(self, *answers: Answer) -> None:
        """Answers for the next calls, in this order."""
        with self._lock:
            self._queue.extend(answers)

    def always(self, answer: Answer | None) -> None:
        """A standing answer; None goes back to the echo."""
        with self._lock:
            self._standing = answer

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._queue.clear()
            self._standing = None

    def next(self, ask: Ask) -> Answer:
        """The answer to one call."""
        served = speed.served(ask)
        with self._lock:
            if queued := next((answer for answer in self._queue if answer.speed in (None, served)), None):
                self._queue.remove(queued)
                return queued
            standing = self._standing
        wanted = [answer for answer in (_picked(ask), standing) if answer and answer.speed in (None, served)]
        return wanted[0] if wanted else echo(ask)


def _picked(ask: Ask) -> Answer | None:
    words = called(ask.said)
    if words is None:
        return None
    try:
        return scenario(words)
    except UnknownScenarioError as error:
        raise RefusalError(400, f"simulator: {error}") from error


def read_answer(value: Any) -> Answer:
    """An answer from JSON: an object, or the words of a scenario."""
    return scenario(value) if isinstance(value, str) else load(value)
