"""What stands inside of content: system, messages and tools are lists of blocks that hold blocks."""

from collections.abc import Mapping
from typing import Any

PLACES = ("system", "messages", "tools")
OPAQUE = frozenset({"input", "input_schema"})
"""What a tool is given and how it is described: words of the client's own."""


def without(body: Mapping[str, Any], holder: str, name: str) -> dict[str, Any]:
    """The places of a body in which objects called ``holder`` had a ``name``, copied without it.

    Args:
        body: a canonical body; it stays as it is.
        holder: such as ``cache_control``.
        name: the key that goes, such as ``scope``.
    """
    found = {place: _without(body[place], holder, name) for place in PLACES if place in body}
    return {place: value for place, value in found.items() if value is not body[place]}


def _without(value: Any, holder: str, name: str) -> Any:
    """A value without the key; the very same object where it does not occur."""
    if isinstance(value, list):
        items = [_without(item, holder, name) for item in value]
        return value if all(map(_same, items, value)) else items
    if not isinstance(value, dict):
        return value
    changed = {key: _inner(key, inner, holder, name) for key, inner in value.items() if isinstance(inner, dict | list)}
    return value if all(inner is value[key] for key, inner in changed.items()) else {**value, **changed}


def _inner(key: str, inner: Any, holder: str, name: str) -> Any:
    if key in OPAQUE:
        return inner
    if key == holder and isinstance(inner, dict):
        return {one: value for one, value in inner.items() if one != name} if name in inner else inner
    return _without(inner, holder, name)


def _same(one: Any, other: Any) -> bool:
    return one is other
