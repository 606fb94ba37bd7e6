"""``response_format``: structured output, or a plea for JSON.

Sources: OpenAI API reference, "Structured outputs"; Anthropic structured outputs page.
"""

from collections.abc import Mapping
from typing import Any

from gateway_surface_chat.shape import Block, as_object, wrong

JSON_PLEA: Block = {"type": "text", "text": "Answer with a single JSON object and with nothing before or after it."}
"""Stands in for ``json_object``, which the Messages API has no counterpart of."""

_ONE = ("items", "not", "additionalProperties", "if", "then", "else", "contains")
_LIST = ("anyOf", "allOf", "oneOf", "prefixItems")
_MAP = ("properties", "$defs", "definitions")


def output_config(asked: Mapping[str, Any]) -> Any:
    """``output_config`` with the asked format, unless the client gave one of its own there."""
    given = asked.get("output_config")
    wanted = _format(asked.get("response_format"))
    if wanted is None or (given is not None and not isinstance(given, dict)):
        return given
    return {"format": wanted, **{name: value for name, value in (given or {}).items() if value is not None}}


def wants_json(asked: Mapping[str, Any]) -> bool:
    """Whether any JSON object will do, and no format of the Messages API says more."""
    value, config = asked.get("response_format"), asked.get("output_config")
    if isinstance(config, dict) and config.get("format") is not None:
        return False
    return isinstance(value, dict) and value.get("type") == "json_object"


def _format(value: Any) -> dict[str, Any] | None:
    if value is None:
        return None
    wanted = as_object(value, "response_format")
    kind = wanted.get("type")
    if kind in ("text", "json_object"):
        return None
    if kind != "json_schema":
        raise wrong("response_format.type", "has to be one of text, json_object, json_schema.")
    told = as_object(wanted.get("json_schema"), "response_format.json_schema")
    schema = as_object(told.get("schema"), "response_format.json_schema.schema")
    return {"type": "json_schema", "schema": closed(schema) if told.get("strict") is True else schema}


def closed(schema: Any) -> Any:
    """The schema with every object in it closed to further properties, as strict mode wants it."""
    if not isinstance(schema, dict):
        return schema
    made = dict(schema)
    for name in _ONE:
        if name in made:
            made[name] = closed(made[name])
    for name in _LIST:
        if isinstance(made.get(name), list):
            made[name] = [closed(one) for one in made[name]]
    for name in _MAP:
        if isinstance(made.get(name), dict):
            made[name] = {key: closed(one) for key, one in made[name].items()}
    if _is_object(made):
        made.setdefault("additionalProperties", False)
    return made


def _is_object(schema: dict[str, Any]) -> bool:
    kind = schema.get("type", "object" if "properties" in schema else None)
    return kind == "object" or (isinstance(kind, list) and "object" in kind)
