"""Events of the host to bytes of the client, usage noted on the way, settled exactly once."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.errors import KINDS, ClientLeft, Garbled, GatewayError, UpstreamRefused, visible
from gateway.ledger import Entry, Outcome
from gateway.pricing import dollars
from gateway.provider import Fault
from gateway.redaction import Redaction
from gateway.reply import Reply
from gateway.sse import Event
from gateway.usage import Usage

log = logging.getLogger(__name__)

Settle = Callable[[Usage, Outcome, str], Entry]

PREAMBLE = frozenset({"message_start", "ping"})
"""Events of a stream that say nothing yet."""

_STATUSES = {kind: status for status, kind in sorted(KINDS.items(), reverse=True)}
"""A status for an error that came as an event."""


@dataclass(frozen=True)
class Filter:
    """What a feature wants to see of an answer, and what it makes of it.

    Attributes:
        replace: gets each wanted event; what it returns goes out in its place.
        events: names of events that it wants; ``message`` is a whole JSON answer.
        blocks: types of content blocks whose start, deltas and stop it wants.
    """

    replace: Callable[[Event], Iterable[Event]]
    events: frozenset[str] = frozenset()
    blocks: frozenset[str] = frozenset()
    _open: set[int] = field(default_factory=set, compare=False)

    def apply(self, burst: Sequence[Event]) -> Iterator[Event]:
        """The burst as the feature wants it."""
        for event in burst:
            if self._wants(event):
                yield from self.replace(event)
            else:
                yield event

    def _wants(self, event: Event) -> bool:
        if event.name in self.events:
            return True
        return bool(self.blocks) and event.name.startswith("content_block_") and self._in_block(event)

    def _in_block(self, event: Event) -> bool:
        """Whether the event belongs to a block of a wanted type; a block is known by its index while it is open."""
        if event.name == "content_block_start":
            value = _object(event.json())
            index = value.get("index")
            if not isinstance(index, int) or str(_object(value.get("content_block")).get("type")) not in self.blocks:
                return False
            self._open.add(index)
            return True
        if not self._open:
            return False
        index = _object(event.json()).get("index")
        wanted = isinstance(index, int) and index in self._open
        if wanted and event.name == "content_block_stop":
            self._open.discard(index)
        return wanted


def disjoint(filters: Sequence[Filter]) -> Sequence[Filter]:
    """The filters, if no two of them want the same event: else their order would decide what the client gets.

    Raises:
        GatewayError: two of them do.
    """
    wanted: set[str] = set()
    for one in filters:
        names = one.events | {f"blocks of type {kind}" for kind in one.blocks}
        if wanted & names:
            raise GatewayError(f"Two plugins want to change {min(wanted & names)}; only one of them can.")
        wanted |= names
    return filters


class Relay:
    """Carries one attempt's answer to the client.

    Nothing of a stream leaves before its first content event: until then the attempt can still fail without a trace.

    Args:
        reply: the way to the client.
        filters: what features want of the events.
        settle: prices and records the attempt; called once, whatever happens.
        prompt: the prompt's probable tokens, asked only when nobody ever says what was used.
        redaction: takes out of the host's words what a client must not see.

    Attributes:
        committed: content has left; from here on nothing can be tried again.
    """

    def __init__(
        self,
        reply: Reply,
        filters: Sequence[Filter],
        settle: Settle,
        prompt: Callable[[], int],
        redaction: Redaction | None = None,
    ) -> None:
        self.committed = False
        self._reply = reply
        self._filters = filters
        self._settle = settle
        self._prompt = prompt
        self._redaction = redaction or Redaction()
        self._usage = Usage()

    def run(self, bursts: Iterable[list[Event]], *, stream: bool) -> Entry:
        """Pass everything on, settle, and finish the answer.

        Raises:
            UpstreamError: the answer broke; it is settled, the client is not told yet.
            ClientLeft: nobody is there to be told; it is settled.
        """
        try:
            body = None if stream else self._whole(bursts)
            if stream:
                self._pass_on(bursts)
        except BaseException as error:
            self.broke(error)
            raise
        if self._usage.silent:
            self._usage.assume(self._prompt())
        else:
            if self._usage.promptless:
                self._usage.assume_prompt(self._prompt())
            self._usage.close()
        entry = self._settle(self._usage, "complete", "")
        self._finish(entry, body)
        return entry

    def broke(self, error: BaseException, *, sent: bool = True, answered: bool = True) -> None:
        """Settle an attempt that did not end well with what is known of it.

        Args:
            error: what went wrong.
            sent: the host may have got the request; if it did not, it cost nothing.
            answered: the head of an answer came.
        """
        usage = self._usage
        if sent and not usage.started and not isinstance(error, UpstreamRefused):
            usage.raw = {"input_tokens": self._prompt()}
        elif usage.promptless:
            usage.raw["input_tokens"] = self._prompt()
        if usage.raw:
            usage.close()
        self._settle(usage, self._outcome(error, lost=sent and not answered), _words(error))

    def _outcome(self, error: BaseException, *, lost: bool) -> Outcome:
        if isinstance(error, ClientLeft) or self._usage.started:
            return "cut"
        if isinstance(error, UpstreamRefused):
            return "refused"
        return "unknown" if lost else "failed"

    def _pass_on(self, bursts: Iterable[list[Event]]) -> None:
        held: list[Event] = []
        for burst in bursts:
            error = self._see(burst)
            held += burst
            self.committed = self.committed or any(event.name not in PREAMBLE for event in held)
            if self.committed:
                self._reply.stream(_understood(self._reply.writer.events, self._filtered(held)))
                held = []
            if error is not None:
                raise _as_fault(error).error(self._redaction)
            if self._usage.complete:
                return
        raise Garbled("The host's stream ended before its final event; the answer is not whole.")

    def _whole(self, bursts: Iterable[Sequence[Event]]) -> Event:
        events = [event for burst in bursts for event in burst]
        for event in events:
            if _object(event.json()).get("type") == "error":
                raise _as_fault(event).error(self._redaction)
            self._usage.see(event)
        events = [*self._filtered(events)]
        if len(events) != 1 or events[0].name != "message" or not isinstance(events[0].json(), dict):
            raise Garbled("The host's answer is no message.")
        return events[0]

    def _see(self, burst: list[Event]) -> Event | None:
        """Note the usage of a burst; an error event is taken out of it and returned. What follows an end is dropped."""
        for position, event in enumerate(burst):
            if event.name == "error":
                del burst[position:]
                return event
            self._usage.see(event)
            if self._usage.complete:
                del burst[position + 1 :]
        return None

    def _filtered(self, burst: Sequence[Event]) -> Sequence[Event]:
        for one in self._filters:
            burst = [*one.apply(burst)]
        return burst

    def _finish(self, entry: Entry, body: Event | None) -> None:
        if entry.bill is not None:
            self._reply.headers["gateway-cost-usd"] = dollars(entry.bill.total)
        if entry.unpriced:
            self._reply.headers["gateway-unpriced"] = visible(", ".join(entry.unpriced))
        if body is None:
            self._reply.stream(self._reply.writer.end(entry))
        else:
            self._reply.json(_understood(self._reply.writer.message, body, entry))


def _as_fault(event: Event) -> Fault:
    """An error event is an answer of the host, told in the middle of a stream."""
    told = _object(_object(event.json()).get("error"))
    kind = str(told.get("type") or "api_error")
    return Fault(
        status=_STATUSES.get(kind, 502),
        kind=kind,
        message=str(told.get("message") or "The host ended the stream with an error."),
        ours=kind == KINDS[401],
        details=_object(told.get("details")),
    )


def _understood(write: Callable[..., bytes], *what: Any) -> bytes:
    """What a surface makes of a host's words; those that it trips over are the host's fault, and are logged."""
    try:
        return write(*what)
    except GatewayError:
        raise
    except Exception:
        log.exception("a host's answer could not be understood")
        raise Garbled("The host's answer could not be understood.") from None


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _words(error: BaseException) -> str:
    return error.message if isinstance(error, GatewayError) else type(error).__name__
