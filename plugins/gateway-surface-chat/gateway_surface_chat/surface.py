"""The surface: where chat completions are served, and its three pure functions."""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway import Action, Call, GatewayError, Limit, Reading, Surface, Writer, strictjson
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

    def limit_headers(self, limits: Sequence[Limit]) -> dict[str, str]:
        """Three headers for each kind; a reset is a duration (OpenAI rate limits guide, "Rate limits in headers")."""
        headers: dict[str, str] = {}
        for one in limits:
            headers[f"x-ratelimit-limit-{one.kind}"] = str(one.limit)
            headers[f"x-ratelimit-remaining-{one.kind}"] = str(one.remaining)
            headers[f"x-ratelimit-reset-{one.kind}"] = _duration(one.reset)
        return headers


def _duration(seconds: float) -> str:
    """Such as ``1h0m5s``, ``6m0s``, ``1.5s`` or ``20ms``."""
    if seconds < 1:
        return f"{max(round(seconds * 1000), 0)}ms"
    minutes, rest = divmod(round(seconds, 3), 60)
    hours, minutes = divmod(int(minutes), 60)
    head = (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "")
    return f"{head}{rest:g}s"
