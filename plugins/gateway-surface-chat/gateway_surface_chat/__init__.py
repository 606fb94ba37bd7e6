"""Chat completions: OpenAI's shapes, read into Messages JSON and written out of Messages events."""

from gateway import Surface, hookimpl
from gateway_surface_chat.surface import Chat

__all__ = ["Chat", "ChatPlugin"]


class ChatPlugin:
    """Brings the surface."""

    @hookimpl
    def register_surface(self) -> Surface:
        """Chat completions."""
        return Chat()
