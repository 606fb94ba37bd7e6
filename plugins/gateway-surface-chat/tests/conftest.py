"""A chat client and a host in memory: what one sends is read, what the other says is written and put together."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from gateway_surface_chat import Chat

from gateway import Call, Event
from gateway.testing import make_call, make_entry

MODEL = "claude-test-1"
USAGE = {"input_tokens": 10, "output_tokens": 5}

Message = dict[str, Any]


def asking(**fields: Any) -> Message:
    """A chat request."""
    return {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], **fields}


def saying(*content: Message, **fields: Any) -> Message:
    """A host's answer."""
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": MODEL, "content": [*content]}
    return {**message, "stop_reason": "end_turn", "stop_sequence": None, "usage": USAGE, **fields}


def call_for(asked: Message) -> Call:
    """The call of a chat request."""
    return make_call(asked=asked, model=asked["model"], surface="chat", stream=asked.get("stream") is True)


def events_of(message: Message, size: int = 3) -> Iterator[Event]:
    """The stream that says what a message says, in pieces of so many characters."""
    late = ("stop_reason", "stop_details", "container", "context_management")
    start = {name: value for name, value in message.items() if name not in late} | {"content": [], "stop_reason": None}
    yield Event.of({"type": "message_start", "message": start})
    for index, block in enumerate(message["content"]):
        empty, deltas = _in_pieces(block, size)
        yield Event.of({"type": "content_block_start", "index": index, "content_block": empty})
        for delta in deltas:
            yield Event.of({"type": "content_block_delta", "index": index, "delta": delta})
        yield Event.of({"type": "content_block_stop", "index": index})
        yield Event.of({"type": "ping"})
    delta = {name: message[name] for name in late[:3] if name in message}
    value = {"type": "message_delta", "delta": delta, "usage": message["usage"]}
    yield Event.of(value | {name: message[name] for name in late[3:] if name in message})
    yield Event.of({"type": "message_stop"})


def _in_pieces(block: Message, size: int) -> tuple[Message, list[Message]]:
    cut = lambda text: [text[at : at + size] for at in range(0, len(text), size)]  # noqa: E731 - two words
    empty, deltas = dict(block), []
    for name, value, kind in (("text", "", "text_delta"), ("thinking", "", "thinking_delta")):
        if name in block:
            empty[name] = value
            deltas += [{"type": kind, name: piece} for piece in cut(block[name])]
    if "signature" in block:
        empty["signature"] = ""
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
    if block.get("citations"):
        empty["citations"] = []
        deltas += [{"type": "citations_delta", "citation": citation} for citation in block["citations"]]
    if "input" in block:
        empty["input"] = {}
        deltas += [{"type": "input_json_delta", "partial_json": p} for p in cut(json.dumps(block["input"]))]
    return empty, deltas


def chunks_in(data: bytes) -> list[Any]:
    """The chunks of a stream, read as strictly as a client can; the end mark is a string."""
    assert data.endswith(b"\n\n")
    frames = data.decode()[:-2].split("\n\n")
    assert all(frame.startswith("data: ") and "\n" not in frame for frame in frames)
    return [frame[6:] if frame == "data: [DONE]" else json.loads(frame[6:]) for frame in frames]


def put_together(chunks: list[Any]) -> Message:
    """The completion that chunks add up to."""
    assert chunks[-1] == "[DONE]"
    whole: Message = {"message": {}, "finish_reason": None, "usage": None}
    for chunk in chunks[:-1]:
        whole["usage"] = chunk.get("usage")
        for choice in chunk["choices"]:
            _grow(whole["message"], choice["delta"])
            whole["finish_reason"] = choice["finish_reason"] or whole["finish_reason"]
    return whole


def _grow(message: Message, delta: Message) -> None:
    for name, value in delta.items():
        if name == "provider_specific_fields":
            _grow_fields(message.setdefault(name, {}), value)
        elif name in ("tool_calls", "thinking_blocks"):
            _grow_list(message.setdefault(name, []), value)
        elif name == "function_call":
            _grow(message.setdefault(name, {}), value)
        elif isinstance(value, str) and name != "role":
            message[name] = message.get(name, "") + value
        else:
            message[name] = value


def _grow_fields(fields: Message, delta: Message) -> None:
    for name, value in delta.items():
        if name == "citation":
            fields.setdefault("citations", []).append(value)
        elif name == "thinking_blocks":
            _grow_list(fields.setdefault(name, []), value)
        elif not name.endswith(("_start", "_delta")):
            fields[name] = value


def _grow_list(entries: list[Message], delta: list[Message]) -> None:
    for piece in delta:
        index = piece["index"]
        assert index <= len(entries)
        if index == len(entries):
            entries.append({})
        entry = entries[index]
        for name, value in piece.items():
            if name == "function":
                _grow(entry.setdefault("function", {}), value)
            elif name in ("index", "type", "id"):
                entry[name] = value
            else:
                entry[name] = entry.get(name, "") + value


class Client:
    """Reads and writes as the corridor would."""

    surface = Chat()

    def read(self, **fields: Any) -> Message:
        """The Messages body of a request."""
        return self.surface.read(asking(**fields), {}).body

    def turns(self, *messages: Message) -> list[Message]:
        """The turns that messages become."""
        return self.read(messages=[*messages])["messages"]

    def answer(self, message: Message, asked: Message | None = None, **facts: Any) -> Message:
        """The completion for a host's message."""
        writer = self.surface.writer(call_for(asked or asking()))
        return json.loads(writer.message(Event.of(message), make_entry(usage=message["usage"], **facts)))

    def stream(self, events: Any, asked: Message | None = None, **facts: Any) -> list[Any]:
        """The chunks for a host's events."""
        writer = self.surface.writer(call_for({**(asked or asking()), "stream": True}))
        return chunks_in(writer.events([*events]) + writer.end(make_entry(**facts)))

    def deltas(self, *events: Message, asked: Message | None = None) -> list[Message]:
        """The deltas for some events in the middle of an answer."""
        writer = self.surface.writer(call_for({**(asked or asking()), "stream": True}))
        data = writer.events([Event.of(event) for event in events])
        return [chunk["choices"][0]["delta"] for chunk in chunks_in(data)] if data else []


@pytest.fixture(scope="session")
def client() -> Client:
    return Client()


@pytest.fixture(scope="session")
def say() -> Callable[..., Message]:
    return saying


@pytest.fixture(scope="session")
def ask() -> Callable[..., Message]:
    return asking


@pytest.fixture(scope="session")
def events() -> Callable[..., Iterator[Event]]:
    return events_of


@pytest.fixture(scope="session")
def whole() -> Callable[[list[Any]], Message]:
    return put_together


@pytest.fixture(scope="session")
def chunks() -> Callable[[bytes], list[Any]]:
    return chunks_in
