"""The front door: Flask's routes, and the way between WSGI and the corridor."""

import logging
import socket
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NoReturn

from flask import Blueprint, Flask, Response, current_app, jsonify, request
from werkzeug.exceptions import HTTPException, NotFound

from gateway import strictjson
from gateway.auth import unauthenticated
from gateway.call import Principal
from gateway.errors import (
    KINDS,
    ClientLeft,
    Forbidden,
    GatewayError,
    InvalidRequest,
    TooLarge,
    Unauthenticated,
    UnsupportedMedia,
)
from gateway.explanation import Explanation, surface_of
from gateway.listing import Listing
from gateway.pipeline import Pipeline
from gateway.reply import error_headers
from gateway.surface import Action, Surface, error_object

log = logging.getLogger(__name__)

Start = Callable[..., Callable[[bytes], Any]]

LEFT = 499
"""The status for a client that left: nobody reads it, but the server wants one for its own books."""

OPEN, CLIENT, KEY, OPERATOR = "open", "client", "key", "operator"
"""Who may use a view: everybody; a client whose key the corridor asks for; every key; the operator's key. A view
without a word of its own is the operator's."""


ADMIN = "/admin/"
"""Where the operator's views are that nobody else even sees."""

Listens = Callable[[Mapping[str, Any]], bool]
"""Says of a request's environment whether it came in where the operator's views are served."""


@dataclass(frozen=True)
class Limits:
    """What a client may take of us.

    Attributes:
        max_body: bytes of a request's body.
        write_timeout: seconds until it takes what it is sent.
    """

    max_body: int
    write_timeout: float = 60.0


class Exchange(Response):
    """A corridor's answer, written while the corridor runs.

    A sign of life may have to leave before the host has said a word; WSGI's ``write`` is made for that.
    """

    def __init__(self, pipeline: Pipeline, surface: Surface, action: Action, limits: Limits) -> None:
        super().__init__()
        self._pipeline = pipeline
        self._surface = surface
        self._action = action
        self._limits = limits

    def __call__(self, environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        """Run the corridor."""
        door = WsgiDoor(environ, start_response, self._limits)
        self._pipeline.serve(self._surface, self._action, door)
        if not door.begun:
            door.begin(LEFT, {})
        return ()


class WsgiDoor:
    """A WSGI request and the way back to its client.

    Attributes:
        headers: the request's headers, names in lower case; a header that came twice is joined by a comma.
    """

    def __init__(self, environ: dict[str, Any], start_response: Start, limits: Limits) -> None:
        self.headers: Mapping[str, str] = {
            name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")
        }
        self._environ = environ
        self._start_response = start_response
        self._max_body = limits.max_body
        self._patience = struct.pack("@ll", int(limits.write_timeout), int(limits.write_timeout % 1 * 1_000_000))
        self._write: Callable[[bytes], Any] | None = None

    @property
    def socket(self) -> socket.socket | None:
        """The connection, where the server hands it on as gunicorn does."""
        found = self._environ.get("gunicorn.socket")
        return found if isinstance(found, socket.socket) else None

    def body(self) -> bytes:
        """The whole body, checked for form and size before it is looked at."""
        self._check_form()
        declared = self._declared_length()
        try:
            body: bytes = self._environ["wsgi.input"].read(self._max_body + 1 if declared is None else declared)
        except Exception as error:  # noqa: BLE001 - a server's parser raises what it likes; it is the client's framing
            log.info("unreadable body: %r", error)
            raise InvalidRequest("The request's body could not be read; its framing is broken.") from None
        if len(body) > self._max_body:
            raise self._too_large()
        if declared is not None and len(body) < declared:
            raise ClientLeft
        return body

    @property
    def begun(self) -> bool:
        """Whether a status was sent."""
        return self._write is not None

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Start the response."""
        try:
            phrase = HTTPStatus(status).phrase
        except ValueError:
            phrase = "Error"
        if self.socket is not None:  # one that stopped reading must not hold a thread for ever
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, self._patience)
        self._write = self._start_response(f"{status} {phrase}", list(headers.items()))

    def write(self, data: bytes) -> None:
        """Send bytes now; a closed connection means that the client left."""
        if self._write is None:
            raise LookupError("write before begin")
        try:
            self._write(data)
        except OSError:
            self._hang_up()
            raise ClientLeft from None

    def _hang_up(self) -> None:
        """Whatever the server still wants to send must fail at once, not wait for a reader once more."""
        if self.socket is not None:
            with suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)

    def _check_form(self) -> None:
        kind = self._environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
        if kind not in ("", "application/json") and not kind.endswith("+json"):
            raise UnsupportedMedia(f"content-type {kind!r} is not understood; send application/json.")
        encoding = self.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("", "identity"):
            raise UnsupportedMedia(f"content-encoding {encoding!r} is not accepted; send the body uncompressed.")

    def _declared_length(self) -> int | None:
        text = self._environ.get("CONTENT_LENGTH") or ""
        if not text:
            return None
        if not text.isascii() or not text.isdigit():
            raise InvalidRequest("content-length has to be a number.")
        if int(text) > self._max_body:
            raise self._too_large()
        return int(text)

    def _too_large(self) -> TooLarge:
        return TooLarge(f"The body is larger than the {self._max_body} bytes that this gateway takes.")


def mount(
    app: Flask,
    pipeline: Pipeline,
    surfaces: Sequence[Surface],
    blueprints: Iterable[Blueprint],
    listing: Listing,
    limits: Limits,
    health: Callable[[], list[str]] = list,
    admin: Listens | None = None,
) -> None:
    """Give the app every route: the surfaces', the core's own, and those that plugins bring."""
    for surface in surfaces:
        for path, action in surface.paths.items():
            view = _corridor(pipeline, surface, action, limits)
            app.add_url_rule(path, f"{surface.name}:{path}", view, methods=["POST"])
    app.register_blueprint(_health(health))
    app.register_blueprint(_models(listing))
    app.register_blueprint(_explain(pipeline, surfaces, limits))
    for blueprint in blueprints:
        app.register_blueprint(blueprint)
    app.before_request(lambda: _guard(pipeline, admin))
    app.register_error_handler(GatewayError, _tell)
    app.register_error_handler(ClientLeft, _tell_nobody)
    app.register_error_handler(HTTPException, _tell_http)
    app.register_error_handler(Exception, _tell_unexpected)


def access(who: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Say who may use a view: ``OPEN``, ``KEY`` or ``OPERATOR``."""

    def mark(view: Callable[..., Any]) -> Callable[..., Any]:
        view.access = who  # type: ignore[attr-defined]  # a note on the function, read by the guard
        return view

    return mark


def principal() -> Principal:
    """Who asks, inside a view."""
    found: Principal = request.environ["gateway.principal"]
    return found


def _corridor(pipeline: Pipeline, surface: Surface, action: Action, limits: Limits) -> Callable[[], Response]:
    @access(CLIENT)  # the corridor asks for the key itself, so that the surface words the refusal
    def view() -> Response:
        return Exchange(pipeline, surface, action, limits)

    return view


def _guard(pipeline: Pipeline, admin: Listens | None) -> None:
    """Authorisation is a property of the route, checked here and nowhere else."""
    view = current_app.view_functions.get(request.endpoint or "")
    hidden = request.path.startswith(ADMIN)
    who = getattr(view, "access", OPERATOR)
    if who == OPEN or (view is None and not hidden):
        return
    if admin is not None and (who == OPERATOR) != admin(request.environ):
        raise NotFound  # each of the two listeners knows its own paths only
    if who == CLIENT:
        return
    try:
        found = pipeline.principal({name.lower(): value for name, value in request.headers.items()})
    except Unauthenticated:
        raise (NotFound() if hidden else unauthenticated()) from None
    if who != KEY and not found.permissions.operator:
        raise NotFound if hidden else Forbidden("This needs the operator's key.")
    request.environ["gateway.principal"] = found


def listens_at(address: str) -> Listens | None:
    """Tells requests apart by the socket that they came in at; None where one listener serves everything."""
    if not address:
        return None
    path, port = address.removeprefix("unix:"), address.rpartition(":")[2]

    def listens(environ: Mapping[str, Any]) -> bool:
        connection = environ.get("gunicorn.socket")
        if not isinstance(connection, socket.socket):
            return str(environ.get("SERVER_PORT")) == port
        name = connection.getsockname()
        return name == path if isinstance(name, str) else str(name[1]) == port

    return listens


def _tell(error: GatewayError) -> Response:
    return _error_response(error)


def _tell_nobody(_error: ClientLeft) -> Response:
    return Response(status=LEFT)


def _tell_http(error: HTTPException) -> Response:
    status = error.code or 500
    message = error.description or "The request could not be served."
    if status == HTTPStatus.NOT_FOUND:
        message = f"There is nothing at {request.path!r}.{_base_url_hint(request.path)}"
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        message = f"{request.path!r} does not take {request.method}."
    told = GatewayError(message, status=status, kind=KINDS.get(status, "invalid_request_error"))
    response = _error_response(told)
    response.headers["gateway-error"] = HTTPStatus(status).phrase.lower().replace(" ", "_")
    for name, value in error.get_headers():
        if name.lower() == "allow":
            response.headers[name] = value
    return response


def _tell_unexpected(error: Exception) -> Response:
    log.error("unexpected, at %s", request.path, exc_info=error)
    return _error_response(GatewayError("Something went wrong in the gateway; its log has the reason."))


def _error_response(error: GatewayError) -> Response:
    """An error outside the corridor, in a shape that clients of both APIs can read."""
    response = jsonify({**error_object(error), "error": {**error_object(error)["error"], "code": error.code}})
    response.status_code = error.status
    response.headers.update(error_headers(error))
    return response


def _base_url_hint(path: str) -> str:
    if path.startswith("/v1/v1/"):
        return " The base URL that the client is given must not end in /v1."
    return ""


def _health(reasons: Callable[[], list[str]]) -> Blueprint:
    """Small answers for whoever asks whether we are well; no key, no upstream call."""
    health = Blueprint("health", __name__)

    @health.get("/health/liveliness")
    @health.get("/health/liveness")
    @access(OPEN)
    def alive() -> Response:
        return jsonify("I'm alive!")

    @health.get("/health/readiness")
    @access(OPEN)
    def ready() -> Response:
        return _ready("healthy", reasons())

    @health.get("/readyz")
    @access(OPEN)
    def readyz() -> Response:
        return _ready("ok", reasons())

    @health.get("/healthz")
    @health.get("/livez")
    @access(OPEN)
    def ok() -> Response:
        return jsonify({"status": "ok"})

    @health.get("/api/hello")
    @access(OPEN)
    def hello() -> Response:
        return jsonify({"message": "hello"})

    return health


def _ready(word: str, reasons: list[str]) -> Response:
    """Whether traffic may come; a load balancer reads the status, an operator the reasons."""
    response = jsonify({"status": "not ready", "reasons": reasons} if reasons else {"status": word})
    response.status_code = 503 if reasons else 200
    return response


def _models(listing: Listing) -> Blueprint:
    """The model list in one shape that the clients of both APIs parse."""
    models = Blueprint("models", __name__)

    @models.get("/v1/models")
    @models.get("/models")
    @access(KEY)
    def page() -> Response:
        return jsonify(listing.page(principal(), request.args))

    @models.get("/v1/models/<path:name>")
    @models.get("/models/<path:name>")
    @access(KEY)
    def one(name: str) -> Response:
        return jsonify(listing.one(name, principal()))

    return models


def _explain(pipeline: Pipeline, surfaces: Sequence[Surface], limits: Limits) -> Blueprint:
    """What would become of a request; no hold, no upstream call, no entry."""
    views = Blueprint("explain", __name__)

    @views.post("/explain")
    @access(KEY)
    def explain() -> Response:
        surface = surface_of(request.args.get("surface", "messages"), surfaces)
        full = _flag("full")
        door = WsgiDoor(request.environ, _unused, limits)
        asked = strictjson.loads_object(door.body())
        return jsonify(Explanation(pipeline, surface, principal(), door.headers, full=full).of(asked))

    return views


def _flag(name: str) -> bool:
    value = request.args.get(name, "false")
    if value not in ("true", "false"):
        raise InvalidRequest(f"{name}: has to be true or false.", param=name)
    return value == "true"


def _unused(*_: Any) -> NoReturn:
    raise LookupError("this request is answered by its view")
