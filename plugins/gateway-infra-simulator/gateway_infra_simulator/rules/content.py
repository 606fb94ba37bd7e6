"""Content: roles, the blocks that each may hold, and what a block must and may carry."""

from typing import Any, NamedTuple

from gateway_infra_simulator import shape
from gateway_infra_simulator.ask import Ask
from gateway_infra_simulator.beta import betas
from gateway_infra_simulator.refusal import RefusalError, bad
from gateway_infra_simulator.turn import Placed, Turn

Body = dict[str, Any]

BLANK = "text content blocks must contain non-whitespace text"
EMPTY = "text content blocks must be non-empty"
PREFILL = "This model does not support assistant message prefill. The conversation must end with a user message."
SYSTEM_ROLE = (
    'messages: Unexpected role "system". The Messages API accepts a top-level `system` parameter, '
    'not "system" as an input message role.'
)


class _Keys(NamedTuple):
    """What a block must carry, and what it may."""

    must: tuple[str, ...]
    may: tuple[str, ...] = ()


_BLOCKS = {
    "text": _Keys(("text",), ("cache_control", "citations")),
    "image": _Keys(("source",), ("cache_control", "transformations")),
    "thinking": _Keys(("thinking", "signature")),
    "redacted_thinking": _Keys(("data",)),
    "tool_use": _Keys(("id", "name", "input"), ("cache_control", "caller", "toolset_name")),
    "tool_result": _Keys(("tool_use_id",), ("cache_control", "content", "is_error", "toolset_name")),
    "compaction": _Keys((), ("cache_control", "content", "encrypted_content", "signature", "tool_changes")),
}
_OPAQUE = (
    "document",
    "search_result",
    "server_tool_use",
    "web_search_tool_result",
    "web_fetch_tool_result",
    "code_execution_tool_result",
    "bash_code_execution_tool_result",
    "text_editor_code_execution_tool_result",
    "tool_search_tool_result",
    "advisor_tool_result",
    "mcp_tool_use",
    "mcp_tool_result",
    "mcp_tool_listing",
    "container_upload",
    "fallback",
    "tool_addition",
    "tool_removal",
)
_TYPES = (*_BLOCKS, *_OPAQUE)
_ONLY_IN = {
    "tool_use": "assistant",
    "thinking": "assistant",
    "redacted_thinking": "assistant",
    "compaction": "assistant",
    "tool_result": "user",
    "image": "user",
}


def check(ask: Ask) -> None:
    """Refuse messages that are malformed or stand in the wrong order."""
    for index, message in enumerate(ask.body["messages"]):
        _message(ask, f"messages.{index}", shape.mapping(f"messages.{index}", message))
    for index, block in enumerate(_blocks("system", ask.body.get("system", "x"))):
        _system_text(f"system.{index}", block)
    _end(ask, ask.turns[-1])
    if ask.version >= "2026-10-21":
        _newer(ask)


def _message(ask: Ask, path: str, message: Body) -> None:
    role = shape.choice(f"{path}.role", shape.need(path, message, "role"), ("user", "assistant", "system"))
    if role == "system":
        _system_message(ask, path, message)
    else:
        _spoken(ask, path, role, message)


def _spoken(ask: Ask, path: str, role: str, message: Body) -> None:
    shape.only(path, message, ("role", "content"))
    blocks = _blocks(f"{path}.content", shape.need(path, message, "content"))
    if not blocks and role == "user":
        raise bad(path, "user messages must have non-empty content")
    for index, block in enumerate(blocks):
        _block(ask, role, Placed(f"{path}.content.{index}", block))


def _system_message(ask: Ask, path: str, message: Body) -> None:
    if not ask.model.system_turns:
        raise RefusalError(400, SYSTEM_ROLE)
    shape.only(path, message, ("role", "content", "clear_at", "output_config"))
    for index, block in enumerate(_blocks(f"{path}.content", message.get("content", []))):
        _block(ask, "system", Placed(f"{path}.content.{index}", block))


def _blocks(path: str, content: object) -> list[Body]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [shape.mapping(f"{path}.{index}", block) for index, block in enumerate(shape.listing(path, content))]


def _block(ask: Ask, role: str, placed: Placed) -> None:
    kind = shape.tag(placed.path, placed.block, _TYPES)
    if not ask.may(betas().blocks, kind):
        shape.tag(placed.path, placed.block, [other for other in _TYPES if ask.may(betas().blocks, other)])
    if _ONLY_IN.get(kind, role) != role:
        details = {"error_code": "compaction_block_misplaced"} if kind == "compaction" else None
        raise RefusalError(400, f"{placed.path}: `{kind}` blocks can only be in `{_ONLY_IN[kind]}` messages", details)
    if kind in _BLOCKS:
        _known(placed.path, kind, placed.block)


def _known(path: str, kind: str, block: Body) -> None:
    keys = _BLOCKS[kind]
    for key in keys.must:
        shape.need(f"{path}.{kind}", block, key)
    shape.only(f"{path}.{kind}", block, ("type", *keys.must, *keys.may))
    match kind:
        case "text":
            _text(f"{path}.text", block)
        case "tool_use":
            shape.name(f"{path}.tool_use.id", block["id"])
            shape.name(f"{path}.tool_use.name", block["name"])
            shape.mapping(f"{path}.tool_use.input", block["input"])
        case "tool_result":
            shape.name(f"{path}.tool_result.tool_use_id", block["tool_use_id"])
            _result(f"{path}.tool_result", block)
        case "thinking":
            shape.string(f"{path}.thinking.thinking", block["thinking"])
            shape.string(f"{path}.thinking.signature", block["signature"])
        case "redacted_thinking":
            shape.string(f"{path}.redacted_thinking.data", block["data"])
        case "compaction":
            _summary(f"{path}.compaction", block)


def _text(path: str, block: Body, where: str = "messages") -> None:
    text = shape.string(f"{path}.text", shape.need(path, block, "text"))
    if not text.strip():
        raise bad(where, BLANK if text else EMPTY)


def _system_text(path: str, block: Body) -> None:
    shape.tag(path, block, ("text",))
    shape.only(path, block, ("type", *_BLOCKS["text"].must, *_BLOCKS["text"].may))
    _text(path, block, "system")


def _summary(path: str, block: Body) -> None:
    for key in ("content", "encrypted_content", "signature"):
        if block.get(key) is not None:
            shape.string(f"{path}.{key}", block[key])
    if block.get("content") == "":  # null says that the summing-up failed; nothing at all says nothing
        raise bad(f"{path}.content", "String should have at least 1 character")


def _result(path: str, block: Body) -> None:
    content = block.get("content")
    if content is None or isinstance(content, str):
        return
    for index, part in enumerate(_blocks(f"{path}.content", content)):
        allowed = ("text", "image", "document", "search_result", "tool_reference")
        kind = shape.tag(f"{path}.content.{index}", part, allowed)
        if kind in _BLOCKS:
            _known(f"{path}.content.{index}", kind, part)


def _end(ask: Ask, last: Turn) -> None:
    if last.role != "assistant" or _resumes(last):
        return
    if not ask.model.prefill:
        raise RefusalError(400, PREFILL)
    if last.text != last.text.rstrip():
        raise bad("messages", "final assistant content cannot end with trailing whitespace")


def _resumes(last: Turn) -> bool:
    """A turn that the server paused, after a summary or in its own tools, may be sent back to go on."""
    kind = last.blocks[-1].kind if last.blocks else ""
    return kind in ("compaction", "server_tool_use") or (kind.endswith("_tool_result") and kind != "tool_result")


def _newer(ask: Ask) -> None:
    for turn in ask.turns:
        for placed in turn.blocks:
            if turn.role == "assistant" and placed.kind == "document":
                raise bad(placed.path, "`document` blocks are not permitted in `assistant` messages")
            if turn.role == "user" and placed.kind == "text" and placed.block.get("citations"):
                raise bad(f"{placed.path}.text.citations", "Extra inputs are not permitted")
