"""Tool calls that the client sends back, to tool_use blocks.

Source: OpenAI API reference, "Function calling"; Messages API reference, tool_use blocks.
"""

from collections.abc import Iterator
from typing import Any

from gateway import strictjson
from gateway_surface_chat.names import fitting
from gateway_surface_chat.shape import Block, as_array, as_name, as_object, as_text, is_blank, wrong


def tool_uses(message: dict[str, Any], path: str, function_id: str) -> Iterator[Block]:
    """The calls of an assistant turn; ``function_id`` names the one of the older, nameless form."""
    for position, value in enumerate(as_array(message.get("tool_calls") or [], f"{path}.tool_calls")):
        where = f"{path}.tool_calls[{position}]"
        call = as_object(value, where)
        if call.get("type") not in (None, "function"):
            raise wrong(f"{where}.type", "has to be 'function': no other kind of call can be made of Claude's.")
        yield _tool_use(call.get("function"), f"{where}.function", as_name(call.get("id"), f"{where}.id"), call)
    if message.get("function_call") is not None:
        yield _tool_use(message["function_call"], f"{path}.function_call", function_id, {})


def _tool_use(value: Any, path: str, call_id: str, call: dict[str, Any]) -> Block:
    function = as_object(value, path)
    block = {
        "type": "tool_use",
        "id": fitting(call_id),
        "name": fitting(as_name(function.get("name"), f"{path}.name")),
        "input": _arguments(function.get("arguments"), f"{path}.arguments"),
    }
    return block | {name: call[name] for name in ("cache_control",) if call.get(name) is not None}


def _arguments(value: Any, path: str) -> dict[str, Any]:
    """A call without arguments is one with an empty object."""
    text = "" if value is None else as_text(value, path)
    if is_blank(text):
        return {}
    try:
        made = strictjson.loads_lenient(text.encode("utf-8", "surrogatepass"))
    except ValueError as error:
        raise wrong(path, f"is not valid JSON: {error}.") from None
    return as_object(made, path)
