"""Bedrock: its runtime host, where the path names the model and a signature or a bearer key lets the caller in."""

import base64
import re
from collections.abc import Collection
from typing import Any, NamedTuple
from urllib.parse import unquote

from gateway_infra_simulator import (
    bedrock_invoke,
    bedrock_model,
    converse_request,
    converse_rule,
    converse_shape,
    gate,
)
from gateway_infra_simulator.ask import Ask
from gateway_infra_simulator.bedrock_fault import FaultError, identity, invalid
from gateway_infra_simulator.bedrock_invoke import LACKS, BedrockVoice, InvokeVoice
from gateway_infra_simulator.bedrock_model import PROFILES, Target
from gateway_infra_simulator.converse_answer import ConverseVoice
from gateway_infra_simulator.messages import Messages
from gateway_infra_simulator.model import find
from gateway_infra_simulator.request import Request
from gateway_infra_simulator.response import Response, json_response
from gateway_infra_simulator.sigv4 import Keyring, UnsignedError, verify
from gateway_infra_simulator.wire import Endpoint

MAX_BODY = 20 * 1024 * 1024
"""Bytes of the longest body."""

_PATH = re.compile(r"/model/(?P<id>[^/]+)/(?P<operation>[a-z-]+)")
_JSON = ("application/json", "application/octet-stream", "")
"""Types of a body that are read as JSON; boto3 names none for a blob."""

_SHAPES = {
    "converse": "ConverseRequest",
    "converse-stream": "ConverseStreamRequest",
    "count-tokens": "ConverseTokensRequest",
}

_LATENCIES = ("standard", "optimized")
_TIERS = ("priority", "default", "flex", "reserved")

Body = dict[str, Any]


class Call(NamedTuple):
    """A request that was let in: what it is about, and its JSON."""

    request: Request
    target: Target
    operation: str
    body: Body
    request_id: str

    @property
    def stream(self) -> bool:
        """Whether the operation streams."""
        return self.operation.endswith("-stream")


class Bedrock:
    """``/model/{id}/`` with invoke, invoke-with-response-stream, converse, converse-stream and count-tokens.

    Args:
        messages: what all wires share.
        keys: the bearer keys that are let in; none lets in any.
        keyring: the credentials that may sign.

    Attributes:
        on_demand: models may be called by their bare id; the real host wants an inference profile for the newer ones.
        profiles: application profiles, by ARN, and the foundation model of each.
    """

    name = "bedrock"

    def __init__(self, messages: Messages, keys: Collection[str], keyring: Keyring, *, on_demand: bool = True) -> None:
        self._messages = messages
        self._keys = keys
        self._keyring = keyring
        self.on_demand = on_demand
        self.profiles = dict(PROFILES)
        self._operations = {
            "invoke": self._invoke,
            "invoke-with-response-stream": self._invoke,
            "converse": self._converse,
            "converse-stream": self._converse,
            "count-tokens": self._count,
        }

    def endpoint(self, request: Request) -> Endpoint | None:
        """Who answers a request."""
        if request.method != "POST" or not request.target.startswith("/model/"):
            return None
        return BedrockVoice().guard(self._answer)

    def _answer(self, request: Request, request_id: str) -> Response:
        match = _PATH.fullmatch(request.raw_path)
        if match is None or match["operation"] not in self._operations:
            raise FaultError("UnknownOperationException", "The requested operation is not known.")
        if request.too_large or len(request.body) > MAX_BODY:
            raise invalid(_constraint("body", f"Member must have length less than or equal to {MAX_BODY}"))
        self._admit(request)
        _check_headers(request)
        target = bedrock_model.resolve(unquote(match["id"]), self._messages.era, self.profiles)
        call = Call(request, target, match["operation"], gate.read_object(request), request_id)
        return self._operations[call.operation](call)

    # -------------------------------------------------------------------------------------------------------- the gate

    def _admit(self, request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            self._admit_bearer(token.strip())
            return
        try:
            verify(request, "bedrock", self._keyring)
        except UnsignedError as error:
            raise FaultError(error.code, error.message) from error

    def _admit_bearer(self, token: str) -> None:
        if not gate.known(token, self._keys):
            text = "Authentication failed: Please make sure your API Key is valid."
            raise FaultError("AccessDeniedException", text, key="Message")

    def _check_use(self, target: Target) -> None:
        if not self.on_demand:
            bedrock_model.check_on_demand(target)

    # -------------------------------------------------------------------------------------------------- the operations

    def _invoke(self, call: Call) -> Response:
        self._check_use(call.target)
        ask = self._invoked(call.body, call.target, stream=call.stream)
        return self._messages.respond(ask, InvokeVoice(stream=call.stream), call.request_id)

    def _converse(self, call: Call) -> Response:
        voice = ConverseVoice(call.body)

        def answer(_request: Request, request_id: str) -> Response:
            return self._messages.respond(self._conversed(call), voice, request_id)

        self._check_use(call.target)
        return voice.guard(answer)(call.request, call.request_id)

    def _count(self, call: Call) -> Response:
        if call.target.profile:
            raise invalid("The provided model doesn't support counting tokens.")
        converse_shape.check("CountTokensRequest", call.body)
        kind, value = next(iter(call.body["input"].items()))
        if kind == "invokeModel":
            ask = self._invoked(_inner(value["body"]), call.target, stream=False)
        else:
            ask = self._conversed(call._replace(body=value))
        return json_response(200, {"inputTokens": ask.input_tokens}, identity(call.request_id))

    def _invoked(self, body: Body, target: Target, *, stream: bool) -> Ask:
        return self._read(*bedrock_invoke.read(body, target, stream=stream))

    def _conversed(self, call: Call) -> Ask:
        converse_shape.check(_SHAPES[call.operation], call.body)
        converse_rule.check(call.body)
        limit = find(call.target.model, self._messages.era).output
        body, tokens = converse_request.canonical(call.body, limit)
        whole = body | {"model": call.target.model, "stream": call.stream}
        return self._read(whole, "2023-06-01", tokens)

    def _read(self, body: Body, version: str, tokens: frozenset[str]) -> Ask:
        ask = self._messages.read(body, version, tokens)
        LACKS.check(ask)
        return ask


def _check_headers(request: Request) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    checks = {
        "contentType": (kind, _JSON),
        "performanceConfigLatency": (
            request.headers.get("x-amzn-bedrock-performanceconfig-latency", "standard"),
            _LATENCIES,
        ),
        "serviceTier": (request.headers.get("x-amzn-bedrock-service-tier", "default"), _TIERS),
    }
    for name, (value, allowed) in checks.items():
        if value not in allowed:
            raise invalid(
                _constraint(name, f"Member must satisfy enum value set: [{', '.join(filter(None, allowed))}]")
            )


def _constraint(name: str, text: str) -> str:
    return f"1 validation error detected: Value at '{name}' failed to satisfy constraint: {text}"


def _inner(blob: str) -> Body:
    value = gate.read_json(base64.b64decode(blob))
    if not isinstance(value, dict):
        raise invalid("The request body should be a JSON object")
    return value
