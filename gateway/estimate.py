"""How many tokens something probably is, where nobody counted: for holds before a call, and for calls that broke."""

from collections.abc import Mapping
from typing import Any

BYTES_PER_TOKEN = 4
"""Bytes of text to a token; the usual rule of thumb for English, and above it for most other languages."""

IMAGE = 1600
"""Tokens of an image at full size (Messages API reference, "Vision": width times height over 750, then scaled)."""

BYTES_PER_DOCUMENT_TOKEN = 30
"""Bytes of a document's file to a token: a page of text is some 50 kB and 2,000 tokens."""


def text_tokens(size: int) -> int:
    """Tokens of so many bytes of text."""
    return -(-size // BYTES_PER_TOKEN)


def prompt_tokens(body: Any) -> int:
    """Tokens of everything in a canonical body; files count by what they show, not by their bytes."""
    size, tokens = 0, 0
    waiting = [body]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            size += len(value.encode("utf-8", "replace"))
        elif isinstance(value, Mapping):
            if value.get("type") == "base64" and isinstance(value.get("data"), str):
                tokens += _file_tokens(value)
            else:
                waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list):
            waiting += value
    return text_tokens(size) + tokens


def _file_tokens(source: Mapping[str, Any]) -> int:
    if str(source.get("media_type", "")).startswith("image/"):
        return IMAGE
    return max(len(source["data"]) * 3 // 4 // BYTES_PER_DOCUMENT_TOKEN, IMAGE)
