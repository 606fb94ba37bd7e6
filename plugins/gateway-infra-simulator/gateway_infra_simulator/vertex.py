"""Vertex AI: Claude on Google Cloud, under ``/v1/projects/{project}/locations/{location}/publishers/anthropic/``."""

import re
from typing import Any

from gateway_infra_simulator import bearer, beta, gate, shape
from gateway_infra_simulator.ask import Ask
from gateway_infra_simulator.bearer import Bearers
from gateway_infra_simulator.google import SCOPE, GoogleError
from gateway_infra_simulator.lack import Lacks
from gateway_infra_simulator.messages import Messages
from gateway_infra_simulator.model import Model, models
from gateway_infra_simulator.refusal import RefusalError, bad
from gateway_infra_simulator.request import Request
from gateway_infra_simulator.response import Headers, Response, json_response
from gateway_infra_simulator.voice import UNPLACED, Voice
from gateway_infra_simulator.wire import Endpoint

Body = dict[str, Any]

VERSIONS = {"vertex-2023-10-16": "2023-06-01", "2026-10-21": "2026-10-21"}
"""The ``anthropic_version`` of a body and the rules that come with it."""

MAX_BODY = 30 * 1024 * 1024
WIDE = ("global", "us", "eu")
"""The locations that have every model."""

LACKS = Lacks(
    fields=(
        "container",
        "fallback_credit_token",
        "fallbacks",
        "inference_geo",
        "mcp_servers",
        "output_format",
        "service_tier",
    ),
    tools=("advisor_", "code_execution", "mcp_toolset", "web_fetch"),
    sources=("url", "file"),
)

_FAST = ("claude-fable-5-2",)
_COUNT = "count-tokens"
_REGION = re.compile(r"[a-z]+-[a-z]+\d{1,2}")
_PATH = re.compile(
    r"/v1/projects/(?P<project>[^/]+)/locations/(?P<location>[^/]+)/publishers/anthropic/models/"
    r"(?P<model>[^/:]+):(?P<verb>rawPredict|streamRawPredict)"
)


class VertexVoice(Voice):
    """As the API itself, with ids of its own.

    Args:
        listed: Google's own errors come in a list, as they do where a stream was asked for.
    """

    message_id = "msg_vrtx"

    def __init__(self, *, listed: bool = False) -> None:
        self._listed = listed

    def identity(self, request_id: str) -> Headers:
        """The request id of the model's API."""
        return (("request-id", request_id),)

    def stated(self, usage: Body) -> Body:
        """Nothing of the place where inference ran, unless a script says so."""
        return usage | UNPLACED if usage.get("inference_geo") == "global" else usage

    def host_error(self, status: int, error: Body, request_id: str, headers: Headers = ()) -> Response:
        """An error of Google's front, which has not reached the model's API."""
        body = GoogleError(status, error["message"], error["code"]).body(request_id)
        return json_response(status, [body] if self._listed else body, headers)

    def refuse(self, refusal: RefusalError, request_id: str) -> Response:
        """A refusal by Google or by the API behind it."""
        body = refusal.body(request_id)
        if not isinstance(refusal, GoogleError):
            return json_response(refusal.status, body, self.identity(request_id))
        return json_response(refusal.status, [body] if self._listed else body)

    def guard(self, endpoint: Endpoint) -> Endpoint:
        """An endpoint whose refusals are worded by this voice, under ids of its own."""
        guarded = super().guard(endpoint)
        return lambda request, request_id: guarded(request, request_id.replace("req_", "req_vrtx_", 1))


class Vertex:
    """``rawPredict`` and ``streamRawPredict`` of every model, and of ``count-tokens``.

    Args:
        messages: what is said.
        project: the only project that there is.
        bearers: the tokens that Google has given out.
    """

    name = "vertex"

    def __init__(self, messages: Messages, project: str, bearers: Bearers) -> None:
        self._messages = messages
        self._project = project
        self._bearers = bearers

    def endpoint(self, request: Request) -> Endpoint | None:
        """Who answers a request."""
        found = _PATH.fullmatch(request.path)
        if found is None or request.method != "POST":
            return None
        voice = VertexVoice(listed=found["verb"] == "streamRawPredict")
        return voice.guard(lambda request, request_id: self._answer(request, request_id, found, voice))

    def _answer(self, request: Request, request_id: str, found: re.Match[str], voice: VertexVoice) -> Response:
        self._admit(request, found["project"])
        if not _REGION.fullmatch(found["location"]) and found["location"] not in WIDE:
            raise GoogleError(400, f"Invalid location: {found['location']}")
        if found["model"] == _COUNT:
            return json_response(200, self._count(request, found), voice.identity(request_id))
        return self._messages.respond(self._read(request, found), voice, request_id)

    def _admit(self, request: Request, project: str) -> None:
        token = self._bearers.find(bearer.sent(request))
        if not bearer.sent(request):
            raise GoogleError(401, "Request is missing required authentication credential.")
        if token is None or self._bearers.is_over(token):
            raise GoogleError(
                401,
                "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other "
                "valid authentication credential.",
            )
        if SCOPE not in token.scopes:
            raise GoogleError(403, "Request had insufficient authentication scopes.")
        if project != self._project:
            raise GoogleError(
                403, f"Permission 'aiplatform.endpoints.predict' denied on resource of project {project}."
            )

    # ---------------------------------------------------------------------------------------------------- messages

    def _read(self, request: Request, found: re.Match[str]) -> Ask:
        model = self._model(found)
        body = _body(request)
        if "model" in body:
            raise bad("model", "Extra inputs are not permitted")
        _speed(body, model, found["location"])
        _verb(body, found["verb"])
        return self._ask(request, body | {"model": model.id}, counting=False)

    def _count(self, request: Request, found: re.Match[str]) -> Body:
        if found["verb"] != "rawPredict":
            raise GoogleError(400, f"{_COUNT} does not support {found['verb']}.")
        return self._messages.count(self._ask(request, _body(request), counting=True))

    def _ask(self, request: Request, body: Body, *, counting: bool) -> Ask:
        LACKS.check_fields(body)
        version = VERSIONS[shape.choice("anthropic_version", shape.need("", body, "anthropic_version"), VERSIONS)]
        tokens = _betas(request, body)
        bare = {key: value for key, value in body.items() if key not in ("anthropic_version", "anthropic_beta")}
        ask = self._messages.read(bare, version, tokens, counting=counting)
        LACKS.check(ask)
        return ask

    def _model(self, found: re.Match[str]) -> Model:
        model = _names(self._messages.era).get(found["model"])
        if model is None or not (model.regional or found["location"] in WIDE):
            raise GoogleError(
                404,
                f"Publisher Model `{found[0].removeprefix('/v1/').partition(':')[0]}` was not found or your project "
                "does not have access to it. Please ensure you are using a valid model version.",
            )
        return model


def _names(era: str) -> dict[str, Model]:
    """What may stand in a path: the id, the id without its day, and that with ``@default``."""
    names: dict[str, Model] = {}
    for model in (model for model in models(era) if "vertex" in model.hosts):
        plain = model.on_vertex.partition("@")[0]
        names |= dict.fromkeys((model.on_vertex, plain, f"{plain}@default"), model)
    return names


def _body(request: Request) -> Body:
    if request.too_large or len(request.body) > MAX_BODY:
        raise GoogleError(400, f"Request payload size exceeds the limit: {MAX_BODY} bytes.")
    return gate.read_object(request)


def _betas(request: Request, body: Body) -> frozenset[str]:
    listed = [
        shape.string("anthropic_beta", token)
        for token in shape.listing("anthropic_beta", body.get("anthropic_beta", []))
    ]
    if misplaced := beta.betas().header_only.intersection(listed):
        raise bad("anthropic_beta", f"Unexpected value(s) `{min(misplaced)}`")
    beta.check(listed, "vertex")
    return beta.sent(request.headers.get("anthropic-beta", ""), "vertex").union(listed)


def _speed(body: Body, model: Model, location: str) -> None:
    if body.get("speed") != "fast":
        return
    if model.id not in _FAST:
        raise GoogleError(400, f"speed: 'fast' is not supported for model {model.on_vertex}.")
    if location not in WIDE:
        raise GoogleError(400, f"speed: 'fast' is not available in {location}.", "FAILED_PRECONDITION")


def _verb(body: Body, verb: str) -> None:
    if (body.get("stream") is True) != (verb == "streamRawPredict"):
        raise bad("stream", f"Input does not go with {verb}: streams are had from streamRawPredict")
