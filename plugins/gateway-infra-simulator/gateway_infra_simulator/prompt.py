"""The prompt: every part of a request that the model reads, in the order in which it is read and cached.

Counting rule: a token is four UTF-8 bytes, rounded up over the whole prompt, and every request costs
``OVERHEAD`` tokens more. Images and documents that travel as data count as ``MEDIA_BYTES`` each.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

OVERHEAD = 8
MEDIA_BYTES = 4000

Body = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """One tool, system block or content block.

    Attributes:
        path: where it stands in the body.
        content: the object itself.
        control: its ``cache_control``, if it carries one.
        size: how many bytes it counts.
    """

    path: str
    content: Any
    control: Any
    size: int


def tokens(size: int) -> int:
    """The tokens of so many bytes."""
    return -(-size // 4)


def size_of(text: str) -> int:
    """The bytes of a text."""
    return len(text) if text.isascii() else len(text.encode("utf-8"))


def parts(body: Body) -> tuple[Part, ...]:
    """All parts: tools, then system, then messages; an automatic mark falls on the last one."""
    found = [*_tools(body), *_system(body), *_messages(body)]
    automatic = body.get("cache_control")
    if automatic and found and not found[-1].control:
        found[-1] = Part("", found[-1].content, automatic, found[-1].size)
    return tuple(found)


def input_tokens(found: tuple[Part, ...]) -> int:
    """The tokens of a prompt."""
    return tokens(sum(part.size for part in found)) + OVERHEAD


def plain(value: object) -> list[Any]:
    """Content as a list of blocks, whether it came as a string or as a list."""
    if isinstance(value, str):
        return [{"type": "text", "text": value}]
    return value if isinstance(value, list) else []


def _tools(body: Body) -> Iterator[Part]:
    for index, tool in enumerate(body.get("tools") or ()):
        yield Part(f"tools.{index}", tool, tool.get("cache_control"), len(_compact(tool)))


def _system(body: Body) -> Iterator[Part]:
    for index, block in enumerate(plain(body.get("system"))):
        yield _part(f"system.{index}", block)


def _messages(body: Body) -> Iterator[Part]:
    for at, message in enumerate(body.get("messages") or ()):
        for index, block in enumerate(plain(message.get("content"))):
            yield _part(f"messages.{at}.content.{index}", block)


def _part(path: str, block: Body) -> Part:
    return Part(path, block, block.get("cache_control"), _size(block))


def _size(block: Body) -> int:
    match block.get("type"):
        case "text":
            return size_of(block["text"])
        case "thinking":
            return size_of(block["thinking"])
        case "image" | "document":
            return MEDIA_BYTES
        case "tool_use":
            return size_of(block["name"]) + len(_compact(block["input"]))
        case "tool_result":
            return sum(_size(part) for part in plain(block.get("content")))
    return len(_compact(block))


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
