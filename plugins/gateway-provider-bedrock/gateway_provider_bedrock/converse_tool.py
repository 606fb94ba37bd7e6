"""The tools of a request and which of them the model shall choose.

Sources: service model of bedrock-runtime (``ToolConfiguration``); Bedrock user guide, "Computer use with Converse", for
tools that travel as the model's own fields.
"""

from typing import Any

from gateway import InvalidRequest
from gateway_provider_bedrock.converse_block import cache_point
from gateway_provider_bedrock.converse_form import Body, array, boolean, inexpressible, malformed, mapping, only, string

NATIVE = ("bash_", "text_editor_", "computer_", "browser_", "memory_")
"""How the types of tools begin that the model knows by heart and the client runs."""

CHOICES = ("auto", "any", "tool", "none")
"""What a request may say of the choice; Converse has a word for all but the last."""

_SPEC = ("type", "name", "description", "input_schema", "strict", "cache_control", "eager_input_streaming")
"""What is said of a tool; the last only tells how finely its input is cut, which Converse decides itself."""


def tools(body: Body, *, used: bool) -> tuple[Body, Body]:
    """``toolConfig`` and what goes among the model's own fields.

    Args:
        body: the whole request.
        used: the conversation has tool blocks, and then the service wants ``toolConfig`` with every request.

    Raises:
        InvalidRequest: something that is malformed, or that Converse has no word for.
    """
    specs, native = _split(array(body.get("tools") or [], "tools"))
    choice = _choice(body.get("tool_choice"))
    kind = choice.get("type")
    if kind == "none" and not used:
        return {}, {}  # there is no choice "none"; a model that sees no tool calls none
    if not specs and not native:
        _without_tools(kind, used=used)
        return {}, {}
    config: Body = {"tools": specs} if specs else {}
    own: Body = {"tools": native} if native else {}
    if not choice:
        return config, own
    if _goes_beside(choice, specs):
        return config, {**own, "tool_choice": choice}
    return {**config, "toolChoice": {kind: {"name": choice["name"]} if kind == "tool" else {}}}, own


def _without_tools(kind: Any, *, used: bool) -> None:
    if used:
        raise InvalidRequest(
            "tools: Converse wants the tools again once the conversation has tool blocks. Send them, or use a "
            "deployment bedrock/<id>, without converse/.",
            param="tools",
        )
    if kind in {"any", "tool"}:
        raise InvalidRequest("tool_choice: there are no tools to choose from.", param="tool_choice")


def _split(listed: list[Any]) -> tuple[list[Body], list[Body]]:
    specs: list[Body] = []
    native: list[Body] = []
    for place, value in enumerate(listed):
        path = f"tools[{place}]"
        tool = mapping(value, path)
        kind = string(tool.get("type") or "custom", f"{path}.type")
        if kind.startswith(NATIVE):
            native.append(tool)  # with its cache mark, which has no other place
        elif kind == "custom":
            specs += [_spec(tool, path), *cache_point(tool.get("cache_control"), f"{path}.cache_control")]
        else:
            raise inexpressible(path, f"a tool of type {kind[:60]!r}")
    return specs, native


def _spec(tool: Body, path: str) -> Body:
    only(tool, _SPEC, path)
    schema = mapping(tool.get("input_schema"), f"{path}.input_schema")
    spec: Body = {"name": string(tool.get("name"), f"{path}.name"), "inputSchema": {"json": schema}}
    if tool.get("description"):  # an empty one is refused, a missing one is not
        spec["description"] = string(tool["description"], f"{path}.description")
    if tool.get("strict") is not None:
        spec["strict"] = boolean(tool["strict"], f"{path}.strict")
    return {"toolSpec": spec}


def _choice(value: Any) -> Body:
    """The choice without what is its default; empty if there is none."""
    if value is None:
        return {}
    choice = only(value, ("type", "name", "disable_parallel_tool_use"), "tool_choice")
    kind = choice.get("type")
    if kind not in CHOICES:
        raise malformed("tool_choice.type", f"one of {', '.join(CHOICES)}")
    plain: Body = {"type": kind}
    if kind == "tool":
        plain["name"] = string(choice.get("name"), "tool_choice.name")
    if boolean(choice.get("disable_parallel_tool_use") or False, "tool_choice.disable_parallel_tool_use"):
        plain["disable_parallel_tool_use"] = True
    return plain


def _goes_beside(choice: Body, specs: list[Body]) -> bool:
    """The choice has to be among the model's own fields, and then must not stand in ``toolConfig`` too."""
    names = {spec["toolSpec"]["name"] for spec in specs if "toolSpec" in spec}
    return (
        choice["type"] == "none"
        or "disable_parallel_tool_use" in choice
        or not names
        or choice.get("name") not in {None, *names}
    )
