"""A till: the plugins that are installed, wired as an app wires them, and answers to settle on a day of our choice."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gateway_infra_simulator import eventstream

from gateway import config, strictjson
from gateway.app import assemble
from gateway.deployments import Deployments
from gateway.ledger import Report, Timings
from gateway.plugins import discover
from gateway.relay import Relay
from gateway.reply import Reply
from gateway.sse import Event
from gateway.surface import Messages
from gateway.testing import FakeDoor, make_call

TODAY = datetime(2026, 11, 22, 12, tzinfo=UTC)
PROMPT = 300
"""Tokens that a prompt counts as where the host says nothing of it."""

TEXT = "Forty bytes of text are about ten tokens"
"""The answer."""

PLUGINS = [one for one in discover() if one.kind in {"provider", "feature"}]
DEPLOYED = {
    "anthropic": {"api_key": "sk-test"},
    "azure_ai": {"api_key": "test", "api_base": "https://resource.services.ai.azure.com"},
    "vertex_ai": {
        "vertex_project": "project",
        "vertex_location": "global",
        "vertex_credentials": {
            "type": "authorized_user", "client_id": "1", "client_secret": "1", "refresh_token": "1",
        },
    },
    "bedrock": {"api_key": "test", "aws_region_name": "us-east-1"},
}  # fmt: skip
"""What a deployment of each provider has to say; a case may say more."""

CONVERSE = "bedrock/converse/"
"""How a host begins that speaks another language, usage included."""


@dataclass(frozen=True)
class Answer:
    """A host's answer, and what of its request and its deployment can change a price."""

    usage: Mapping[str, Any]
    host: str = "anthropic/claude-opus-4-6"
    at: datetime = TODAY
    asked: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    prices: Mapping[str, str] = field(default_factory=dict)
    stopped: str = "end_turn"


class Till:
    """Settles answers with some plugins and one price book."""

    def __init__(self, plugins=PLUGINS, book="announcement"):
        self.parts = assemble(config.parse(f"pricing: {{book: {book}}}", "till", {}), found=plugins)
        self._settlement = self.parts.pipeline.attempts._settlement

    def settle(self, answer, told=None):
        """The entry, after the answer has gone through a relay, told in one piece unless ``told`` has its pieces."""
        told = told or as_json(answer)
        translated = isinstance(told, Spoken)
        stream = told.stream if translated else told[0].name != "message"
        call = make_call({"stream": stream, **answer.asked}, deployment=self._deployment(answer), at=answer.at)
        provider = self.parts.providers[call.host.provider]
        reply = Reply(FakeDoor(), Messages("anthropic-version"), call.id)
        reply.answer_to(call)

        def settled(usage, outcome, error):
            report = Report(call, 1, outcome, Timings(None, 0, 0), stated=lambda: provider.served(call), error=error)
            return self._settlement.settle(report, usage)

        bursts = provider.events(call, told) if translated else [told]
        return Relay(reply, (), settled, lambda: PROMPT).run(bursts, stream=stream)

    def _deployment(self, answer):
        own = DEPLOYED[answer.host.partition("/")[0]]
        params = {"model": answer.host, **own, **answer.settings, **answer.prices}
        told = config.parse(f"model_list: [{{model_name: one, params: {json.dumps(params)}}}]", "till", {})
        return Deployments(told, self.parts.providers).read()[0]


@dataclass(frozen=True)
class Spoken:
    """What a host says in a language of its own, as its provider reads it."""

    body: bytes
    stream: bool = False
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    def read(self):
        return self.body

    def chunks(self):
        yield self.body


def as_json(answer):
    """The answer in one piece."""
    if answer.host.startswith(CONVERSE):
        message = {"message": {"role": "assistant", "content": [{"text": TEXT}]}}
        return Spoken(strictjson.dumps({"output": message, "stopReason": answer.stopped, "usage": answer.usage}))
    content = [{"type": "text", "text": TEXT}]
    return [event("message", content=content, stop_reason=answer.stopped, usage=answer.usage)]


def as_stream(answer):
    """The answer in pieces: what runs on while it is written comes again at the end, everything else only once.

    The Messages API reference says which is which; the first count of output is a small one.
    """
    if answer.host.startswith(CONVERSE):
        return Spoken(b"".join(frames(answer)), stream=True)
    first = {name: value for name, value in answer.usage.items() if name not in LATE}
    if isinstance(first.get("output_tokens"), int):
        first["output_tokens"] = min(first["output_tokens"], 1)
    return pieces(answer, first, {name: value for name, value in answer.usage.items() if name in RUNNING})


def frames(answer):
    """The answer in Converse's pieces, which tell usage after the end."""
    yield eventstream.event("messageStart", {"role": "assistant"})
    yield eventstream.event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": TEXT}})
    yield eventstream.event("contentBlockStop", {"contentBlockIndex": 0})
    yield eventstream.event("messageStop", {"stopReason": answer.stopped})
    yield eventstream.event("metadata", {"usage": answer.usage})


def pieces(answer, first, *running):
    """A stream whose start says ``first`` of usage, and whose deltas say the running totals."""
    *counts, last = running
    return [
        event("message_start", message={"content": [], "stop_reason": None, "usage": first}),
        event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        event("content_block_delta", index=0, delta={"type": "text_delta", "text": TEXT}),
        event("content_block_stop", index=0),
        *(event("message_delta", delta={}, usage=count) for count in counts),
        event("message_delta", delta={"stop_reason": answer.stopped}, usage=last),
        event("message_stop"),
    ]


COUNTS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
LATE = ("iterations", "server_tool_use")
RUNNING = (*COUNTS, *LATE)
"""What a message_delta may say of usage."""


def event(name, **value):
    return Event(name, strictjson.dumps_lenient({"type": name, **value}))
