"""Chat completions: OpenAI's shapes, read into Messages JSON and written out of Messages events."""

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, fields

from gateway import Surface, hookimpl
from gateway_surface_chat.surface import Chat

__all__ = ["Chat", "ChatPlugin"]


class Settings(Schema):
    """The section ``chat`` of the configuration."""

    drop_unsupported = fields.Boolean(load_default=False)


class ChatPlugin:
    """Brings the surface.

    Args:
        section: the plugin's own settings.
    """

    settings = Settings

    def __init__(self, section: Mapping[str, Any]) -> None:
        self._drop_unsupported: bool = section["drop_unsupported"]

    @hookimpl
    def register_surface(self) -> Surface:
        """Chat completions."""
        return Chat(drop_unsupported=self._drop_unsupported)
