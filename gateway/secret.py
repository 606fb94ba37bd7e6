"""A value that nobody should see: it prints as stars and is unwrapped only where it is sent."""

from typing import Any

from marshmallow import ValidationError, fields


class Secret:
    """Holds a key or a password. ``reveal()`` is the only way to its text."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself; for the sender only."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    def __str__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> Any:
        raise TypeError("a secret is not written down")


class SecretField(fields.Field[Secret]):
    """A marshmallow field that reads a string and keeps it as a ``Secret``."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Secret:  # noqa: ARG002 - marshmallow's signature
        if isinstance(value, Secret):
            return value
        if not isinstance(value, str) or not value.strip():
            raise ValidationError("Has to be a non-empty string.")
        if not value.strip().isascii() or not value.strip().isprintable():
            raise ValidationError("Has to be printable ASCII, without line breaks.")
        return Secret(value.strip())
