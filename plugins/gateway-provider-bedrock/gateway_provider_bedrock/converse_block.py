"""A content block of a conversation on its way to Converse.

Source: service model of bedrock-runtime (``ContentBlock``, ``ToolResultContentBlock``, ``CachePointBlock``).
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from gateway import InvalidRequest
from gateway_provider_bedrock import converse_blob, converse_citation
from gateway_provider_bedrock.converse_form import (
    Body,
    array,
    boolean,
    inexpressible,
    malformed,
    mapping,
    only,
    string,
)

LONGEST_NAME = 190
"""Characters of a document's name before its number; the service allows 200 for both."""

TTLS = ("5m", "1h")
"""Lifetimes of a cache point."""

_IMAGES = {"image/png": "png", "image/jpeg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
_OUT_OF_NAME = re.compile(r"[^A-Za-z0-9\s()\[\]-]+", re.ASCII)


class Names:
    """Names for the documents of one request, each given once.

    The service wants a name of a few characters and refuses two that are equal. A name depends on the documents before
    it and on nothing else, so a conversation that grows keeps its cached beginning.
    """

    def __init__(self) -> None:
        self._given: set[str] = set()
        self._last: dict[str, int] = {}

    def give(self, title: str) -> str:
        """A name as close to the title as the service allows."""
        plain = " ".join(_OUT_OF_NAME.sub("-", title).split())[:LONGEST_NAME].strip(" -") or "document"
        name, number = plain, self._last.get(plain, 1)
        while name in self._given:
            number += 1
            name = f"{plain} ({number})"
        self._last[plain] = number
        self._given.add(name)
        return name


def content(value: Any, path: str, names: Names) -> list[Body]:
    """A turn's content: a string, or blocks, each followed by its cache point if it has one.

    Raises:
        InvalidRequest: something that is malformed, or that Converse has no word for.
    """
    if isinstance(value, str):
        return [{"text": value}]
    parts: list[Body] = []
    for place, block in enumerate(array(value, path)):
        at = f"{path}[{place}]"
        parts += [_block(block, at, names, _BLOCKS), *cache_point(_mark(block), f"{at}.cache_control")]
    return parts


def system(value: Any) -> list[Body]:
    """The system prompt: a string, or text blocks with cache points.

    Raises:
        InvalidRequest: anything else.
    """
    if not value:
        return []
    if isinstance(value, str):
        return [{"text": value}]
    parts: list[Body] = []
    for place, block in enumerate(array(value, "system")):
        at = f"system[{place}]"
        parts += [_block(block, at, Names(), {"text": _text}), *cache_point(_mark(block), f"{at}.cache_control")]
    return parts


def cache_point(mark: Any, path: str) -> list[Body]:
    """What stands after a block that is marked: one cache point, or nothing.

    Of the mark's fields only the lifetime has a price. Any other says how widely the cache may be shared, which no
    Bedrock API knows; it is left out, as its beta is.

    Raises:
        InvalidRequest: a mark of another kind, or a lifetime that the service does not have.
    """
    if mark is None:
        return []
    if mapping(mark, path).get("type") != "ephemeral":
        raise inexpressible(path, "a cache mark that is not of type ephemeral")
    ttl = mark.get("ttl")
    if ttl is not None and ttl not in TTLS:
        raise malformed(f"{path}.ttl", f"one of {', '.join(TTLS)}")
    return [{"cachePoint": {"type": "default", **({"ttl": ttl} if ttl else {})}}]


def _mark(block: Body) -> Any:
    """A block's cache mark. Inside a tool result there is no cache point, so the last mark in there moves behind it."""
    own = block.get("cache_control")
    inner = block.get("content")
    if own is not None or block.get("type") != "tool_result" or not isinstance(inner, list):
        return own
    marks = [part["cache_control"] for part in inner if part.get("cache_control") is not None]
    return marks[-1] if marks else None


_Writer = Callable[[Body, str, Names], Body]


def _block(value: Any, path: str, names: Names, writers: Mapping[str, _Writer]) -> Body:
    block = mapping(value, path)
    kind = string(block.get("type"), f"{path}.type")
    if kind not in writers:
        raise inexpressible(path, f"a block of type {kind[:60]!r} here")
    return writers[kind](block, path, names)


def _text(block: Body, path: str, _names: Names) -> Body:
    only(block, ("type", "text", "citations", "cache_control"), path)
    text = string(block.get("text"), f"{path}.text")
    if not block.get("citations"):
        return {"text": text}
    at = f"{path}.citations"
    cited = array(block["citations"], at)
    citations = [converse_citation.write(citation, f"{at}[{place}]") for place, citation in enumerate(cited)]
    return {"citationsContent": {"content": [{"text": text}] if text else [], "citations": citations}}


def _image(block: Body, path: str, _names: Names) -> Body:
    only(block, ("type", "source", "cache_control"), path)
    source = _source(block, path)
    if source["type"] != "base64":
        raise _not_by_reference(path, source)
    kind = str(source.get("media_type"))
    if kind not in _IMAGES:
        raise malformed(f"{path}.source.media_type", f"one of {', '.join(_IMAGES)}")
    data = string(source.get("data"), f"{path}.source.data")
    return {"image": {"format": _IMAGES[kind], "source": {"bytes": data}}}


def _document(block: Body, path: str, names: Names) -> Body:
    only(block, ("type", "source", "title", "context", "citations", "cache_control"), path)
    source = _source(block, path)
    if source["type"] not in _SOURCES:
        raise _not_by_reference(path, source)
    document = _SOURCES[source["type"]](source, f"{path}.source")
    document["name"] = names.give(string(block.get("title") or "", f"{path}.title"))
    if block.get("context") is not None:
        document["context"] = string(block["context"], f"{path}.context")
    return {"document": document | _citations(block, path)}


def _search_result(block: Body, path: str, _names: Names) -> Body:
    only(block, ("type", "source", "title", "content", "citations", "cache_control"), path)
    result = {name: string(block.get(name), f"{path}.{name}") for name in ("source", "title")}
    return {"searchResult": {**result, "content": _texts(block, path), **_citations(block, path)}}


def _thinking(block: Body, path: str, _names: Names) -> Body:
    only(block, ("type", "thinking", "signature"), path)
    signature = string(block.get("signature") or "", f"{path}.signature")
    text = string(block.get("thinking"), f"{path}.thinking")
    return {"reasoningContent": {"reasoningText": {"text": text, **({"signature": signature} if signature else {})}}}


def _redacted_thinking(block: Body, path: str, _names: Names) -> Body:
    only(block, ("type", "data"), path)
    return {"reasoningContent": {"redactedContent": converse_blob.to_blob(string(block.get("data"), f"{path}.data"))}}


def _tool_use(block: Body, path: str, _names: Names) -> Body:
    only(block, ("type", "id", "name", "input", "cache_control"), path)
    use = {"toolUseId": string(block.get("id"), f"{path}.id"), "name": string(block.get("name"), f"{path}.name")}
    return {"toolUse": {**use, "input": mapping(block.get("input") or {}, f"{path}.input")}}


def _tool_result(block: Body, path: str, names: Names) -> Body:
    only(block, ("type", "tool_use_id", "content", "is_error", "cache_control"), path)
    result: Body = {"toolUseId": string(block.get("tool_use_id"), f"{path}.tool_use_id")}
    said = block.get("content") or []  # an empty text is refused, an empty list is not
    if isinstance(said, str):
        result["content"] = [{"text": said}]
    else:
        at = f"{path}.content"
        result["content"] = [
            _block(part, f"{at}[{place}]", names, _RESULTS) for place, part in enumerate(array(said, at))
        ]
    if block.get("is_error") is not None:
        result["status"] = "error" if boolean(block["is_error"], f"{path}.is_error") else "success"
    return {"toolResult": result}


_RESULTS: Mapping[str, _Writer] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "search_result": _search_result,
}
_BLOCKS: Mapping[str, _Writer] = {
    **_RESULTS,
    "thinking": _thinking,
    "redacted_thinking": _redacted_thinking,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
}


def _source(block: Body, path: str) -> Body:
    source = mapping(block.get("source"), f"{path}.source")
    string(source.get("type"), f"{path}.source.type")
    return source


def _not_by_reference(path: str, source: Body) -> InvalidRequest:
    """InvokeModel takes no URL and no file either, so it is no remedy here."""
    return malformed(f"{path}.source", f"base64: Bedrock takes no source of type {source['type'][:60]!r}")


def _pdf(source: Body, path: str) -> Body:
    if source.get("media_type") != "application/pdf":
        raise malformed(f"{path}.media_type", "application/pdf")
    return {"format": "pdf", "source": {"bytes": string(source.get("data"), f"{path}.data")}}


def _plain(source: Body, path: str) -> Body:
    return {"format": "txt", "source": {"text": string(source.get("data"), f"{path}.data")}}


def _chunks(source: Body, path: str) -> Body:
    said = source.get("content")
    return {"source": {"content": [{"text": said}] if isinstance(said, str) else _texts(source, path)}}


_SOURCES: Mapping[str, Callable[[Body, str], Body]] = {"base64": _pdf, "text": _plain, "content": _chunks}


def _texts(holder: Body, path: str) -> list[Body]:
    """Content that may be text only and carries no cache mark of its own."""
    at = f"{path}.content"
    parts = enumerate(array(holder.get("content"), at))
    return [_bare_text(part, f"{at}[{place}]") for place, part in parts]


def _bare_text(value: Any, path: str) -> Body:
    if mapping(value, path).get("type") != "text":
        raise inexpressible(path, "anything but text here")
    only(value, ("type", "text"), path)
    return {"text": string(value.get("text"), f"{path}.text")}


def _citations(block: Body, path: str) -> Body:
    """Whether the model may cite from this; not said is not sent."""
    at = f"{path}.citations"
    enabled = only(block.get("citations") or {}, ("enabled",), at).get("enabled")
    return {} if enabled is None else {"citations": {"enabled": boolean(enabled, f"{at}.enabled")}}
