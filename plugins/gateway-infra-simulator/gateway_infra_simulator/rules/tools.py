"""Tools: their types, names and schemas, and whether the choice among them can be met."""

from typing import Any

from gateway_infra_simulator import shape
from gateway_infra_simulator.ask import Ask
from gateway_infra_simulator.beta import betas
from gateway_infra_simulator.refusal import RefusalError, bad

_CUSTOM = (
    "allowed_callers",
    "cache_control",
    "defer_loading",
    "description",
    "eager_input_streaming",
    "input_examples",
    "input_schema",
    "name",
    "strict",
    "type",
)
_CHOICES = {
    "auto": ("type", "disable_parallel_tool_use"),
    "any": ("type", "disable_parallel_tool_use"),
    "tool": ("type", "name", "disable_parallel_tool_use"),
    "none": ("type",),
}


def check(ask: Ask) -> None:
    """Refuse tools that are malformed and choices that cannot be met."""
    tools = ask.body.get("tools") or []
    for index, tool in enumerate(tools):
        _tool(ask, f"tools.{index}", shape.mapping(f"tools.{index}", tool))
    _unique([tool["name"] for tool in tools if isinstance(tool.get("name"), str)])
    if "tool_choice" in ask.body:
        _choice(ask, ask.body["tool_choice"], tools)


def _tool(ask: Ask, path: str, tool: dict[str, Any]) -> None:
    kind = shape.tag(path, {"type": tool.get("type") or "custom"}, betas().tools)
    if not ask.may(betas().tools, kind):
        expected = [other for other in betas().tools if ask.may(betas().tools, other)]
        shape.tag(path, tool, expected)
    if kind == "custom":
        _custom(f"{path}.custom", tool)
    elif kind != "mcp_toolset":
        shape.name(f"{path}.{kind}.name", shape.need(f"{path}.{kind}", tool, "name"))


def _custom(path: str, tool: dict[str, Any]) -> None:
    shape.only(path, tool, _CUSTOM)
    shape.name(f"{path}.name", shape.need(path, tool, "name"))
    if "description" in tool:
        shape.string(f"{path}.description", tool["description"])
    schema = shape.mapping(f"{path}.input_schema", shape.need(path, tool, "input_schema"))
    if shape.need(f"{path}.input_schema", schema, "type") != "object":
        raise bad(f"{path}.input_schema.type", "Input should be 'object'")


def _unique(names: list[str]) -> None:
    if len(set(names)) < len(names):
        raise bad("tools", "Tool names must be unique.")


def _choice(ask: Ask, choice: dict[str, Any], tools: list[Any]) -> None:
    kind = shape.tag("tool_choice", choice, _CHOICES)
    shape.only(f"tool_choice.{kind}", choice, _CHOICES[kind])
    if not tools:
        raise bad("tool_choice", "may only be specified while providing tools")
    if kind == "tool" and shape.need("tool_choice.tool", choice, "name") not in [tool.get("name") for tool in tools]:
        raise RefusalError(400, f"Tool '{choice['name']}' not found in provided tools")
    if ask.forced and not ask.model.forced_tools:
        raise bad(f"tool_choice.{kind}", "this model does not support forcing tool use; use 'auto' or 'none'")
