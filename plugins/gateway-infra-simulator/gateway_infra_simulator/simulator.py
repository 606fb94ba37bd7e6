"""The simulator: everything put together, listening from ``with`` to the end of its block."""

from collections.abc import Callable, Collection
from types import TracebackType
from typing import Self

from gateway_infra_simulator import gate, listing
from gateway_infra_simulator.answer import Answer
from gateway_infra_simulator.cache import Cache
from gateway_infra_simulator.connection import Connection
from gateway_infra_simulator.control import ROOT, Control
from gateway_infra_simulator.listener import Listener
from gateway_infra_simulator.messages import Messages, error_response, identity, json_response
from gateway_infra_simulator.model import ERA, eras
from gateway_infra_simulator.record import Log, Record
from gateway_infra_simulator.refusal import RefusalError, kind_of
from gateway_infra_simulator.request import Request
from gateway_infra_simulator.response import Response, plan
from gateway_infra_simulator.script import Script
from gateway_infra_simulator.seal import Seal, new_id

DEMO_KEY = "sim-key"

Endpoint = Callable[[Request, str], Response]


class Simulator:
    """The Anthropic Messages API on a local port; ValueError for an era that is not known.

    Args:
        keys: the credentials that are let in; none lets in any.
        host: the address to listen on.
        port: 0 for any free one.
        secret: signs thinking; simulators with the same secret accept each other's. By default each has its own.
        cache_minimum: leave marked prefixes uncached that are shorter than the model's minimum, as the API does.
        era: the time whose rules for models are played: "announcement" (February 2026) or "current".
        log_limit: how many records are kept.
    """

    def __init__(
        self,
        *,
        keys: Collection[str] = (DEMO_KEY,),
        host: str = "127.0.0.1",
        port: int = 0,
        secret: bytes | None = None,
        cache_minimum: bool = False,
        era: str = ERA,
        log_limit: int = 10_000,
    ) -> None:
        if era not in eras():
            raise ValueError(f"era {era!r} is not one of {', '.join(eras())}")
        self._keys = (keys,) if isinstance(keys, str) else keys
        self._host = host
        self._port = port
        self._era = era
        self._script = Script()
        self._log = Log(log_limit)
        self._cache = Cache(minimum=cache_minimum)
        self._control = Control(self._script, self._log, self._cache)
        self._listener: Listener | None = None
        messages = Messages(self._keys, self._script, self._cache, Seal(secret), era)
        self._endpoints: dict[str, Endpoint] = {
            "POST /v1/messages": messages.create,
            "POST /v1/messages/count_tokens": messages.count,
            "GET /v1/models": self._models,
        }

    # -------------------------------------------------------------------------------------------------- for scripts

    @property
    def url(self) -> str:
        """Where it listens."""
        if self._listener is None:
            raise RuntimeError("the simulator listens only between start and stop")
        return f"http://{self._host}:{self._listener.port}"

    @property
    def era(self) -> str:
        """The time whose rules for models are played."""
        return self._era

    @property
    def address(self) -> str:
        """Where it was told to listen."""
        return f"{self._host}:{self._port}"

    @property
    def log(self) -> list[Record]:
        """The requests so far, in order of arrival, those still being answered included."""
        return self._log.records()

    def wait(self, count: int = 1, timeout: float = 5.0) -> list[Record]:
        """The log, once so many requests have been answered or given up."""
        return self._log.wait(count, timeout)

    def queue(self, *answers: Answer) -> None:
        """Answers for the next messages, in this order."""
        self._script.queue(*answers)

    def always(self, answer: Answer | None) -> None:
        """The answer when nothing is queued; None goes back to the echo."""
        self._script.always(answer)

    def reset(self) -> None:
        """Forget scripts, log and prompt cache."""
        self._script.clear()
        self._log.clear()
        self._cache.clear()

    # ----------------------------------------------------------------------------------------------------- listening

    def start(self) -> None:
        """Listen; the ``with`` block does it too."""
        if self._listener is None:
            self._listener = Listener(self._host, self._port, self._serve)
            self._listener.start()

    def stop(self) -> None:
        """Close the port and every connection."""
        if self._listener is not None:
            self._listener.stop()
            self._listener = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _serve(self, connection: Connection, request: Request) -> bool:
        if request.path.startswith(ROOT):
            return connection.send(plan(self._answer(request, new_id("req")), keep_alive=True), _unlogged(request))
        record = self._log.open(request)
        try:
            response = self._answer(request, new_id("req"))
            record.status = response.status or None
            return connection.send(plan(response, keep_alive=request.keeps_alive), record)
        finally:
            self._log.close(record)

    def _answer(self, request: Request, request_id: str) -> Response:
        try:
            return self._endpoint(request)(request, request_id)
        except RefusalError as refusal:
            return error_response(refusal.status, refusal.error, request_id)

    def _endpoint(self, request: Request) -> Endpoint:
        if request.path.startswith(ROOT):
            return self._controlled
        endpoint = self._endpoints.get(f"{request.method} {request.path}")
        if endpoint is not None:
            return endpoint
        if request.method == "GET" and request.path.startswith("/v1/models/"):
            return self._model
        return _nowhere

    def _controlled(self, request: Request, _request_id: str) -> Response:
        return self._control.answer(request)

    def _models(self, request: Request, request_id: str) -> Response:
        gate.admit(request, self._keys)
        return json_response(200, listing.page(request.arguments, self._era), identity(request_id))

    def _model(self, request: Request, request_id: str) -> Response:
        gate.admit(request, self._keys)
        return json_response(
            200, listing.one(request.path.removeprefix("/v1/models/"), self._era), identity(request_id)
        )


def _nowhere(request: Request, request_id: str) -> Response:
    error = {"type": kind_of(404), "message": f"Not found: {request.method} {request.path}"}
    response = error_response(404, error, request_id)
    return response if request.method != "HEAD" else Response(404, response.headers, ())


def _unlogged(request: Request) -> Record:
    """A record that nobody keeps: the control endpoints are not part of the truth."""
    return Log(1).open(request)
