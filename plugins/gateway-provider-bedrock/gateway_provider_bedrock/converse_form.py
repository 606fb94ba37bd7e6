"""The form that a part of a request has to have, and the refusal of what Converse cannot say.

The core leaves the contents of a conversation unchecked, so whatever is read here may be anything that JSON can hold.
"""

from collections.abc import Collection, Mapping
from typing import Any

from gateway import InvalidRequest

Body = dict[str, Any]

_SAYS_NOTHING: Mapping[str, Any] = {"caller": {"type": "direct"}, "allowed_callers": ["direct"], "defer_loading": False}
"""Values that are the default where their field is absent."""


def inexpressible(path: str, what: str) -> InvalidRequest:
    """The refusal of something that the Messages API has and Converse has not."""
    return InvalidRequest(
        f"{path}: Converse has no word for {what}. A deployment bedrock/<id>, without converse/, uses InvokeModel, "
        "which passes it on as it is.",
        param=path,
    )


def malformed(path: str, wanted: str) -> InvalidRequest:
    """The refusal of something that no dialect has."""
    return InvalidRequest(f"{path}: has to be {wanted}.", param=path)


def string(value: Any, path: str) -> str:
    """A text.

    Raises:
        InvalidRequest: anything else.
    """
    if not isinstance(value, str):
        raise malformed(path, "a string")
    return value


def boolean(value: Any, path: str) -> bool:
    """True or false.

    Raises:
        InvalidRequest: anything else.
    """
    if not isinstance(value, bool):
        raise malformed(path, "true or false")
    return value


def array(value: Any, path: str) -> list[Any]:
    """A list.

    Raises:
        InvalidRequest: anything else.
    """
    if not isinstance(value, list):
        raise malformed(path, "a list")
    return value


def mapping(value: Any, path: str) -> Body:
    """An object.

    Raises:
        InvalidRequest: anything else.
    """
    if not isinstance(value, dict):
        raise malformed(path, "an object")
    return value


def only(value: Any, names: Collection[str], path: str) -> Body:
    """An object with no field but these; a null, and a value that says nothing, count as not given.

    Raises:
        InvalidRequest: no object, or one with a field that would be lost.
    """
    for name, inner in mapping(value, path).items():
        if inner is not None and name not in names and _SAYS_NOTHING.get(name) != inner:
            raise inexpressible(f"{path}.{name}" if path else name, "this field")
    return mapping(value, path)
