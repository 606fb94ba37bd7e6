"""Content parts of a message to content blocks: text, images, files. What is a block already stays as it is.

Sources: OpenAI API reference, "Chat completions" (content parts); Messages API reference, content blocks.
"""

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePath
from typing import Any

from gateway_surface_chat.shape import Block, as_array, as_name, as_object, as_text, is_blank, wrong

BREAKPOINT = "prompt_cache_breakpoint"
"""OpenAI's own cache mark; hosts would refuse it."""

PDF = "application/pdf"

_MEDIA: Mapping[str, str] = {
    ".csv": "text/plain",
    ".gif": "image/gif",
    ".htm": "text/plain",
    ".html": "text/plain",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".json": "text/plain",
    ".md": "text/plain",
    ".pdf": PDF,
    ".png": "image/png",
    ".txt": "text/plain",
    ".webp": "image/webp",
    ".xml": "text/plain",
}
"""Media type of a file that comes as bare base64, by the end of its name."""


def blocks(content: Any, path: str) -> list[Block]:
    """The blocks of a message's content, a string or a list of parts; blank text is left out."""
    if isinstance(content, str):
        return [] if is_blank(content) else [{"type": "text", "text": content}]
    return [block for block in _converted(as_array(content, path), path) if block is not None]


def marked(made: list[Block], mark: Any) -> list[Block]:
    """The blocks, the last of them with the cache mark that stood on the message."""
    if mark is None or not made or "cache_control" in made[-1]:
        return made
    return [*made[:-1], {**made[-1], "cache_control": mark}]


def _converted(parts: list[Any], path: str) -> Iterator[Block | None]:
    for position, value in enumerate(parts):
        where = f"{path}[{position}]"
        part = as_object(value, where)
        kind = as_text(part.get("type"), f"{where}.type")
        convert = _PARTS.get(kind)
        yield part if convert is None else convert(part, where)


def _text(part: Block, path: str) -> Block | None:
    if is_blank(as_text(part.get("text"), f"{path}.text")):
        return None
    return part if BREAKPOINT not in part else {name: part[name] for name in part if name != BREAKPOINT}


def _refusal(part: Block, path: str) -> Block | None:
    text = as_text(part.get("refusal"), f"{path}.refusal")
    return None if is_blank(text) else {"type": "text", "text": text, **_rest(part, "refusal")}


def _image(part: Block, path: str) -> Block:
    path = f"{path}.image_url"
    given = part.get("image_url")
    url = as_name(given if isinstance(given, str) else as_object(given, path).get("url"), f"{path}.url")
    return {**_from_url(url, f"{path}.url", "image"), **_rest(part, "image_url")}


def _file(part: Block, path: str) -> Block:
    path = f"{path}.file"
    file = as_object(part.get("file"), path)
    if file.get("file_id") is not None:
        block = _from_id(as_name(file["file_id"], f"{path}.file_id"))
    else:
        block = _from_data(file, path)
    if block["type"] == "document" and isinstance(file.get("filename"), str) and file["filename"]:
        block["title"] = file["filename"]
    return {**block, **_rest(part, "file")}


def _audio(_part: Block, path: str) -> Block:
    raise wrong(f"{path}.type", "'input_audio' is not possible: Claude models do not listen; send text.")


_PARTS: Mapping[str, Callable[[Block, str], Block | None]] = {
    "text": _text,
    "refusal": _refusal,
    "image_url": _image,
    "file": _file,
    "input_audio": _audio,
}


def _rest(part: Block, own: str) -> Block:
    """What else stands on a part, such as a cache mark."""
    return {name: value for name, value in part.items() if name not in ("type", own, BREAKPOINT)}


def _from_id(file_id: str) -> Block:
    """A file that the host has, or that it can fetch (LiteLLM clients put an address here)."""
    if file_id.startswith(("https://", "http://")):
        return {"type": "document", "source": {"type": "url", "url": file_id}}
    return {"type": "document", "source": {"type": "file", "file_id": file_id}}


def _from_data(file: Block, path: str) -> Block:
    data = as_name(file.get("file_data"), f"{path}.file_data")
    if data[:5].lower() == "data:" or data.startswith(("https://", "http://")):
        return _from_url(data, f"{path}.file_data", "document")
    return _from_base64(_media_type(file), data, f"{path}.file_data")


def _media_type(file: Block) -> str:
    """What a file is: what its part says, else what the end of its name says, else a PDF."""
    if isinstance(file.get("format"), str):
        return str(file["format"]).lower()
    name = file.get("filename")
    return _MEDIA.get(PurePath(name[-255:]).suffix.lower(), PDF) if isinstance(name, str) else PDF


def _from_url(url: str, path: str, kind: str) -> Block:
    if url.startswith(("https://", "http://")):
        return {"type": kind, "source": {"type": "url", "url": url}}
    head, comma, data = url.partition(",")
    scheme, _, described = head[:200].lower().partition(":")
    media, *options = described.split(";")
    if scheme != "data" or not comma or "/" not in media or "base64" not in options:
        raise wrong(path, "has to be an http(s) address, or data:<media type>;base64,<data>.")
    return _from_base64(media, data, path)


def _from_base64(media: str, data: str, path: str) -> Block:
    if media.startswith("image/"):
        media = "image/jpeg" if media == "image/jpg" else media  # a common slip that hosts refuse
        return {"type": "image", "source": {"type": "base64", "media_type": media, "data": data}}
    if media.startswith("text/"):
        text = _decoded(data, path)
        return {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": text}}
    return {"type": "document", "source": {"type": "base64", "media_type": media, "data": data}}


def _decoded(data: str, path: str) -> str:
    """Text travels as text; hosts take base64 for PDF only."""
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, ValueError):
        raise wrong(path, "has to be base64 of UTF-8 text.") from None
