"""The prompt: every part of a request that the model reads, in the order in which it is read and cached.

Counting rule: a token is four UTF-8 bytes, rounded up over the whole prompt, and every request costs
``OVERHEAD`` tokens more. Images and documents that travel as data count as ``MEDIA_BYTES`` each.

Words may stand in for length: where a prompt says ``[[sim:size tokens=180000]]``, it counts that much up to the end of
the block that says so. Only the assistant's own words are exempt, as they may repeat what was said.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from gateway_infra_simulator.refusal import RefusalError

OVERHEAD = 8
MEDIA_BYTES = 4000

SIZE = "[[sim:size"

_SIZE = re.compile(r"\[\[sim:size tokens=(\d{1,9})\]\]")

Body = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """One tool, system block or content block.

    Attributes:
        path: where it stands in the body.
        content: the object itself.
        control: its ``cache_control``, if it carries one.
        size: how many bytes it counts.
        message: the message that it belongs to, such as ``messages.0``; empty for tools and system.
        claimed: how many tokens the prompt is said to have up to here; 0 if nothing is said.
    """

    path: str
    content: Any
    control: Any
    size: int
    message: str = ""
    claimed: int = 0

    @property
    def kind(self) -> str:
        """The type of the block."""
        return str(self.content.get("type"))


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
        found[-1] = replace(found[-1], path="", control=automatic)
    return tuple(found)


def live(found: tuple[Part, ...]) -> tuple[Part, ...]:
    """The parts that are still read: the last summary stands for all that was said before it."""
    summed = [at for at, part in enumerate(found) if part.kind == "compaction" and part.content.get("content")]
    if not summed:
        return found
    return (*(part for part in found[: summed[-1]] if not part.message), *found[summed[-1] :])


def sized(found: tuple[Part, ...]) -> tuple[Part, ...]:
    """The parts, with those that claim a length as long as it takes."""
    parts, before = [], OVERHEAD * 4
    for part in found:
        size = max(part.size, part.claimed * 4 - before)
        parts.append(replace(part, size=size) if part.claimed else part)
        before += size
    return tuple(parts)


def without_size(text: str) -> str:
    """A text without the words that stand for its length."""
    return _SIZE.sub("", text).strip() if SIZE in text else text


def input_tokens(found: tuple[Part, ...]) -> int:
    """The tokens of a prompt."""
    return tokens(sum(part.size for part in found)) + OVERHEAD


def plain(value: object) -> list[Any]:
    """Content as a list of blocks, whether it came as a string or as a list."""
    if isinstance(value, str):
        return [{"type": "text", "text": value}]
    return value if isinstance(value, list) else []


def size_of_block(block: Body) -> int:
    """The bytes that a content block counts by itself."""
    match block.get("type"):
        case "text" | "thinking" as kind:
            return size_of(block[kind])
        case "compaction":
            return size_of(block.get("content") or "")
        case "image" | "document":
            return MEDIA_BYTES
        case "tool_use":
            return size_of(block["name"]) + size_of_input(block)
        case "tool_result":
            return sum(size_of_block(part) for part in plain(block.get("content")))
    return len(_compact(block))


def size_of_input(block: Body) -> int:
    """The bytes of the input of a tool call."""
    return len(_compact(block["input"]))


def _tools(body: Body) -> Iterator[Part]:
    for index, tool in enumerate(body.get("tools") or ()):
        yield Part(f"tools.{index}", tool, tool.get("cache_control"), len(_compact(tool)))


def _system(body: Body) -> Iterator[Part]:
    for index, block in enumerate(plain(body.get("system"))):
        yield _part(f"system.{index}", block, claimed=_claimed(block))


def _messages(body: Body) -> Iterator[Part]:
    for at, message in enumerate(body.get("messages") or ()):
        own = message.get("role") == "assistant"
        for index, block in enumerate(plain(message.get("content"))):
            claimed = 0 if own else _claimed(block)
            yield _part(f"messages.{at}.content.{index}", block, f"messages.{at}", claimed)


def _part(path: str, block: Body, message: str = "", claimed: int = 0) -> Part:
    return Part(path, block, block.get("cache_control"), size_of_block(block), message, claimed)


def _claimed(block: Body) -> int:
    if block.get("type") == "tool_result":
        return max((_claimed(part) for part in plain(block.get("content"))), default=0)
    text = block["text"] if block.get("type") == "text" else ""
    if SIZE not in text:
        return 0
    if text.count(SIZE) != len(_SIZE.findall(text)):
        raise RefusalError(400, "simulator: a length is given as [[sim:size tokens=180000]]")
    return max(int(found) for found in _SIZE.findall(text))


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
