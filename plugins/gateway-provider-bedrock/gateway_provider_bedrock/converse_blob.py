"""Opaque bytes: encrypted reasoning as text in Messages, as base64 in the JSON of Converse.

Converse's blob (``redactedContent``) is taken to hold the bytes of the text that Messages calls ``data``, so that a
history may move between the two. Bytes that are no text keep their base64 behind a mark. Either way, what came from an
answer goes back byte for byte.
"""

import base64
from collections.abc import Sequence

MARK = "base64:"
"""Begins a ``data`` that is the base64 of a blob and not its text."""


def to_data(blob: str) -> str:
    """What Messages clients see of a blob, given as Converse sends it."""
    try:
        text = base64.b64decode(blob, validate=True).decode()
    except ValueError:  # no base64, or not the bytes of a text
        return MARK + blob
    return text if _base64(text) == blob and not text.startswith(MARK) else MARK + blob


def to_blob(data: str) -> str:
    """The blob for a ``data``, as Converse takes it."""
    marked = data.removeprefix(MARK)
    return marked if marked != data and _bytes(marked) is not None else _base64(data)


def join(pieces: Sequence[str]) -> str:
    """One blob of several; base64 may end in padding, so only the bytes can be put together."""
    parts = [_bytes(piece) for piece in pieces]
    if len(parts) == 1 or None in parts:
        return "".join(pieces)
    return base64.b64encode(b"".join(filter(None, parts))).decode()


def _base64(text: str) -> str:
    return base64.b64encode(text.encode("utf-8", "surrogatepass")).decode()


def _bytes(blob: str) -> bytes | None:
    try:
        return base64.b64decode(blob, validate=True)
    except ValueError:
        return None
