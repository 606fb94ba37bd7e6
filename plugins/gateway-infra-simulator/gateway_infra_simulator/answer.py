"""An answer: what the simulator says to one call, from an ordinary text to a connection that breaks off.

An answer is a value. The class methods make one, the other methods return a changed copy, and ``+`` joins the blocks
of two: ``(Answer.thinking("Hm.") + Answer.tools("add", {"a": 1})).drip(16, 5)``.
"""

import json
import secrets
from dataclasses import dataclass, field, replace
from typing import Any

from gateway_infra_simulator.block import SIGN_LATER, Block
from gateway_infra_simulator.flow import COMMENT, Flow, Insert
from gateway_infra_simulator.manner import Cut, Drip, Manner, Silence
from gateway_infra_simulator.refusal import STATUSES, kind_of

Body = dict[str, Any]


@dataclass(frozen=True)
class Stop:
    """Why the message ends."""

    reason: str = "end_turn"
    sequence: str | None = None
    details: Body | None = None


@dataclass(frozen=True)
class Reply:
    """An HTTP answer that is no message: an error in the API's shape, or any body.

    ``host`` says that the error comes from the host itself, which may word it in another shape than the model's API.
    """

    status: int
    error: Body | None = None
    body: str = ""
    content_type: str = "application/json"
    host: bool = False


@dataclass(frozen=True)
class Answer:
    """What to say, in which order, and in which manner.

    Attributes:
        blocks: the content.
        stop: the end of the message.
        model: the model named in the answer; None is the one that was asked.
        usage: laid over the usage that the simulator counts.
        without: usage fields that are left out.
        passes: usage lists its passes; a summary at the start is a pass of its own.
        speed: only for requests that are served at this speed; the others pass it by.
        message: further fields of the message.
        headers: further response headers.
        reply: an HTTP answer instead of a message.
        verbatim: bytes that are the whole answer, status line included.
        flow: changes to the events of a stream.
        manner: how the bytes travel.
    """

    blocks: tuple[Block, ...] = ()
    stop: Stop = field(default_factory=Stop)
    model: str | None = None
    usage: Body = field(default_factory=dict)
    without: tuple[str, ...] = ()
    passes: bool = False
    speed: str | None = None
    message: Body = field(default_factory=dict)
    headers: tuple[tuple[str, str], ...] = ()
    reply: Reply | None = None
    verbatim: bytes | None = None
    flow: Flow = field(default_factory=Flow)
    manner: Manner = field(default_factory=Manner)

    # ------------------------------------------------------------------------------------------------ messages

    @classmethod
    def of(cls, *blocks: Block, stop_reason: str = "end_turn") -> "Answer":
        """Any blocks."""
        return cls(blocks, Stop(stop_reason))

    @classmethod
    def text(cls, text: str, chunks: int = 4) -> "Answer":
        """A text, streamed in so many deltas."""
        return cls.of(Block.text(text, chunks))

    @classmethod
    def thinking(cls, text: str, signature: str = SIGN_LATER, display: str = "summarized") -> "Answer":
        """Thinking, signed by the simulator unless a signature is given; usually followed by ``+ Answer.text(...)``."""
        return cls.of(Block.thinking(text, signature, display))

    @classmethod
    def redacted_thinking(cls, data: str = SIGN_LATER) -> "Answer":
        """Encrypted thinking."""
        return cls.of(Block.redacted_thinking(data))

    @classmethod
    def compaction(cls, summary: str | None = "[simulated] What was said before.", *, pause: bool = False) -> "Answer":
        """A summary of the conversation, after which the message ends if it pauses; None for one that failed.

        Usage counts the summing-up as a pass of its own.
        """
        return cls((Block.compaction(summary),), Stop("compaction" if pause else "end_turn"), passes=True)

    @classmethod
    def tools(cls, *calls: tuple[str, Body] | str, chunks: int = 3) -> "Answer":
        """Parallel tool calls, each a name and an input; a bare name has an empty input."""
        pairs = [(call, {}) if isinstance(call, str) else call for call in calls]
        return cls.of(*(Block.tool_use(name, value, chunks=chunks) for name, value in pairs), stop_reason="tool_use")

    @classmethod
    def refusal(cls, text: str = "", category: str | None = "cyber", explanation: str | None = None) -> "Answer":
        """A refusal by the model, which is a 200; without text, nothing was produced before it."""
        details = {"type": "refusal", "category": category, "explanation": explanation}
        return cls((Block.text(text),) if text else (), Stop("refusal", None, details))

    @classmethod
    def web_search(cls, query: str = "weather", text: str = "[simulated] It is sunny.", searches: int = 1) -> "Answer":
        """Searches that the server ran, their results, and a text that cites them."""
        pairs = [_search(query, number) for number in range(searches)]
        said = Block.text(text, citations=(_citation(query),))
        return cls.of(*(block for pair in pairs for block in pair), said)

    # ------------------------------------------------------------------------------------------------- replies

    @classmethod
    def error(
        cls, status: int, message: str = "", kind: str = "", retry_after: int | None = None, details: Body | None = None
    ) -> "Answer":
        """An error in the API's shape; its type follows from the status unless it is given."""
        error: Body = {"type": kind or kind_of(status), "message": message or f"[simulated] status {status}"}
        headers = () if retry_after is None else (("retry-after", str(retry_after)),)
        return cls(reply=Reply(status, error if details is None else error | {"details": details}), headers=headers)

    @classmethod
    def host_error(
        cls, status: int = 503, message: str = "", code: str = "", retry_after: int | None = None
    ) -> "Answer":
        """An error of the host itself, in its own shape: that of Azure, of Google or of AWS.

        ``code`` is Azure's ``code`` or Google's ``status``; it follows from the status unless it is given.
        """
        answer = cls.error(status, message, retry_after=retry_after)
        error = {"type": kind_of(status), "message": message or f"[simulated] status {status}", "code": code}
        return replace(answer, reply=Reply(status, error, host=True))

    @classmethod
    def fast_limit(cls, retry_after: int = 30) -> "Answer":
        """The pool of fast mode is empty: a 429 for requests that are served fast, nothing to the others."""
        return cls.error(429, "[simulated] The fast mode pool is empty", retry_after=retry_after).for_speed("fast")

    @classmethod
    def redirect(cls, location: str, status: int = 307) -> "Answer":
        """A redirect."""
        return cls(reply=Reply(status), headers=(("location", location),))

    @classmethod
    def html(cls, status: int = 502, body: str = "<html><body><h1>502 Bad Gateway</h1></body></html>") -> "Answer":
        """A page, as proxies between client and API make them."""
        return cls(reply=Reply(status, body=body, content_type="text/html"))

    @classmethod
    def empty(cls, status: int = 200) -> "Answer":
        """No body at all."""
        return cls(reply=Reply(status))

    @classmethod
    def raw(cls, data: bytes) -> "Answer":
        """These bytes and nothing else, status line and headers included; then the connection closes."""
        return cls(verbatim=data)

    # ------------------------------------------------------------------------------------------ what is said

    def __add__(self, other: "Answer") -> "Answer":
        """The blocks of both; everything else is the second's, with the first's usage below it."""
        passes = self.passes or other.passes
        return replace(other, blocks=self.blocks + other.blocks, usage=self.usage | other.usage, passes=passes)

    def with_stop(self, reason: str, sequence: str | None = None, details: Body | None = None) -> "Answer":
        """Another stop reason, known or not."""
        return replace(self, stop=Stop(reason, sequence, details))

    def with_model(self, model: str) -> "Answer":
        """Another model named in the answer."""
        return replace(self, model=model)

    def with_usage(self, *, without: tuple[str, ...] = (), **fields: Any) -> "Answer":
        """Usage fields of any name and value; those in ``without`` are left out."""
        return replace(self, usage=self.usage | fields, without=self.without + without)

    def with_passes(self) -> "Answer":
        """Usage that lists its passes in ``iterations``."""
        return replace(self, passes=True)

    def for_speed(self, speed: str) -> "Answer":
        """The same, but only for requests that are served at this speed."""
        return replace(self, speed=speed)

    def with_message(self, **fields: Any) -> "Answer":
        """Further fields of the message, such as ``container`` or ``context_management``."""
        return replace(self, message=self.message | fields)

    def with_headers(self, headers: dict[str, str]) -> "Answer":
        """Further response headers."""
        return replace(self, headers=(*self.headers, *headers.items()))

    # ------------------------------------------------------------------------------------------ in which order

    def with_pings(self, pings: int) -> "Answer":
        """So many ``ping`` events; 0 for none."""
        return self._flowing(pings=pings)

    def with_deltas(self, deltas: int) -> "Answer":
        """So many ``message_delta`` events, their output tokens growing."""
        return self._flowing(deltas=deltas)

    def with_event(self, name: str, data: Body, at: int = 0) -> "Answer":
        """A further event of any name, as number ``at`` of the stream."""
        return self._flowing(inserts=(*self.flow.inserts, Insert(at, name, data)))

    def with_comment(self, text: str, at: int = 0) -> "Answer":
        """A comment line, such as a proxy sends to keep a connection open, as number ``at`` of the stream."""
        return self.with_event(COMMENT, {"text": text}, at)

    def truncated(self, events: int = -1) -> "Answer":
        """A stream that ends early, yet in order; by default only ``message_stop`` is missing."""
        return self._flowing(keep=events)

    def failing(self, after: int, kind: str = "overloaded_error", message: str = "Overloaded") -> "Answer":
        """An ``error`` event after so many events; a JSON answer fails with the status of that error."""
        return self._flowing(keep=after, error={"type": kind, "message": message})

    # ------------------------------------------------------------------------------------------ in which manner

    def framed(self, framing: str) -> "Answer":
        """Another framing: ``chunked``, ``content-length``, ``close``, or one of the wrong ones."""
        return self._mannered(framing=framing)

    def crlf(self) -> "Answer":
        """Lines of the stream end with CR LF."""
        return self._mannered(crlf=True)

    def drip(self, size: int, milliseconds: float = 0.0) -> "Answer":
        """Pieces of so many bytes, so many milliseconds apart."""
        return self._mannered(drip=Drip(size, milliseconds))

    def split_each_byte(self) -> "Answer":
        """Every byte of the body by itself, without delay."""
        return self.drip(1)

    def silent(self, seconds: float, at: str = "after_message_start") -> "Answer":
        """A silence at one place; the places are in ``manner.PLACES``."""
        return self._mannered(silence=Silence(seconds, at))

    def cut(self, offset: int, how: str = "fin", of: str = "body") -> "Answer":
        """The connection ends after so many bytes, by ``fin`` or ``rst``."""
        return self._mannered(cut=Cut(offset, how, of))

    @property
    def failure(self) -> Reply | None:
        """The HTTP error that stands for a failing stream where no stream was asked for."""
        error = self.flow.error
        return None if error is None else Reply(STATUSES.get(error["type"], 500), error)

    def _flowing(self, **changes: Any) -> "Answer":
        return replace(self, flow=replace(self.flow, **changes))

    def _mannered(self, **changes: Any) -> "Answer":
        return replace(self, manner=replace(self.manner, **changes))


def _search(query: str, number: int) -> tuple[Block, Block]:
    tool_id = f"srvtoolu_01{secrets.token_hex(11)}"
    result = {
        "type": "web_search_result",
        "url": f"https://example.com/{number}",
        "title": query,
        "encrypted_content": "c2ltdWxhdGVk",
        "page_age": None,
    }
    found = {"type": "web_search_tool_result", "tool_use_id": tool_id, "content": [result]}
    return Block.server_tool_use("web_search", {"query": query}, tool_id), Block.whole(found)


def _citation(query: str) -> Body:
    return {
        "type": "web_search_result_location",
        "url": "https://example.com/0",
        "title": query,
        "encrypted_index": "c2ltdWxhdGVk",
        "cited_text": json.dumps(query),
    }
