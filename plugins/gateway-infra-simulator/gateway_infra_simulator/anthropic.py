"""Anthropic: the first-party API, its key, its version header, and the listing of models."""

from collections.abc import Collection
from typing import Any

from gateway_infra_simulator import beta, gate, listing
from gateway_infra_simulator.ask import Ask
from gateway_infra_simulator.messages import Messages
from gateway_infra_simulator.quota import empty_fast_headers, quota_headers
from gateway_infra_simulator.request import Request
from gateway_infra_simulator.response import Headers, Response, json_response
from gateway_infra_simulator.voice import Voice
from gateway_infra_simulator.wire import Endpoint

Body = dict[str, Any]

MODELS = "/v1/models/"
ORGANIZATION = "00000000-0000-4000-8000-000000000000"


class AnthropicVoice(Voice):
    """The first-party API also names the organization and says what is left."""

    def identity(self, request_id: str) -> Headers:
        """The headers that every answer carries."""
        return (("request-id", request_id), ("anthropic-organization-id", ORGANIZATION))

    def quota(self, usage: Body, /) -> Headers:
        """The rate limit headers after a message."""
        return quota_headers(usage)

    def empty(self) -> Headers:
        """The rate limit headers when nothing is left of fast mode."""
        return empty_fast_headers()


class Anthropic:
    """``/v1/messages``, ``/v1/messages/count_tokens`` and ``/v1/models``."""

    name = "anthropic"

    def __init__(self, messages: Messages, keys: Collection[str]) -> None:
        self._messages = messages
        self._keys = keys
        self._voice = AnthropicVoice()
        self._endpoints: dict[str, Endpoint] = {
            "POST /v1/messages": self._create,
            "POST /v1/messages/count_tokens": self._count,
            "GET /v1/models": self._models,
        }

    def endpoint(self, request: Request) -> Endpoint | None:
        """Who answers a request."""
        if request.method == "GET" and request.path.startswith(MODELS):
            return self._model
        return self._endpoints.get(f"{request.method} {request.path}")

    def _create(self, request: Request, request_id: str) -> Response:
        return self._messages.respond(self._read(request, counting=False), self._voice, request_id)

    def _count(self, request: Request, request_id: str) -> Response:
        counted = self._messages.count(self._read(request, counting=True))
        return json_response(200, counted, self._voice.identity(request_id))

    def _read(self, request: Request, *, counting: bool) -> Ask:
        version = gate.admit(request, self._keys)
        body = gate.read_object(request)
        tokens = beta.sent(request.headers.get("anthropic-beta", ""))
        return self._messages.read(body, version, tokens, counting=counting)

    def _models(self, request: Request, request_id: str) -> Response:
        gate.admit(request, self._keys)
        page = listing.page(request.arguments, self._messages.era)
        return json_response(200, page, self._voice.identity(request_id))

    def _model(self, request: Request, request_id: str) -> Response:
        gate.admit(request, self._keys)
        found = listing.one(request.path.removeprefix(MODELS), self._messages.era)
        return json_response(200, found, self._voice.identity(request_id))
