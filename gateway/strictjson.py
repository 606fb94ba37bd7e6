"""JSON as bytes, in and out, so strict that what was checked is what is sent.

Reading goes through jiter: it refuses NaN, lone surrogates, broken UTF-8 and deep nesting, keeps integers whole and
keeps each float in its own spelling. Writing goes through orjson, which puts that spelling back.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

import jiter
import orjson

from gateway.errors import InvalidRequest

MAX_DEPTH = 200
"""Levels of nesting that the parser allows (jiter's own limit, below orjson's 254)."""

MIN_INTEGER, MAX_INTEGER = -(2**63), 2**64 - 1
"""Integers that every writer here takes."""


def loads(text: bytes) -> Any:
    """Parse a client's body.

    Raises:
        InvalidRequest: not JSON, nested too deep, NaN, a lone surrogate, or a key given twice at the top level.
    """
    try:
        return jiter.from_json(text, allow_inf_nan=False, catch_duplicate_keys=True, float_mode="lossless-float")
    except ValueError as error:
        if str(error).startswith("Detected duplicate key"):
            return _with_duplicates(text)
        raise InvalidRequest(f"The body is not valid JSON: {error}.") from None


def loads_object(text: bytes) -> dict[str, Any]:
    """Parse a client's body that has to be an object."""
    value = loads(text)
    if not isinstance(value, dict):
        raise InvalidRequest(f"The body has to be a JSON object, not {_kind(value)}.")
    return value


def loads_lenient(text: bytes) -> Any:
    """Parse a host's words: as exact about numbers, but a key given twice is theirs to answer for.

    Raises:
        ValueError: not JSON.
    """
    return jiter.from_json(text, allow_inf_nan=False, float_mode="lossless-float")


def object_or_empty(text: bytes) -> dict[str, Any]:
    """A host's words where they are a JSON object; an empty one for anything else."""
    try:
        value = loads_lenient(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def dumps(value: Any) -> bytes:
    """Write compact JSON.

    Raises:
        InvalidRequest: a number that JSON readers would round or lose.
    """
    try:
        return orjson.dumps(value, default=_spelling)
    except orjson.JSONEncodeError as error:
        raise InvalidRequest(f"The body holds a value that cannot be passed on unchanged: {error}.") from None


def dumps_lenient(value: Any) -> bytes:
    """Write a host's words: integers of any length and floats of any size go out as they came."""
    try:
        return orjson.dumps(value, default=_as_spelled)
    except orjson.JSONEncodeError:
        return orjson.dumps(_with_long_integers(value), default=_as_spelled)


def plain(value: Any) -> Any:
    """A copy that every JSON writer takes: numbers that some of them would lose become texts."""
    if isinstance(value, Mapping):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    if isinstance(value, jiter.LosslessFloat):
        return float(value) if math.isfinite(float(value)) else str(value)
    if isinstance(value, int) and not MIN_INTEGER <= value <= MAX_INTEGER:
        return str(value)
    return value


def _spelling(value: Any) -> orjson.Fragment:
    """A float in the client's own spelling, unless no reader could hold it."""
    if isinstance(value, jiter.LosslessFloat) and math.isinf(float(value)):
        raise ValueError("number out of range")
    return _as_spelled(value)


def _as_spelled(value: Any) -> orjson.Fragment:
    if isinstance(value, jiter.LosslessFloat):
        return orjson.Fragment(bytes(value))
    raise TypeError(f"{type(value).__name__} is not JSON")


def _with_long_integers(value: Any) -> Any:
    """A copy whose integers beyond 64 bits are written digit by digit."""
    if isinstance(value, Mapping):
        return {name: _with_long_integers(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_with_long_integers(inner) for inner in value]
    if isinstance(value, int) and not MIN_INTEGER <= value <= MAX_INTEGER:
        return orjson.Fragment(str(value).encode())
    return value


def _with_duplicates(text: bytes) -> Any:
    """Deeper down the last of two equal keys wins, for us and for the host alike; at the top neither does."""
    try:
        value = loads_lenient(text)
    except ValueError as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}.") from None
    seen: set[str] = set()
    for name in (pair[0] for pair in json.loads(text, object_pairs_hook=list) if isinstance(pair, tuple)):
        if name in seen:
            raise InvalidRequest(f"{name}: given twice at the top level of the body; send it once.", param=name)
        seen.add(name)
    return value


def _kind(value: Any) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
