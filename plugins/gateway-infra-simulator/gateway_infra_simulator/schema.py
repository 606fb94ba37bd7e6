"""Schemas: the plainest value that conforms to a JSON schema."""

from collections.abc import Callable
from typing import Any

from gateway_infra_simulator.refusal import RefusalError

DEEP = 6
"""Below this depth only what is required is filled in, so that schemas that contain themselves come to an end."""

MAX_ITEMS = 100

Schema = dict[str, Any]

_FORMATS = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "email": "simulated@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def sample(schema: Schema | bool) -> Any:
    """A value of the schema; a schema that is none is refused."""
    try:
        return _value(schema, schema if isinstance(schema, dict) else {}, 0)
    except (TypeError, AttributeError, LookupError, ValueError, RecursionError) as error:
        raise RefusalError(400, f"JSON schema is invalid: {error}") from error


def _value(schema: Schema | bool, root: Schema, depth: int) -> Any:
    if not isinstance(schema, dict):
        return "simulated"
    for fixed in ("const", "default"):
        if fixed in schema:
            return schema[fixed]
    if schema.get("enum"):
        return schema["enum"][0]
    other = _meant(schema, root)
    if other is not None:
        return _value(other, root, depth + 1)
    return _BY_TYPE.get(_type(schema), _string)(schema, root, depth)


def _meant(schema: Schema, root: Schema) -> Schema | None:
    """The schema that stands behind a reference or a combination."""
    if "$ref" in schema:
        return _target(root, schema["$ref"])
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return _simplest(options)
    return _merged(schema, root) if schema.get("allOf") else None


def _type(schema: Schema) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    if kind is None:
        kind = "object" if "properties" in schema else "array" if "items" in schema else "string"
    return str(kind)


def _simplest(options: list[Schema]) -> Schema:
    """An option that does not lead deeper, if there is one."""
    return min(options, key=lambda option: "$ref" in option)


def _merged(schema: Schema, root: Schema) -> Schema:
    merged = {key: value for key, value in schema.items() if key != "allOf"}
    for member in schema["allOf"]:
        part = _target(root, member["$ref"]) if "$ref" in member else member
        properties = {**merged.get("properties", {}), **part.get("properties", {})}
        required = [*merged.get("required", ()), *part.get("required", ())]
        merged = merged | part | {"properties": properties, "required": required}
    return merged if merged["properties"] else {key: merged[key] for key in merged if key != "properties"}


def _target(root: Schema, reference: str) -> Schema:
    found: Any = root
    for key in reference.removeprefix("#").split("/")[1:]:
        found = found.get(key.replace("~1", "/").replace("~0", "~"), {})
    return found if isinstance(found, dict) else {}


def _object(schema: Schema, root: Schema, depth: int) -> Schema:
    properties = schema.get("properties", {})
    required = [name for name in schema.get("required", ()) if name in properties]
    others = [name for name in properties if name not in required and depth < DEEP]
    return {name: _value(properties[name], root, depth + 1) for name in (*required, *others)}


def _array(schema: Schema, root: Schema, depth: int) -> list[Any]:
    count = min(schema.get("minItems", 1 if depth < DEEP else 0), MAX_ITEMS)
    return [_value(schema.get("items", {}), root, depth + 1) for _ in range(count)]


def _string(schema: Schema, _root: Schema, _depth: int) -> str:
    text = _FORMATS.get(schema.get("format", ""), "simulated").ljust(schema.get("minLength", 0), "x")
    return text[: schema.get("maxLength", len(text))]


def _number(schema: Schema, _root: Schema, _depth: int) -> Any:
    if "minimum" in schema or "exclusiveMinimum" in schema:
        return max(schema.get("minimum", 0), schema.get("exclusiveMinimum", -1) + 1)
    return min(schema.get("maximum", 1), schema.get("exclusiveMaximum", 2) - 1)


def _boolean(_schema: Schema, _root: Schema, _depth: int) -> bool:
    return True


def _null(_schema: Schema, _root: Schema, _depth: int) -> None:
    return None


_BY_TYPE: dict[str, Callable[[Schema, Schema, int], Any]] = {
    "object": _object,
    "array": _array,
    "string": _string,
    "integer": _number,
    "number": _number,
    "boolean": _boolean,
    "null": _null,
}
