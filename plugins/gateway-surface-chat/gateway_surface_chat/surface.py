"""The surface: where chat completions are served, and its three pure functions."""

from collections.abc import Mapping
from typing import Any

from gateway import Action, Call, GatewayError, Reading, Surface, Writer, strictjson
from gateway_surface_chat.errors import error_object
from gateway_surface_chat.request import Request
from gateway_surface_chat.writer import ChatWriter


class Chat(Surface):
    """What OpenAI's chat completions API says, said to and by Claude.

    Source: OpenAI API reference, "Chat completions".
    """

    name = "chat"
    paths: Mapping[str, Action] = {"/chat/completions": "create", "/v1/chat/completions": "create"}
    request_id = "x-request-id"
    optional = frozenset({"max_tokens"})

    def read(self, asked: dict[str, Any], headers: Mapping[str, str]) -> Reading:  # noqa: ARG002 - all is in the body
        """The Messages body of a chat request."""
        return Request(asked).reading()

    def writer(self, call: Call) -> Writer:
        """A writer of chunks, or of one completion."""
        return ChatWriter(call)

    def error(self, error: GatewayError, call_id: str) -> bytes:  # noqa: ARG002 - it stands in the header x-request-id
        """An error in OpenAI's envelope."""
        return strictjson.dumps_lenient(error_object(error))
