"""Control: the same script and log over HTTP, for a simulator that runs in another process."""

from typing import Any

from gateway_infra_simulator.answer import Answer
from gateway_infra_simulator.cache import Cache
from gateway_infra_simulator.gate import read_json
from gateway_infra_simulator.record import Log
from gateway_infra_simulator.refusal import RefusalError
from gateway_infra_simulator.request import Request
from gateway_infra_simulator.response import Response, json_response
from gateway_infra_simulator.scenario import SCENARIOS
from gateway_infra_simulator.script import Script, read_answer

ROOT = "/_sim"


class Control:
    """``/_sim/queue``, ``/_sim/always``, ``/_sim/log`` and ``/_sim/reset``; no key is asked for."""

    def __init__(self, script: Script, log: Log, cache: Cache) -> None:
        self._script = script
        self._log = log
        self._cache = cache
        self._actions = {
            "POST /_sim/queue": self._queue,
            "POST /_sim/always": self._always,
            "POST /_sim/reset": self._reset,
            "GET /_sim/log": self._records,
            "GET /_sim": self._help,
        }

    def answer(self, request: Request) -> Response:
        """Do what is asked."""
        action = self._actions.get(f"{request.method} {request.path}")
        if action is None:
            raise RefusalError(404, f"simulator: there are {', '.join(self._actions)}")
        try:
            return json_response(200, action(request))
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise RefusalError(400, f"simulator: {error}") from error

    def _queue(self, request: Request) -> Any:
        answers = _answers(request)
        self._script.queue(*answers)
        return {"queued": len(answers)}

    def _always(self, request: Request) -> Any:
        answers = _answers(request)
        self._script.always(answers[0] if answers else None)
        return {"always": len(answers)}

    def _reset(self, _request: Request) -> Any:
        self._script.clear()
        self._log.clear()
        self._cache.clear()
        return {"reset": True}

    def _records(self, _request: Request) -> Any:
        return {"log": [record.dump() for record in self._log.records()]}

    def _help(self, _request: Request) -> Any:
        return {"endpoints": list(self._actions), "scenarios": list(SCENARIOS)}


def _answers(request: Request) -> list[Answer]:
    """The answers of a body: a list or a single one, each an object or the words of a scenario."""
    value = read_json(request.body)
    return [read_answer(answer) for answer in (value if isinstance(value, list) else [value])]
