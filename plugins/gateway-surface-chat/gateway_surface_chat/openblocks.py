"""Content blocks while they are open: each turns the pieces of one block into chunks.

Text, thinking and arguments come in thousands of small pieces, so their chunks are pasted together around the one
string that changes.
Sources: Messages API reference, "Streaming"; OpenAI API reference, "The chat completion chunk object"; LiteLLM docs for
the fields of thinking.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import orjson

from gateway import strictjson
from gateway_surface_chat.carriers import field_of
from gateway_surface_chat.frame import Frame
from gateway_surface_chat.shape import Block
from gateway_surface_chat.wishes import Wishes

NOTHING = b""


class OpenBlock(Protocol):
    """A content block between its start and its stop."""

    def start(self) -> bytes:
        """Chunks for what the block has from the start."""

    def delta(self, delta: Mapping[str, Any]) -> bytes:
        """The chunk for a piece of it."""

    def stop(self) -> bytes:
        """Chunks for its end."""


class Text:
    """Text becomes content; each citation in it an extra of its own."""

    def __init__(self, block: Block, frame: Frame) -> None:
        self._block = block
        self._frame = frame
        self._before = frame.head + b'{"content":'
        self._after = b"}" + frame.tail

    def start(self) -> bytes:
        """Usually nothing."""
        citations = self._block.get("citations") or ()
        return (self.delta(self._block) if self._block.get("text") else NOTHING) + b"".join(
            self.delta({"citation": citation}) for citation in citations
        )

    def delta(self, delta: Mapping[str, Any]) -> bytes:
        """A piece of text, or a citation."""
        text = delta.get("text")
        if isinstance(text, str):
            return self._before + orjson.dumps(text) + self._after
        return self._frame.fields({"citation": delta["citation"]}) if "citation" in delta else NOTHING

    def stop(self) -> bytes:
        """Nothing."""
        return NOTHING


class Thinking:
    """Thinking goes out as text to read, and as blocks to send back; the two lists are one list.

    Args:
        block: the block at its start.
        frame: writes the chunks.
        index: which of the answer's thinking blocks it is; clients put pieces together by it.
    """

    def __init__(self, block: Block, frame: Frame, index: int) -> None:
        self._block = block
        self._frame = frame
        self._index = index
        piece = b'[{"type":"thinking","thinking":'
        close = b',"index":%d}]' % index
        self._before = frame.head + b'{"reasoning_content":'
        self._between = b',"thinking_blocks":' + piece
        self._again = close + b',"provider_specific_fields":{"thinking_blocks":' + piece
        self._after = close + b"}}" + frame.tail

    def start(self) -> bytes:
        """Usually nothing; redacted thinking is whole from the start."""
        if self._block["type"] == "redacted_thinking":
            return self._blocks({**self._block, "index": self._index})
        thinking = self.delta(self._block) if self._block.get("thinking") else NOTHING
        return thinking + (self._signed(self._block) if self._block.get("signature") else NOTHING)

    def delta(self, delta: Mapping[str, Any]) -> bytes:
        """A piece of thinking, or the signature."""
        text = delta.get("thinking")
        if isinstance(text, str):
            piece = orjson.dumps(text)
            return b"".join((self._before, piece, self._between, piece, self._again, piece, self._after))
        return self._signed(delta) if "signature" in delta else NOTHING

    def stop(self) -> bytes:
        """Nothing."""
        return NOTHING

    def _signed(self, delta: Mapping[str, Any]) -> bytes:
        block = {"type": "thinking", "thinking": "", "signature": delta["signature"], "index": self._index}
        return self._blocks(block, {"reasoning_content": ""})

    def _blocks(self, block: Block, shown: Mapping[str, str] | None = None) -> bytes:
        return self._frame.chunk(
            {**(shown or {}), "thinking_blocks": [block], "provider_specific_fields": {"thinking_blocks": [block]}}
        )


class ToolUse:
    """A call of one of the client's tools.

    Args:
        block: the block at its start.
        frame: writes the chunks.
        index: which of the answer's calls it is.
        wishes: by which name the client knows the tool, and in which form it wants the call.
    """

    def __init__(self, block: Block, frame: Frame, index: int, wishes: Wishes) -> None:
        self._block = block
        self._frame = frame
        self._index = index
        self._wishes = wishes
        self._silent = True
        call = b'{"function_call":' if wishes.legacy else b'{"tool_calls":[{"index":%d,"function":' % index
        self._before = frame.head + call + b'{"arguments":'
        self._after = (b"}}" if wishes.legacy else b"}}]}") + frame.tail

    def start(self) -> bytes:
        """The call's name."""
        function = {"name": self._wishes.name(self._block.get("name")), "arguments": ""}
        if self._wishes.legacy:
            return self._frame.chunk({"function_call": function})
        call = {"index": self._index, "id": self._block.get("id"), "type": "function", "function": function}
        return self._frame.chunk({"tool_calls": [call]})

    def delta(self, delta: Mapping[str, Any]) -> bytes:
        """A piece of its arguments."""
        text = delta.get("partial_json")
        if not text or not isinstance(text, str):
            return NOTHING
        self._silent = False
        return self._before + orjson.dumps(text) + self._after

    def stop(self) -> bytes:
        """A call whose arguments did not come in pieces has them from the start."""
        if not self._silent:
            return NOTHING
        arguments = strictjson.dumps_lenient(self._block.get("input") or {})
        return self._before + orjson.dumps(arguments.decode()) + self._after


class Other:
    """A block that OpenAI has no word for: its start, its pieces, and at its end the whole.

    Args:
        block: the block at its start.
        frame: writes the chunks.
        told: the blocks of its field so far; gets this one when it is whole.
    """

    def __init__(self, block: Block, frame: Frame, told: list[Block]) -> None:
        self._block = dict(block)
        self._frame = frame
        self._told = told
        self._kind = str(block["type"])
        self._pieces: dict[str, list[str]] = {}

    def start(self) -> bytes:
        """The block as it starts."""
        return self._frame.fields({f"{self._kind}_start": self._block})

    def delta(self, delta: Mapping[str, Any]) -> bytes:
        """The piece as it came."""
        for name, value in delta.items():
            if name != "type":
                self._merge(name, value)
        return self._frame.fields({f"{self._kind}_delta": delta})

    def stop(self) -> bytes:
        """All blocks of the field, this one included; sent once a block, so that a stream grows with its content."""
        self._tell()
        return self._frame.fields({field_of(self._kind): self._told})

    def become(self, whole: Block) -> None:
        """A feature knows better how the pieces of such a block belong together: this is what came of them."""
        self._block = dict(whole)
        self._pieces.clear()

    def _merge(self, name: str, value: Any) -> None:
        """Text grows, also from null; anything else is replaced; a null takes nothing away."""
        if isinstance(value, str) and isinstance(self._block.get(name), str | None):
            self._pieces.setdefault(name, []).append(value)
        elif value is not None or name not in self._block:
            self._block[name] = value

    def _tell(self) -> None:
        arguments = "".join(self._pieces.pop("partial_json", ()))
        if arguments:
            self._block["input"] = _parsed(arguments)
        for name, pieces in self._pieces.items():
            self._block[name] = (self._block.get(name) or "") + "".join(pieces)
        self._told.append(self._block)


class Series(Other):
    """A block of a server tool; its field is sent at the end of the answer, with all blocks of its kind."""

    def start(self) -> bytes:
        """Nothing yet."""
        return NOTHING

    def delta(self, delta: Mapping[str, Any]) -> bytes:
        """Nothing yet."""
        super().delta(delta)
        return NOTHING

    def stop(self) -> bytes:
        """Nothing yet."""
        self._tell()
        return NOTHING


def _parsed(text: str) -> Any:
    """Arguments that are cut off stay the text that they are."""
    try:
        return strictjson.loads_lenient(text.encode())
    except ValueError:
        return text
