"""A till: the plugins that are installed, wired as an app wires them, and answers to settle on a day of our choice."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gateway import config, strictjson
from gateway.app import assemble
from gateway.catalog import parse
from gateway.deployments import Deployments
from gateway.hookspecs import hookimpl
from gateway.ledger import Report, Timings
from gateway.plugins import discover
from gateway.relay import Relay
from gateway.reply import Reply
from gateway.sse import Event
from gateway.surface import Messages
from gateway.testing import FakeDoor, TestHost, found, make_call

TODAY = datetime(2026, 11, 22, 12, tzinfo=UTC)
PROMPT = 300
"""Tokens that a prompt counts as where the host says nothing of it."""

TEXT = "Forty bytes of text are about ten tokens"
"""The answer."""

CLOUD_ROWS = """
[[model]]
provider = ["azure_ai", "vertex_ai", "bedrock"]
upstream = ["claude-opus-4-6", "*anthropic.claude-opus-4-6-v1"]
id = "claude-opus-4-6"
book = "announcement"
surcharge_above = 200000
rates = { input = "5", cache_write_5m = "6.25", cache_write_1h = "10", cache_read = "0.50", output = "25" }
"""
"""Opus 4.6 on the hosts whose packages are not installed."""


def cloud(host):
    """A provider package as it will be, as far as bills are concerned."""

    class Plugin:
        @hookimpl
        def register_provider(self):
            return TestHost(name=host)

        @hookimpl
        def register_catalog(self):
            return [row for row in parse(CLOUD_ROWS, "clouds") if row.provider == host]

    return found(Plugin, host, "provider")


INSTALLED = [one for one in discover() if one.kind in {"provider", "feature"}]
ABSENT = {"azure_ai", "vertex_ai", "bedrock"} - {one.name for one in INSTALLED}
PLUGINS = [*INSTALLED, *(cloud(name) for name in sorted(ABSENT))]


@dataclass(frozen=True)
class Answer:
    """A host's answer, and what of its request and its deployment can change a price."""

    usage: Mapping[str, Any]
    host: str = "anthropic/claude-opus-4-6"
    at: datetime = TODAY
    asked: Mapping[str, Any] = field(default_factory=dict)
    stated: Mapping[str, str] = field(default_factory=dict)
    prices: Mapping[str, str] = field(default_factory=dict)
    stopped: str = "end_turn"


class Till:
    """Settles answers with some plugins and one price book."""

    def __init__(self, plugins=PLUGINS, book="announcement"):
        self.parts = assemble(config.parse(f"pricing: {{book: {book}}}", "till", {}), found=plugins)
        self._settlement = self.parts.pipeline.attempts._settlement

    def settle(self, answer, told=None):
        """The entry, after the answer has gone through a relay, told in one piece unless ``told`` has its pieces."""
        events = told or as_json(answer)
        stream = events[0].name != "message"
        call = make_call({"stream": stream, **answer.asked}, deployment=self._deployment(answer), at=answer.at)
        reply = Reply(FakeDoor(), Messages("anthropic-version"), call.id)
        reply.answer_to(call)

        def settled(usage, outcome, error):
            report = Report(call, 1, outcome, Timings(None, 0, 0), stated=lambda: answer.stated, error=error)
            return self._settlement.settle(report, usage)

        return Relay(reply, (), settled, lambda: PROMPT).run([events], stream=stream)

    def _deployment(self, answer):
        params = {"model": answer.host, **answer.prices}
        told = config.parse(f"model_list: [{{model_name: one, params: {json.dumps(params)}}}]", "till", {})
        return Deployments(told, self.parts.providers).read()[0]


def as_json(answer):
    """The answer in one piece."""
    content = [{"type": "text", "text": TEXT}]
    return [event("message", content=content, stop_reason=answer.stopped, usage=answer.usage)]


def as_stream(answer):
    """The answer in pieces: what runs on while it is written comes again at the end, everything else only once.

    The Messages API reference says which is which; the first count of output is a small one.
    """
    first = {name: value for name, value in answer.usage.items() if name not in LATE}
    if isinstance(first.get("output_tokens"), int):
        first["output_tokens"] = min(first["output_tokens"], 1)
    return pieces(answer, first, {name: value for name, value in answer.usage.items() if name in RUNNING})


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
