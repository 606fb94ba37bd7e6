"""An assistant message of a chat to the blocks of a turn, in the order that hosts want.

First what opens a turn, then thinking, what server tools did, what was said, and calls of the client's tools.
Source: Messages API reference, "Extended thinking" (thinking is sent back unchanged) and "Server tools".
"""

from collections.abc import Iterator
from typing import Any

from gateway import strictjson
from gateway_surface_chat.calls import tool_uses
from gateway_surface_chat.carriers import carries_blocks
from gateway_surface_chat.parts import blocks
from gateway_surface_chat.shape import Block, as_array, as_object, as_text, wrong
from gateway_surface_chat.words import SERIES

Message = dict[str, Any]


def spoken(message: Message, path: str, function_id: str) -> list[Block]:
    """The blocks of an assistant message; empty when it says nothing."""
    if message.get("audio") is not None:
        raise wrong(f"{path}.audio", "cannot be referred to: Claude models do not speak.")
    said = [*_said(message, path)]
    return [*_unless_said(_carried(message, path), said), *said, *tool_uses(message, path, function_id)]


def _said(message: Message, path: str) -> Iterator[Block]:
    """What a turn says aloud, a refusal included."""
    if message.get("content") is not None:
        yield from blocks(message["content"], f"{path}.content")
    if message.get("refusal") is not None:
        yield from blocks(as_text(message["refusal"], f"{path}.refusal"), path)


def _carried(message: Message, path: str) -> list[Block]:
    """Blocks that no field of a plain chat message holds."""
    path_fields = f"{path}.provider_specific_fields"
    fields = as_object(message.get("provider_specific_fields") or {}, path_fields)
    opening: list[Block] = []
    series: list[Block] = []
    for name in filter(carries_blocks, fields):
        for block in _objects(fields[name], f"{path_fields}.{name}"):
            (series if _in_series(block) else opening).append(block)
    if message.get("thinking_blocks") is not None:
        thinking = _objects(message["thinking_blocks"], f"{path}.thinking_blocks")
    else:
        thinking = _objects(fields.get("thinking_blocks"), f"{path_fields}.thinking_blocks")
    return [*opening, *_thinking(thinking), *_paired(series)]


def _thinking(given: list[Block]) -> Iterator[Block]:
    """As it came, but for the ``index`` that chunks have; what is not signed would be refused."""
    for block in given:
        if block.get("type") != "thinking" or block.get("signature"):
            yield {name: value for name, value in block.items() if name != "index"}


def _paired(series: list[Block]) -> Iterator[Block]:
    """Each result of a server tool right behind its use, however the fields were filled."""
    results: dict[str, list[Block]] = {block["id"]: [] for block in series if _is_use(block)}
    others: list[Block] = []
    for block in series:
        use = None if _is_use(block) else block.get("tool_use_id")
        (results[use] if isinstance(use, str) and use in results else others).append(block)
    for block in others:
        yield block
        if _is_use(block):
            yield from results.pop(block["id"], [])


def _unless_said(carried: list[Block], said: list[Block]) -> list[Block]:
    """A block that stands in the content too is not sent twice."""
    if not carried:
        return []
    there = {strictjson.dumps(block) for block in said}
    return [block for block in carried if strictjson.dumps(block) not in there]


def _is_use(block: Block) -> bool:
    return isinstance(block.get("id"), str)


def _in_series(block: Block) -> bool:
    kind = block.get("type")
    return isinstance(kind, str) and kind in SERIES


def _objects(value: Any, path: str) -> list[Block]:
    return [as_object(one, f"{path}[{position}]") for position, one in enumerate(as_array(value or [], path))]
