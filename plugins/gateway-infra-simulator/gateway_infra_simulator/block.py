"""A content block of an answer: how it starts, the deltas that follow, and what it is in the end."""

import json
from dataclasses import dataclass
from typing import Any

Body = dict[str, Any]

SIGN_LATER = ""
"""In place of an id, signature or encrypted data: the simulator makes one each time that the block is sent."""


@dataclass(frozen=True)
class Block:
    """One content block, known or unknown to the API.

    Attributes:
        start: the object in ``content_block_start``.
        deltas: the objects in the ``content_block_delta`` events.
        final: the object in a JSON answer; worked out from start and deltas if not given.
        hidden: text that was produced and is counted, but not shown.
    """

    start: Body
    deltas: tuple[Body, ...] = ()
    final: Body | None = None
    hidden: str = ""

    @classmethod
    def text(cls, text: str, chunks: int = 4, citations: tuple[Body, ...] = ()) -> "Block":
        """A text block; with citations, their deltas come before the text."""
        start: Body = {"type": "text", "text": ""}
        cited = tuple({"type": "citations_delta", "citation": citation} for citation in citations)
        said = tuple({"type": "text_delta", "text": part} for part in slices(text, chunks))
        return cls(start | {"citations": []} if citations else start, cited + said)

    @classmethod
    def thinking(cls, text: str, signature: str = SIGN_LATER, display: str = "summarized", chunks: int = 2) -> "Block":
        """A thinking block; ``display="omitted"`` hides the text, so that one signature delta is all."""
        shown, hidden = ("", text) if display == "omitted" else (text, "")
        thought = tuple({"type": "thinking_delta", "thinking": part} for part in slices(shown, chunks))
        start = {"type": "thinking", "thinking": "", "signature": ""}
        return cls(start, (*thought, {"type": "signature_delta", "signature": signature}), hidden=hidden)

    @classmethod
    def redacted_thinking(cls, data: str = SIGN_LATER) -> "Block":
        """Encrypted thinking; whole in its start event."""
        return cls({"type": "redacted_thinking", "data": data})

    @classmethod
    def compaction(cls, summary: str | None, encrypted: str = SIGN_LATER) -> "Block":
        """A summary, whole in its one delta; without one, the summing-up has failed."""
        delta: Body = {"type": "compaction_delta", "content": summary}
        sealed = delta if summary is None else delta | {"encrypted_content": encrypted}
        return cls({"type": "compaction", "content": None}, (sealed,))

    @classmethod
    def tool_use(cls, name: str, tool_input: Body, tool_id: str = SIGN_LATER, chunks: int = 3) -> "Block":
        """A tool call; its input arrives as pieces of JSON text, an empty one as a single empty piece."""
        return cls({"type": "tool_use", "id": tool_id, "name": name, "input": {}}, _json_deltas(tool_input, chunks))

    @classmethod
    def server_tool_use(cls, name: str, tool_input: Body, tool_id: str, chunks: int = 2) -> "Block":
        """A call of a tool that the server runs itself."""
        start = {"type": "server_tool_use", "id": tool_id, "name": name, "input": {}}
        return cls(start, _json_deltas(tool_input, chunks))

    @classmethod
    def whole(cls, content: Body) -> "Block":
        """Any block that is complete in its start event."""
        return cls(content)

    @property
    def kind(self) -> str:
        """The block's type."""
        return str(self.start.get("type", ""))

    @property
    def folded(self) -> Body:
        """The block as a JSON answer has it."""
        return self.final if self.final is not None else fold(self.start, self.deltas)


def fold(start: Body, deltas: tuple[Body, ...]) -> Body:
    """A block from its start and deltas: texts are appended, JSON pieces parsed, everything else assigned."""
    final = dict(start)
    pieces = [delta["partial_json"] for delta in deltas if delta.get("type") == "input_json_delta"]
    if pieces:
        final["input"] = json.loads("".join(pieces) or "{}")
    for delta in deltas:
        _add(final, delta)
    return final


def slices(text: str, count: int) -> list[str]:
    """A text in at most so many pieces of about the same length."""
    step = max(1, -(-len(text) // max(1, count)))
    return [text[at : at + step] for at in range(0, len(text), step)]


def _add(final: Body, delta: Body) -> None:
    match delta.get("type"):
        case "text_delta":
            final["text"] += delta["text"]
        case "thinking_delta":
            final["thinking"] += delta["thinking"]
        case "citations_delta":
            final["citations"] = [*final.get("citations", ()), delta["citation"]]
        case "input_json_delta":
            pass
        case _:
            final.update({key: value for key, value in delta.items() if key != "type"})


def _json_deltas(value: Body, chunks: int) -> tuple[Body, ...]:
    text = json.dumps(value, ensure_ascii=False) if value else ""
    return tuple({"type": "input_json_delta", "partial_json": part} for part in ("", *slices(text, chunks)))
