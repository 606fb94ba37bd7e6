"""Answers as JSON and back, so that a simulator in another process can be scripted."""

from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from gateway_infra_simulator.answer import Answer


def dump(value: Any) -> Any:
    """A value as JSON: objects without what is default, bytes as latin-1 text."""
    if is_dataclass(value) and not isinstance(value, type):
        return {part.name: dump(getattr(value, part.name)) for part in fields(value) if not _is_default(value, part)}
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, list | tuple):
        return [dump(part) for part in value]
    return value


def load(value: Any) -> Answer:
    """The answer of a JSON object; ValueError names what is wrong with it."""
    answer = _read(Answer, value)
    if not isinstance(answer, Answer):
        raise ValueError("an answer is an object")  # noqa: TRY004  # one error for every wrong script
    return answer


def _is_default(value: Any, part: Field[Any]) -> bool:
    default = part.default if part.default_factory is MISSING else part.default_factory()
    return bool(getattr(value, part.name) == default)


def _read(hint: Any, value: Any) -> Any:
    if is_dataclass(hint) and isinstance(hint, type):
        return _object(hint, value)
    if get_origin(hint) is UnionType:
        options = [option for option in get_args(hint) if option is not type(None)]
        return None if value is None else _read(options[0], value)
    if get_origin(hint) is tuple:
        return tuple(_read(_member(hint), part) for part in value)
    if hint is bytes:
        return value.encode("latin-1")
    return value


def _object(kind: type, value: Any) -> Any:
    hints = _hints(kind)
    if not isinstance(value, dict):
        raise ValueError(f"{kind.__name__} is an object, not {value!r}")  # noqa: TRY004  # the same: bad data, not a bad type
    unknown = sorted(set(value) - set(hints))
    if unknown:
        raise ValueError(f"{kind.__name__} has no {', '.join(unknown)}; it has {', '.join(hints)}")
    try:
        return kind(**{key: _read(hints[key], part) for key, part in value.items()})
    except TypeError as error:
        raise ValueError(f"{kind.__name__}: {error}") from error


def _member(hint: Any) -> Any:
    members = get_args(hint)
    return members[0] if members[-1] is ... else Any


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
