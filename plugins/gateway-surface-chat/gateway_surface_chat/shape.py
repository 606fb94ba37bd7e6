"""What a value has to be. Hostile JSON ends here, with the path of what is wrong in it."""

from typing import Any

from gateway import InvalidRequest

Block = dict[str, Any]
"""A content block of the Messages API."""


def wrong(path: str, why: str) -> InvalidRequest:
    """The error that names a place in the body and what is wrong there."""
    return InvalidRequest(f"{path}: {why}", param=path)


def as_object(value: Any, path: str) -> dict[str, Any]:
    """The value, which has to be an object."""
    if not isinstance(value, dict):
        raise wrong(path, "has to be an object.")
    return value


def as_array(value: Any, path: str) -> list[Any]:
    """The value, which has to be an array."""
    if not isinstance(value, list):
        raise wrong(path, "has to be an array.")
    return value


def as_text(value: Any, path: str) -> str:
    """The value, which has to be a string."""
    if not isinstance(value, str):
        raise wrong(path, "has to be a string.")
    return value


def as_name(value: Any, path: str) -> str:
    """The value, which has to be a string with something in it."""
    if not as_text(value, path):
        raise wrong(path, "must not be empty.")
    return str(value)


def is_blank(text: str) -> bool:
    """Whether a text says nothing; hosts refuse such text blocks (Messages API reference, "Errors")."""
    return not text or text.isspace()
