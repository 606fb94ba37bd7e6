"""Shapes of Converse: whether a request is what botocore's model of bedrock-runtime says that it is."""

import base64
import re
from functools import cache
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from gateway_infra_simulator.bedrock_fault import FaultError, invalid

Body = dict[str, Any]


def check(name: str, value: Body) -> None:
    """Refuse a body that is not of a shape: types, members, unions, and the limits that botocore leaves to AWS."""
    shape = _model().shape_for(name)
    if "modelId" in value:
        raise invalid("The modelId is in the path, not in the body")
    # The path has been read already; it is put in so that nothing required is missing.
    in_path = {"modelId": "anthropic.claude"} if "modelId" in shape.members else {}
    report = ParamValidator().validate(value | in_path, shape)
    if report.has_errors():
        raise invalid(report.generate_report())
    _limits("", value, shape)


@cache
def _model() -> Any:
    return ServiceModel(Loader().load_service_model("bedrock-runtime", "service-2"))


def _limits(path: str, value: Any, shape: Any) -> None:
    match shape.type_name:
        case "structure" if not shape.is_document_type:
            for key, member in value.items():
                _limits(f"{path}.{key}", member, shape.members[key])
        case "list":
            _size(path, len(value), shape)
            for index, member in enumerate(value):
                _limits(f"{path}.{index + 1}.member", member, shape.member)
        case "map":
            _size(path, len(value), shape)
            for key, member in value.items():
                _limits(f"{path}.{key}", key, shape.key)
                _limits(f"{path}.{key}", member, shape.value)
        case "string":
            _text(path, value, shape)
        case "blob":
            _size(path, len(_decoded(path, value)), shape)
        case "integer" | "float" | "double" | "long":
            _number(path, value, shape)


def _text(path: str, value: str, shape: Any) -> None:
    _size(path, len(value), shape)
    if shape.enum and value not in shape.enum:
        raise _failed(path, f"Member must satisfy enum value set: [{', '.join(shape.enum)}]")
    pattern = shape.metadata.get("pattern")
    if pattern and not re.fullmatch(pattern, value):
        raise _failed(path, f"Member must satisfy regular expression pattern: {pattern}")


def _decoded(path: str, value: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except ValueError:
        raise _failed(path, "Member must be base64") from None


def _size(path: str, size: int, shape: Any) -> None:
    if not shape.metadata.get("min", 0) <= size <= shape.metadata.get("max", size):
        raise _failed(path, f"Member must have length between {shape.metadata.get('min', 0)} and its maximum")


def _number(path: str, value: float, shape: Any) -> None:
    if value > shape.metadata.get("max", value):
        raise _failed(path, f"Member must have value less than or equal to {shape.metadata['max']}")


def _failed(path: str, constraint: str) -> FaultError:
    where = path.removeprefix(".")
    return invalid(f"1 validation error detected: Value at '{where}' failed to satisfy constraint: {constraint}")
