"""Shapes of JSON values: each check returns its value with a type, or refuses it as the API words it."""

import re
from collections.abc import Collection, Iterable
from typing import Any

from gateway_infra_simulator.refusal import bad

NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")


def under(path: str, key: str | int) -> str:
    """The path of a member of what stands at a path."""
    return f"{path}.{key}" if path else str(key)


def mapping(path: str, value: object) -> dict[str, Any]:
    """An object."""
    if not isinstance(value, dict):
        raise bad(path, "Input should be an object")
    return value


def listing(path: str, value: object) -> list[Any]:
    """A list."""
    if not isinstance(value, list):
        raise bad(path, "Input should be a valid list")
    return value


def string(path: str, value: object) -> str:
    """A string."""
    if not isinstance(value, str):
        raise bad(path, "Input should be a valid string")
    return value


def boolean(path: str, value: object) -> bool:
    """True or false, not 0 or 1."""
    if not isinstance(value, bool):
        raise bad(path, "Input should be a valid boolean")
    return value


def number(path: str, value: object) -> float:
    """A number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise bad(path, "Input should be a valid number")
    return value


def integer(path: str, value: object, least: int = 0) -> int:
    """A whole number that is not too small."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise bad(path, "Input should be a valid integer")
    if value < least:
        raise bad(path, f"Input should be greater than or equal to {least}")
    return value


def name(path: str, value: object) -> str:
    """A name or id of the alphabet that tools use."""
    text = string(path, value)
    if not NAME.fullmatch(text):
        raise bad(path, f"String should match pattern '^{NAME.pattern}$'")
    return text


def choice(path: str, value: object, choices: Collection[str]) -> str:
    """One of a few words."""
    if not isinstance(value, str) or value not in choices:
        raise bad(path, f"Input should be {_either(choices)}")
    return value


def tag(path: str, value: dict[str, Any], expected: Collection[str]) -> str:
    """The ``type`` of a member of a union."""
    found = need(path, value, "type")
    if not isinstance(found, str) or found not in expected:
        listed = ", ".join(f"'{one}'" for one in expected)
        raise bad(path, f"Input tag '{found}' found using 'type' does not match any of the expected tags: {listed}")
    return found


def need(path: str, value: dict[str, Any], key: str) -> Any:
    """A member that must be there."""
    if key not in value:
        raise bad(under(path, key), "Field required")
    return value[key]


def only(path: str, value: Iterable[str], allowed: Collection[str]) -> None:
    """No members but these."""
    for key in value:
        if key not in allowed:
            raise bad(under(path, key), "Extra inputs are not permitted")


def _either(choices: Collection[str]) -> str:
    words = [f"'{one}'" for one in choices]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
