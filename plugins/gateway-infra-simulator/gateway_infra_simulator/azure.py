"""Azure: Claude in Microsoft Foundry, under ``/anthropic/``."""

import uuid
from collections.abc import Collection, Mapping
from typing import Any

from gateway_infra_simulator import bearer, beta, gate
from gateway_infra_simulator.ask import Ask
from gateway_infra_simulator.bearer import Bearers
from gateway_infra_simulator.entra import AUDIENCES
from gateway_infra_simulator.lack import Lacks
from gateway_infra_simulator.messages import Messages
from gateway_infra_simulator.model import models
from gateway_infra_simulator.refusal import RefusalError
from gateway_infra_simulator.request import Request
from gateway_infra_simulator.response import Headers, Response, json_response
from gateway_infra_simulator.voice import UNPLACED, Voice
from gateway_infra_simulator.wire import Endpoint

Body = dict[str, Any]

ROOT = "/anthropic"

LACKS = Lacks(
    fields=("fallback_credit_token", "fallbacks", "inference_geo", "service_tier", "speed"), tools=("advisor_",)
)
"""A deployment that is hosted on Anthropic has everything else."""


class AzureError(RefusalError):
    """A refusal by Azure itself: ``{"error": {"code", "message"}}``."""

    def __init__(self, status: int, message: str, code: str = "") -> None:
        super().__init__(status, message)
        self._code = code or str(status)

    def body(self, _request_id: str, /) -> Body:
        """The whole error body."""
        return {"error": {"code": self._code, "message": self.message}}


class AzureVoice(Voice):
    """As the API itself, with the id of Azure's own front."""

    def identity(self, request_id: str) -> Headers:
        """Both ids."""
        return (("request-id", request_id), *_front(request_id))

    def stated(self, usage: Body) -> Body:
        """Nothing of the place where inference ran, unless a script says so."""
        return usage | UNPLACED if usage.get("inference_geo") == "global" else usage

    def host_error(self, status: int, error: Body, request_id: str, headers: Headers = ()) -> Response:
        """An error of Azure's front, which has not reached the model's API."""
        body = AzureError(status, error["message"], error["code"]).body(request_id)
        return json_response(status, body, (*_front(request_id), *headers))

    def refuse(self, refusal: RefusalError, request_id: str) -> Response:
        """A refusal by Azure or by the API behind it."""
        headers = _front(request_id) if isinstance(refusal, AzureError) else self.identity(request_id)
        return json_response(refusal.status, refusal.body(request_id), headers)


class Azure:
    """``/anthropic/v1/messages`` and ``/anthropic/v1/messages/count_tokens``.

    Args:
        messages: what is said.
        keys: the keys that are let in; none lets in any.
        bearers: the tokens that Entra has given out.
        deployments: the model of each deployment by its name; None deploys every model under its own.
    """

    name = "azure"

    def __init__(
        self, messages: Messages, keys: Collection[str], bearers: Bearers, deployments: Mapping[str, str] | None
    ) -> None:
        self._messages = messages
        self._keys = keys
        self._bearers = bearers
        self._deployments = _deployed(messages.era, deployments)
        self._voice = AzureVoice()
        self._endpoints = {
            f"POST {ROOT}/v1/messages": self._voice.guard(self._create),
            f"POST {ROOT}/v1/messages/count_tokens": self._voice.guard(self._count),
        }

    def endpoint(self, request: Request) -> Endpoint | None:
        """Who answers a request."""
        if not request.path.startswith(f"{ROOT}/") and request.path != ROOT:
            return None
        return self._endpoints.get(f"{request.method} {request.path}", self._voice.guard(_unsupported))

    def _create(self, request: Request, request_id: str) -> Response:
        return self._messages.respond(self._read(request, counting=False), self._voice, request_id)

    def _count(self, request: Request, request_id: str) -> Response:
        counted = self._messages.count(self._read(request, counting=True))
        return json_response(200, counted, self._voice.identity(request_id))

    def _read(self, request: Request, *, counting: bool) -> Ask:
        self._admit(request)
        version = gate.version_of(request)
        body = gate.read_object(request)
        LACKS.check_fields(body)
        tokens = beta.sent(request.headers.get("anthropic-beta", ""), "azure")
        if isinstance(body.get("model"), str):
            body |= {"model": self._model(body["model"])}
        ask = self._messages.read(body, version, tokens, counting=counting)
        LACKS.check(ask)
        return ask

    def _admit(self, request: Request) -> None:
        keys = [request.headers[name] for name in ("api-key", "x-api-key") if name in request.headers]
        if keys and all(gate.known(key, self._keys) for key in keys):
            return
        token = bearer.sent(request)
        if keys or not token:
            raise AzureError(
                401,
                "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid "
                "key for an active subscription and use a correct regional API endpoint for your resource.",
            )
        self._admit_token(token)

    def _admit_token(self, token: str) -> None:
        found = self._bearers.find(token)
        if found is None:
            raise AzureError(401, "Unauthorized. Access token is missing or invalid.")
        if self._bearers.is_over(found):
            raise AzureError(401, "Unauthorized. Access token has expired.")
        if found.scopes.isdisjoint(AUDIENCES):
            raise AzureError(401, "Unauthorized. Access token has an invalid audience.")

    def _model(self, name: str) -> str:
        if name not in self._deployments:
            raise AzureError(
                404,
                "The API deployment for this resource does not exist. If you created the deployment within the last "
                "5 minutes, please wait a moment and try again.",
                "DeploymentNotFound",
            )
        return self._deployments[name]


def _deployed(era: str, wanted: Mapping[str, str] | None) -> Mapping[str, str]:
    offered = [model for model in models(era) if "azure" in model.hosts]
    every = {name: model.id for model in offered for name in (model.id, *model.aliases)}
    if wanted is None:
        return every
    if unknown := sorted(set(wanted.values()) - set(every)):
        raise ValueError(f"Azure has no model {', '.join(unknown)} to deploy")
    return wanted


def _front(request_id: str) -> Headers:
    return (("apim-request-id", str(uuid.uuid5(uuid.NAMESPACE_OID, request_id))),)


def _unsupported(_request: Request, _request_id: str) -> Response:
    raise AzureError(404, "Requested API is currently not supported", "api_not_supported")
