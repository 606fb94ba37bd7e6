"""The endpoints of messages: from a request to a message, a stream, an error, or a count of tokens."""

from collections.abc import Collection
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from gateway_infra_simulator import beta, gate, rules
from gateway_infra_simulator.answer import Answer, Reply
from gateway_infra_simulator.ask import Ask
from gateway_infra_simulator.cache import Cache
from gateway_infra_simulator.flow import Event, events
from gateway_infra_simulator.model import find
from gateway_infra_simulator.quota import empty_fast_headers, quota_headers
from gateway_infra_simulator.request import Request
from gateway_infra_simulator.response import Piece, Response, compact, frame
from gateway_infra_simulator.rules import fields, signature
from gateway_infra_simulator.script import Script
from gateway_infra_simulator.seal import Seal, new_id
from gateway_infra_simulator.usage import usage

Body = dict[str, Any]
Headers = tuple[tuple[str, str], ...]

ORGANIZATION = "00000000-0000-4000-8000-000000000000"


def identity(request_id: str) -> Headers:
    """The headers that every answer of the API carries."""
    return (("request-id", request_id), ("anthropic-organization-id", ORGANIZATION))


def json_response(status: int, value: Any, headers: Headers = ()) -> Response:
    """A JSON body."""
    pieces = (Piece(compact(value).encode()),)
    return Response(status, (("content-type", "application/json"), *headers), pieces)


def error_response(status: int, error: Body, request_id: str, headers: Headers = ()) -> Response:
    """An error in the API's shape."""
    body = {"type": "error", "error": error, "request_id": request_id}
    return json_response(status, body, (*identity(request_id), *headers))


class Messages:
    """``/v1/messages`` and ``/v1/messages/count_tokens``."""

    def __init__(self, keys: Collection[str], script: Script, cache: Cache, seal: Seal, era: str) -> None:
        self._keys = keys
        self._script = script
        self._cache = cache
        self._seal = seal
        self._era = era

    def create(self, request: Request, request_id: str) -> Response:
        """One message."""
        ask = self._read(request, counting=False)
        return self._respond(ask, self._script.next(ask), request_id)

    def count(self, request: Request, request_id: str) -> Response:
        """The tokens of a prompt."""
        ask = self._read(request, counting=True)
        counted: Body = {"input_tokens": ask.input_tokens}
        if ask.body.get("context_management") is not None:
            counted["context_management"] = {"original_input_tokens": ask.original_tokens}
        return json_response(200, counted, identity(request_id))

    def _read(self, request: Request, *, counting: bool) -> Ask:
        version = gate.admit(request, self._keys)
        body = gate.read_object(request)
        tokens = beta.sent(request.headers.get("anthropic-beta", ""))
        fields.check(body, version, tokens, counting=counting)
        ask = Ask(body, find(body["model"], self._era), version, tokens, counting)
        rules.check(ask)
        signature.check(ask, self._seal)
        return ask

    def _respond(self, ask: Ask, answer: Answer, request_id: str) -> Response:
        if answer.verbatim is not None:
            return Response(0, (), (Piece(answer.verbatim),), answer.manner, bare=True)
        reply = answer.reply or (None if ask.stream else answer.failure)
        if reply is not None:
            return _reply(reply, answer, request_id)
        message = self._message(ask, answer)
        headers = (*identity(request_id), *quota_headers(message["usage"]), *answer.headers)
        blocks = tuple(self._seal.stamp(block) for block in answer.blocks)
        return _stream(message, blocks, answer, headers) if ask.stream else _whole(message, blocks, answer, headers)

    def _message(self, ask: Ask, answer: Answer) -> Body:
        message: Body = {
            "id": new_id("msg"),
            "type": "message",
            "role": "assistant",
            "model": answer.model or ask.model.id,
            "content": [],
            "stop_reason": answer.stop.reason,
            "stop_sequence": answer.stop.sequence,
            "stop_details": answer.stop.details,
            "usage": usage(ask, answer, self._cache.account(ask.model, ask.parts)),
        }
        if ask.body.get("context_management") is not None:
            message["context_management"] = {"applied_edits": list(ask.edited.applied)}
        return message | answer.message


def _reply(reply: Reply, answer: Answer, request_id: str) -> Response:
    if reply.error is not None:
        pool = empty_fast_headers() if answer.speed == "fast" and reply.status == HTTPStatus.TOO_MANY_REQUESTS else ()
        response = error_response(reply.status, reply.error, request_id, (*pool, *answer.headers))
    else:
        content_type = (("content-type", reply.content_type),) if reply.body else ()
        pieces = (Piece(reply.body.encode()),) if reply.body else ()
        response = Response(reply.status, (*content_type, *identity(request_id), *answer.headers), pieces)
    return replace(response, manner=answer.manner)


def _whole(message: Body, blocks: Any, answer: Answer, headers: Headers) -> Response:
    message = message | {"content": [block.folded for block in blocks]}
    response = json_response(200, message, headers)
    # The message counts as an event, so that the record knows what usage it reported.
    piece = response.pieces[0]._replace(event=Event("message", {"usage": message["usage"]}))
    return replace(response, pieces=(piece,), manner=answer.manner)


def _stream(message: Body, blocks: Any, answer: Answer, headers: Headers) -> Response:
    end = "\r\n" if answer.manner.crlf else "\n"
    pieces = tuple(Piece(frame(event, end), event) for event in events(message, blocks, answer.flow))
    stream = (("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache"))
    return Response(200, (*stream, *headers), pieces, answer.manner, stream=True)
