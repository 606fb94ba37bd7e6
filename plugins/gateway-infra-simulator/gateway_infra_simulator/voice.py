"""A voice: how a host words what the model says, that is headers, ids, errors, JSON and the frames of a stream."""

from typing import Any

from gateway_infra_simulator.flow import Event
from gateway_infra_simulator.manner import Manner
from gateway_infra_simulator.refusal import RefusalError, error_body
from gateway_infra_simulator.request import Request
from gateway_infra_simulator.response import Headers, Piece, Response, frame, json_response
from gateway_infra_simulator.wire import Endpoint

Body = dict[str, Any]


UNPLACED = {"inference_geo": "not_available"}
"""What usage says of the place where a host has no such parameter."""


class Voice:
    """As the API has it; a host overrides what it words in its own way.

    Attributes:
        message_id: how the id of a message begins.
        content_type: that of a stream.
    """

    message_id = "msg"
    content_type = "text/event-stream; charset=utf-8"

    def identity(self, request_id: str) -> Headers:
        """The headers that every answer carries."""
        return (("request-id", request_id),)

    def quota(self, _usage: Body, /) -> Headers:
        """The headers that say what is left after a message."""
        return ()

    def empty(self) -> Headers:
        """The headers that say that nothing is left of fast mode."""
        return ()

    def error(self, status: int, error: Body, request_id: str, headers: Headers = ()) -> Response:
        """An error that comes from behind the host, from the model's own API: ``{"type", "message"}``."""
        return json_response(status, error_body(error, request_id), (*self.identity(request_id), *headers))

    def host_error(self, status: int, error: Body, request_id: str, headers: Headers = ()) -> Response:
        """The same error, if it comes from the host itself; its ``code`` is the host's word for it, or empty."""
        plain = {key: value for key, value in error.items() if key != "code"}
        return self.error(status, plain, request_id, headers)

    def refuse(self, refusal: RefusalError, request_id: str) -> Response:
        """A refusal; who refuses is in its body."""
        return json_response(refusal.status, refusal.body(request_id), self.identity(request_id))

    def stated(self, usage: Body) -> Body:
        """The usage as the host states it."""
        return usage

    def whole(self, message: Body) -> Any:
        """The JSON of a finished message."""
        return message

    def pieces(self, stream: list[Event], manner: Manner) -> tuple[Piece, ...]:
        """The frames of a stream; the event of a piece is the one that is complete with it."""
        end = "\r\n" if manner.crlf else "\n"
        return tuple(Piece(frame(event, end), event) for event in stream)

    def guard(self, endpoint: Endpoint) -> Endpoint:
        """An endpoint whose refusals are worded by this voice."""

        def answer(request: Request, request_id: str) -> Response:
            try:
                return endpoint(request, request_id)
            except RefusalError as refusal:
                return self.refuse(refusal, request_id)

        return answer
