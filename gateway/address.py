"""Addresses of hosts, as operators may write them."""

from typing import Any
from urllib.parse import urlsplit

from marshmallow import ValidationError, fields


class HttpUrl(fields.Field[str]):
    """A marshmallow field for an http(s) address: host, perhaps a port and a path, nothing behind it."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:  # noqa: ARG002 - its signature
        problem = "not a text" if not isinstance(value, str) else _problem(value.strip())
        if problem:
            raise ValidationError(f"Has to be an address such as https://host:443/path; this one {problem}.")
        return str(value).strip()


def _problem(value: str) -> str:
    """What is wrong with an address; empty when nothing is."""
    try:
        parts = urlsplit(value)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        return "has no valid port or host"
    if parts.scheme not in ("http", "https"):
        return "is not http or https"
    if not parts.hostname or not port_is_fine or not value.isascii() or any(char.isspace() for char in value):
        return "has no valid host"
    return "has a query or a fragment" if parts.query or parts.fragment else ""
