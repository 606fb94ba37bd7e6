"""The simulator: everything put together, listening from ``with`` to the end of its block."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from gateway_infra_simulator import account
from gateway_infra_simulator.amazon import Amazon
from gateway_infra_simulator.answer import Answer
from gateway_infra_simulator.anthropic import Anthropic, AnthropicVoice
from gateway_infra_simulator.azure import Azure
from gateway_infra_simulator.bearer import LIFETIME, Bearers
from gateway_infra_simulator.cache import Cache
from gateway_infra_simulator.connection import Connection
from gateway_infra_simulator.control import ROOT, Control
from gateway_infra_simulator.entra import Entra
from gateway_infra_simulator.google import Google
from gateway_infra_simulator.listener import Listener
from gateway_infra_simulator.messages import Messages
from gateway_infra_simulator.model import ERA, eras
from gateway_infra_simulator.record import Log, Record
from gateway_infra_simulator.refusal import RefusalError
from gateway_infra_simulator.request import Request
from gateway_infra_simulator.response import Response, plan
from gateway_infra_simulator.script import Script
from gateway_infra_simulator.seal import Seal, new_id
from gateway_infra_simulator.vertex import Vertex
from gateway_infra_simulator.wire import Endpoint, Wire

if TYPE_CHECKING:
    from gateway_infra_simulator.bedrock import Bedrock
    from gateway_infra_simulator.sts import Sts

DEMO_KEY = "sim-key"
PROJECT = "sim-project"


class Simulator:
    """Four hosts on one local port, told apart by path; ValueError for an era or a deployed model that is not known.

    Args:
        keys: the credentials that are let in by Anthropic, by Azure and as Bedrock's bearer keys, and the secrets that
            Entra knows; none lets in any.
        host: the address to listen on.
        port: 0 for any free one.
        secret: signs thinking; simulators with the same secret accept each other's. By default each has its own.
        cache_minimum: leave marked prefixes uncached that are shorter than the model's minimum, as the API does.
        era: the time whose rules for models are played: "announcement" (February 2026) or "current".
        log_limit: how many records are kept.
        deployments: Azure's: the model of each by its name; None deploys every model under its own name.
        project: the only project on Google Cloud.
        token_lifetime: seconds for which the tokens of Google and Entra are good.
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
        deployments: Mapping[str, str] | None = None,
        project: str = PROJECT,
        token_lifetime: float = LIFETIME,
    ) -> None:
        if era not in eras():
            raise ValueError(f"era {era!r} is not one of {', '.join(eras())}")
        self._keys = (keys,) if isinstance(keys, str) else keys
        self._host = host
        self._port = port
        self._era = era
        self._project = project
        self._script = Script()
        self._log = Log(log_limit)
        self._cache = Cache(minimum=cache_minimum)
        self._control = Control(self._script, self._log, self._cache)
        self._listener: Listener | None = None
        self._bearers = Bearers(token_lifetime)
        messages = Messages(self._script, self._cache, Seal(secret), era)
        self._amazon = Amazon(messages, self._keys)
        self._wires: tuple[Wire, ...] = (
            Anthropic(messages, self._keys),
            Azure(messages, self._keys, self._bearers, deployments),
            Vertex(messages, project, self._bearers),
            Google(project, self._bearers),
            Entra(self._keys, self._bearers),
            *self._amazon.wires,
        )

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
    def project(self) -> str:
        """The project on Google Cloud."""
        return self._project

    @property
    def service_account(self) -> dict[str, Any]:
        """The service-account file, as a dict, of an account that may use Vertex AI; its tokens come from here.

        RuntimeError without the package ``cryptography``, which is the extra ``vertex``.
        """
        return account.described(self._project, self.url)

    @property
    def bedrock(self) -> "Bedrock":
        """Bedrock, to change what it accepts; ImportError without botocore, which is the extra ``bedrock``."""
        return self._amazon.bedrock

    @property
    def sts(self) -> "Sts":
        """STS, to change whom it knows and for how long; ImportError without botocore."""
        return self._amazon.sts

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

    def expire_tokens(self) -> None:
        """Every token that Google or Entra has given out so far has expired."""
        self._bearers.expire()

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
        request_id = new_id("req")
        if request.path.startswith(ROOT):
            response = _answer(self._controlled, request, request_id)
            return connection.send(plan(response, keep_alive=True), _unlogged(request))
        record = self._log.open(request)
        try:
            record.wire, endpoint = self._endpoint(request)
            response = _answer(endpoint, request, request_id)
            record.status = response.status or None
            return connection.send(plan(response, keep_alive=request.keeps_alive), record)
        finally:
            self._log.close(record)

    def _endpoint(self, request: Request) -> tuple[str, Endpoint]:
        for wire in self._wires:
            if endpoint := wire.endpoint(request):
                return wire.name, endpoint
        return "", _nowhere

    def _controlled(self, request: Request, _request_id: str) -> Response:
        return self._control.answer(request)


def _answer(endpoint: Endpoint, request: Request, request_id: str) -> Response:
    response = AnthropicVoice().guard(endpoint)(request, request_id)
    return response if request.method != "HEAD" else replace(response, pieces=())


def _nowhere(request: Request, _request_id: str) -> Response:
    raise RefusalError(404, f"Not found: {request.method} {request.path}")


def _unlogged(request: Request) -> Record:
    """A record that nobody keeps: the control endpoints are not part of the truth."""
    return Log(1).open(request)
