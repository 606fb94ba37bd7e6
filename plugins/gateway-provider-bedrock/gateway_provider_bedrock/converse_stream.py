"""A stream of Converse as events of the Messages API.

Source: service model of bedrock-runtime (``ConverseStreamOutput``). Three things differ, and are made up for here:

* Only tool blocks have a start of their own; text and reasoning begin with their first delta.
* Usage comes after the end. So ``message_delta`` and ``message_stop`` wait for it, and ``message_start`` carries zeros;
  the true counts, input included, stand in ``message_delta``, from where official clients take them.
* Blocks have numbers and may, in principle, mix. In Messages one follows the other, so a later one waits for its turn.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from gateway import Event
from gateway_provider_bedrock import converse_blob, converse_citation
from gateway_provider_bedrock.converse_answer import NOTHING_USED, ending, fields, usage
from gateway_provider_bedrock.converse_form import Body


class _Block:
    """One block: how it starts, and what has come of it and is not given out yet.

    Attributes:
        start: the block in ``content_block_start``.
        deltas: pieces that wait.
        tail: pieces of a signature or of encrypted reasoning, which clients take whole.
        started: its start was given out.
        ended: nothing more will come.
    """

    def __init__(self, start: Body) -> None:
        self.start = start
        self.deltas: list[Body] = []
        self.tail: list[str] = []
        self.started = False
        self.ended = False

    @property
    def kind(self) -> str:
        """The block's type."""
        return str(self.start["type"])

    def take(self, index: int) -> Iterator[Body]:
        """The events that can go out now."""
        if self.kind == "redacted_thinking":
            if not self.ended:
                return
            self.start["data"] = converse_blob.to_data(converse_blob.join(self.tail))
        elif self.ended and self.tail:
            self.deltas.append({"type": "signature_delta", "signature": "".join(self.tail)})
        if not self.started:
            self.started = True
            yield {"type": "content_block_start", "index": index, "content_block": self.start}
        ready, self.deltas = self.deltas, []
        for delta in ready:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        if self.ended:
            yield {"type": "content_block_stop", "index": index}


class Stream:
    """Turns the events of one stream, in their order, into Messages events.

    Args:
        id: the message's id, which Converse does not give.
        model: the model's name, which it does not give either.
    """

    def __init__(self, id: str, model: str) -> None:  # noqa: A002 - the field's own name
        self._message: Body = {
            "id": id,
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": NOTHING_USED,
        }
        self._started = False
        self._waiting: deque[_Block] = deque()
        self._open: dict[Any, _Block] = {}
        self._given = 0
        self._end: Body | None = None
        self._metadata: Body | None = None
        self._over = False

    def events(self, name: str, payload: Body) -> list[Event]:
        """What one event of the host amounts to; nothing for an unknown one.

        Args:
            name: the event's type, such as ``contentBlockDelta``.
            payload: its JSON.
        """
        if self._over or name not in _READERS:
            return []
        getattr(self, _READERS[name])(fields(payload))
        return [Event.of(value) for value in (*self._begin(), *self._turns(), *self._finish())]

    def _begin(self) -> Iterator[Body]:
        """The start of the message, whatever event the host begins with."""
        if not self._started:
            self._started = True
            yield {"type": "message_start", "message": self._message}

    def _turns(self) -> Iterator[Body]:
        """Events of the block whose turn it is, and of those after it once it has ended."""
        while self._waiting:
            block = self._waiting[0]
            yield from block.take(self._given)
            if not block.ended:
                return
            self._waiting.popleft()
            self._given += 1

    def _finish(self) -> Iterator[Body]:
        """The end, once the host has told both that it is over and what it cost."""
        if self._end is None or self._metadata is None:
            return
        self._over = True
        own = fields(self._end.get("additionalModelResponseFields"))
        yield {
            "type": "message_delta",
            "delta": ending(self._end.get("stopReason"), own),
            "usage": usage(self._metadata.get("usage"), own),
        }
        yield {"type": "message_stop"}

    def _see_start(self, payload: Body) -> None:
        """A message begins; its role is known."""

    def _see_block_start(self, payload: Body) -> None:
        use = fields(fields(payload.get("start")).get("toolUse"))
        if use:
            tool: Body = {"type": "tool_use", "id": use.get("toolUseId"), "name": use.get("name"), "input": {}}
            self._add(payload.get("contentBlockIndex"), tool)

    def _see_delta(self, payload: Body) -> None:
        place, delta = payload.get("contentBlockIndex"), fields(payload.get("delta"))
        reasoning = fields(delta.get("reasoningContent"))
        self._text(place, delta.get("text"))
        self._citation(place, delta.get("citation"))
        self._input(place, fields(delta.get("toolUse")).get("input"))
        self._thinking(place, reasoning.get("text"))
        self._tail(place, reasoning.get("signature"), {"type": "thinking", "thinking": "", "signature": ""})
        self._tail(place, reasoning.get("redactedContent"), {"type": "redacted_thinking"})

    def _see_block_stop(self, payload: Body) -> None:
        block = self._open.pop(_key(payload.get("contentBlockIndex")), None)
        if block is not None:
            block.ended = True

    def _see_stop(self, payload: Body) -> None:
        """Whatever has no stop of its own ends here."""
        self._end = payload
        self._close(self._waiting)

    def _see_metadata(self, payload: Body) -> None:
        self._metadata = payload
        if self._end is not None:
            self._close(self._waiting)

    def _text(self, place: Any, text: Any) -> None:
        if text and isinstance(text, str):
            self._block(place, {"type": "text", "text": ""}).deltas.append({"type": "text_delta", "text": text})

    def _citation(self, place: Any, said: Any) -> None:
        citation = converse_citation.read(said)
        if citation is not None:
            block = self._block(place, {"type": "text", "text": "", "citations": []})
            block.deltas.append({"type": "citations_delta", "citation": citation})

    def _input(self, place: Any, piece: Any) -> None:
        block = self._open.get(_key(place))
        if piece and isinstance(piece, str) and block is not None and block.kind == "tool_use":
            block.deltas.append({"type": "input_json_delta", "partial_json": piece})

    def _thinking(self, place: Any, text: Any) -> None:
        if text and isinstance(text, str):
            block = self._block(place, {"type": "thinking", "thinking": "", "signature": ""})
            block.deltas.append({"type": "thinking_delta", "thinking": text})

    def _tail(self, place: Any, piece: Any, start: Body) -> None:
        if piece and isinstance(piece, str):
            self._block(place, start).tail.append(piece)

    def _block(self, place: Any, start: Body) -> _Block:
        """The open block at a place, if it is of this type; else a new one."""
        block = self._open.get(_key(place))
        return block if block is not None and block.kind == start["type"] else self._add(place, start)

    def _add(self, place: Any, start: Body) -> _Block:
        self._see_block_stop({"contentBlockIndex": place})
        block = self._open[_key(place)] = _Block(start)
        self._waiting.append(block)
        return block

    def _close(self, blocks: Iterable[_Block]) -> None:
        for block in blocks:
            block.ended = True
        self._open.clear()


def _key(place: Any) -> int:
    return place if isinstance(place, int) else -1


_READERS = {
    "messageStart": "_see_start",
    "contentBlockStart": "_see_block_start",
    "contentBlockDelta": "_see_delta",
    "contentBlockStop": "_see_block_stop",
    "messageStop": "_see_stop",
    "metadata": "_see_metadata",
}
