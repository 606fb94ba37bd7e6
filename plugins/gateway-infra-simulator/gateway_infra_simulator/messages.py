"""Messages: from the body of a request to a message, a stream, an error, or a count of tokens, on any wire."""

from dataclasses import replace
from http import HTTPStatus
from typing import Any

from gateway_infra_simulator import rules
from gateway_infra_simulator.answer import Answer, Reply
from gateway_infra_simulator.ask import Ask
from gateway_infra_simulator.block import Block
from gateway_infra_simulator.cache import Cache
from gateway_infra_simulator.flow import Event, events
from gateway_infra_simulator.model import find
from gateway_infra_simulator.response import Headers, Piece, Response, json_response
from gateway_infra_simulator.rules import fields, signature
from gateway_infra_simulator.script import Script
from gateway_infra_simulator.seal import Seal, new_id
from gateway_infra_simulator.usage import usage
from gateway_infra_simulator.voice import Voice

Body = dict[str, Any]


class Messages:
    """What all wires share: the rules, the script, the prompt cache and the signatures of one simulator.

    A wire lets the caller in, takes the body out of its envelope, and says in which voice the answer is given.
    """

    def __init__(self, script: Script, cache: Cache, seal: Seal, era: str) -> None:
        self._script = script
        self._cache = cache
        self._seal = seal
        self._era = era

    @property
    def era(self) -> str:
        """The time whose rules for models are played."""
        return self._era

    def read(self, body: Body, version: str, tokens: frozenset[str] = frozenset(), *, counting: bool = False) -> Ask:
        """The ask of a body in the API's own form, ``model`` and ``stream`` included; RefusalError if a rule is broken.

        ``version`` is a date as in the ``anthropic-version`` header; ``tokens`` are betas, which the wire has checked.
        """
        fields.check(body, version, tokens, counting=counting)
        ask = Ask(body, find(body["model"], self._era), version, tokens, counting)
        rules.check(ask)
        signature.check(ask, self._seal)
        return ask

    def respond(self, ask: Ask, voice: Voice, request_id: str) -> Response:
        """What the script has for an ask."""
        answer = self._script.next(ask)
        if answer.verbatim is not None:
            return Response(0, (), (Piece(answer.verbatim),), answer.manner, bare=True)
        reply = answer.reply or (None if ask.stream else answer.failure)
        if reply is not None:
            return _reply(reply, answer, voice, request_id)
        message = self._message(ask, answer, voice)
        headers = (*voice.identity(request_id), *voice.quota(message["usage"]), *answer.headers)
        blocks = tuple(self._seal.stamp(block) for block in answer.blocks)
        return (_stream if ask.stream else _whole)(message, blocks, answer, voice, headers)

    def count(self, ask: Ask) -> Body:
        """The tokens of a prompt, as the API counts them out."""
        counted: Body = {"input_tokens": ask.input_tokens}
        if ask.body.get("context_management") is not None:
            counted["context_management"] = {"original_input_tokens": ask.original_tokens}
        return counted

    def _message(self, ask: Ask, answer: Answer, voice: Voice) -> Body:
        message: Body = {
            "id": new_id(voice.message_id),
            "type": "message",
            "role": "assistant",
            "model": answer.model or ask.model.id,
            "content": [],
            "stop_reason": answer.stop.reason,
            "stop_sequence": answer.stop.sequence,
            "stop_details": answer.stop.details,
            "usage": voice.stated(usage(ask, answer, self._cache.account(ask.model, ask.parts))),
        }
        if ask.body.get("context_management") is not None:
            message["context_management"] = {"applied_edits": list(ask.edited.applied)}
        return message | answer.message


def _reply(reply: Reply, answer: Answer, voice: Voice, request_id: str) -> Response:
    if reply.error is not None:
        say = voice.host_error if reply.host else voice.error
        pool = voice.empty() if answer.speed == "fast" and reply.status == HTTPStatus.TOO_MANY_REQUESTS else ()
        response = say(reply.status, reply.error, request_id, (*pool, *answer.headers))
    else:
        content_type = (("content-type", reply.content_type),) if reply.body else ()
        pieces = (Piece(reply.body.encode()),) if reply.body else ()
        response = Response(reply.status, (*content_type, *voice.identity(request_id), *answer.headers), pieces)
    return replace(response, manner=answer.manner)


def _whole(message: Body, blocks: tuple[Block, ...], answer: Answer, voice: Voice, headers: Headers) -> Response:
    message = message | {"content": [block.folded for block in blocks]}
    response = json_response(200, voice.whole(message), headers)
    # The message counts as an event, so that the record knows what usage it reported.
    piece = response.pieces[0]._replace(event=Event("message", {"usage": message["usage"]}))
    return replace(response, pieces=(piece,), manner=answer.manner)


def _stream(message: Body, blocks: tuple[Block, ...], answer: Answer, voice: Voice, headers: Headers) -> Response:
    pieces = voice.pieces(events(message, blocks, answer.flow), answer.manner)
    stream = (("content-type", voice.content_type), ("cache-control", "no-cache"))
    return Response(200, (*stream, *headers), pieces, answer.manner, stream=True)
