"""Tools and the choice among them.

Sources: OpenAI API reference, "Chat completions" (tools, tool_choice); Messages API reference, tools and tool_choice.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from gateway_surface_chat.names import fitting
from gateway_surface_chat.shape import as_array, as_name, as_object, as_text, wrong
from gateway_surface_chat.words import SEARCH_TOOL, SEARCH_USES

Tool = dict[str, Any]
Choice = dict[str, Any]

_CHOICES: Mapping[str, str] = {"none": "none", "auto": "auto", "required": "any", "any": "any"}
_FUNCTION_OWN = frozenset({"name", "description", "parameters", "strict"})


def tools_and_choice(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The fields ``tools`` and ``tool_choice`` of the Messages API, as far as there are any."""
    tools = [*_tools(asked)]
    choice, allowed = _choice(asked)
    if allowed is not None:
        tools = [tool for tool in tools if isinstance(tool.get("name"), str) and tool["name"] in allowed]
    if not tools:
        return {} if choice is None or choice.get("type") in ("auto", "none") else {"tool_choice": choice}
    choice = _one_at_a_time(choice, asked)
    return {"tools": tools} if choice is None else {"tools": tools, "tool_choice": choice}


def declared(asked: Mapping[str, Any]) -> Iterator[str]:
    """Names of the client's own functions, as the client wrote them; of a body that was read before."""
    functions = [tool.get("function") for tool in asked.get("tools") or () if isinstance(tool, dict)]
    for function in [*functions, *(asked.get("functions") or ())]:
        if isinstance(function, dict) and isinstance(function.get("name"), str):
            yield function["name"]


def is_legacy(asked: Mapping[str, Any]) -> bool:
    """Whether the client knows only the older form of calls, one function at a time."""
    return bool(asked.get("functions")) and not asked.get("tools")


def _tools(asked: Mapping[str, Any]) -> Iterator[Tool]:
    names = []
    for position, value in enumerate(as_array(asked.get("tools") or [], "tools")):
        tool = _tool(as_object(value, f"tools[{position}]"), f"tools[{position}]")
        names.append(tool.get("name"))
        yield tool
    for position, value in enumerate(as_array(asked.get("functions") or [], "functions")):
        yield _function({}, value, f"functions[{position}]")
    if asked.get("web_search_options") is not None and SEARCH_TOOL["name"] not in names:
        yield _search(as_object(asked["web_search_options"], "web_search_options"))


def _tool(tool: Tool, path: str) -> Tool:
    """A function becomes a tool; what is a tool of the Messages API already stays as it is."""
    if isinstance(tool.get("custom"), dict):
        raise wrong(f"{path}.type", "'custom' with free-form input is not possible; declare a function.")
    if tool.get("type") == "function" or "function" in tool:
        return _function(tool, tool.get("function"), f"{path}.function")
    if "type" not in tool and "name" not in tool:
        raise wrong(f"{path}.type", "has to be 'function', or the type of a tool of the Messages API.")
    return tool


def _function(tool: Tool, value: Any, path: str) -> Tool:
    function = as_object(value, path)
    made: Tool = {
        "name": fitting(as_name(function.get("name"), f"{path}.name")),
        "input_schema": _schema(function.get("parameters"), f"{path}.parameters"),
    }
    if function.get("description"):
        made["description"] = as_text(function["description"], f"{path}.description")
    if function.get("strict") is True:
        made["strict"] = True
    beside = {name: value for name, value in function.items() if name not in _FUNCTION_OWN}
    return {**made, **beside, **{name: value for name, value in tool.items() if name not in ("type", "function")}}


def _schema(parameters: Any, path: str) -> dict[str, Any]:
    """A function without parameters takes an empty object."""
    schema = {} if parameters is None else as_object(parameters, path)
    if schema.get("type") is None:
        schema = {**schema, "type": "object"}
    return schema if len(schema) > 1 else {**schema, "properties": {}}


def _search(options: dict[str, Any]) -> Tool:
    tool: Tool = {**SEARCH_TOOL}
    size = options.get("search_context_size")
    if size is not None:
        path = "web_search_options.search_context_size"
        if as_text(size, path) not in SEARCH_USES:
            raise wrong(path, f"has to be one of {', '.join(SEARCH_USES)}.")
        tool["max_uses"] = SEARCH_USES[size]
    if options.get("user_location") is not None:
        where = as_object(options["user_location"], "web_search_options.user_location")
        place = as_object(where.get("approximate") or {}, "web_search_options.user_location.approximate")
        tool["user_location"] = {"type": "approximate", **{k: v for k, v in place.items() if v is not None}}
    return tool


def _choice(asked: Mapping[str, Any]) -> tuple[Choice | None, frozenset[str] | None]:
    """The choice, and the names that it allows where it is a selection of the tools."""
    value = asked.get("tool_choice")
    if value is None and asked.get("function_call") is not None:
        return _function_choice(asked["function_call"]), None
    if value is None:
        return None, None
    if isinstance(value, str):
        return _word(value, "tool_choice"), None
    choice = as_object(value, "tool_choice")
    if choice.get("type") == "allowed_tools":
        return _allowed(choice)
    return _named(choice), None


def _word(word: str, path: str) -> Choice:
    if word not in _CHOICES:
        raise wrong(path, f"{word[:40]!r} is none of none, auto, required, or an object that names a tool.")
    return {"type": _CHOICES[word]}


def _function_choice(value: Any) -> Choice:
    if isinstance(value, str):
        return _word(value, "function_call")
    name = as_object(value, "function_call").get("name")
    return {"type": "tool", "name": fitting(as_name(name, "function_call.name"))}


def _named(choice: Choice) -> Choice:
    kind = as_text(choice.get("type"), "tool_choice.type")
    if kind == "function":
        function = as_object(choice.get("function"), "tool_choice.function")
        return {"type": "tool", "name": fitting(as_name(function.get("name"), "tool_choice.function.name"))}
    if kind == "tool":
        return {**choice, "name": fitting(as_name(choice.get("name"), "tool_choice.name"))}
    if kind not in _CHOICES.values():
        raise wrong("tool_choice.type", f"{kind[:40]!r} is none of function, allowed_tools, auto, any, tool, none.")
    return choice


def _allowed(choice: Choice) -> tuple[Choice, frozenset[str]]:
    """A selection has no counterpart: the other tools are left out."""
    path = "tool_choice.allowed_tools"
    allowed = as_object(choice.get("allowed_tools"), path)
    names = []
    for position, value in enumerate(as_array(allowed.get("tools"), f"{path}.tools")):
        where = f"{path}.tools[{position}]"
        tool = as_object(value, where)
        function = tool if "function" not in tool else as_object(tool["function"], f"{where}.function")
        names.append(fitting(as_name(function.get("name"), f"{where}.name")))
    return _word(as_text(allowed.get("mode"), f"{path}.mode"), f"{path}.mode"), frozenset(names)


def _one_at_a_time(choice: Choice | None, asked: Mapping[str, Any]) -> Choice | None:
    parallel = asked.get("parallel_tool_calls")
    if parallel is not None and not isinstance(parallel, bool):
        raise wrong("parallel_tool_calls", "has to be a boolean.")
    if parallel is not False and not is_legacy(asked):
        return choice
    choice = choice or {"type": "auto"}
    return choice if choice.get("type") == "none" else {**choice, "disable_parallel_tool_use": True}
