"""The bytes of a chunk: what all chunks of one answer share is written once.

Source: OpenAI API reference, "The chat completion chunk object" and "Streaming".
"""

from collections.abc import Mapping
from typing import Any

from gateway import Call, strictjson
from gateway_surface_chat.answer import head

DONE = b"data: [DONE]\n\n"


class Frame:
    """Writes the chunks of one call.

    Attributes:
        head: everything before a delta.
        tail: everything after it.

    Args:
        call: the call that is answered.
        usage: its stream ends with a chunk of usage, so that all others say that they have none.
    """

    def __init__(self, call: Call, *, usage: bool) -> None:
        begin = strictjson.dumps_lenient(head(call, "chat.completion.chunk"))[:-1]
        self._begin = b"data: " + begin
        self._end = b',"usage":null}\n\n' if usage else b"}\n\n"
        self.head = self._begin + b',"choices":[{"index":0,"delta":'
        self.tail = self._ending("null")

    def chunk(self, delta: Mapping[str, Any]) -> bytes:
        """A chunk in the middle of an answer."""
        return self.head + strictjson.dumps_lenient(delta) + self.tail

    def fields(self, fields: Mapping[str, Any]) -> bytes:
        """A chunk of what OpenAI has no word for."""
        return self.chunk({"provider_specific_fields": fields})

    def last(self, delta: Mapping[str, Any], finish_reason: str) -> bytes:
        """The chunk that ends an answer."""
        return self.head + strictjson.dumps_lenient(delta) + self._ending(f'"{finish_reason}"')

    def usage(self, usage: Mapping[str, Any]) -> bytes:
        """The chunk after it, which has no choices."""
        return self._begin + b',"choices":[],"usage":' + strictjson.dumps_lenient(usage) + b"}\n\n"

    def _ending(self, finish_reason: str) -> bytes:
        return b',"logprobs":null,"finish_reason":' + finish_reason.encode() + b"}]" + self._end
