"""Event stream frames: what AWS sends in place of server-sent events, built from their layout on the wire.

A frame is its length, the length of its headers and a checksum of both; the headers; the payload; a checksum of all.
Every number is big-endian. Source: botocore/eventstream.py, which reads them.
"""

import secrets
import string
import struct
import zlib
from typing import Any

from gateway_infra_simulator.response import compact

CONTENT_TYPE = "application/vnd.amazon.eventstream"

_STRING = 7
"""The type of a header whose value is a text."""

_AROUND = 16
"""Bytes of a frame beside headers and payload."""

_PADDING = string.ascii_letters + string.digits


def frame(headers: dict[str, str], payload: bytes) -> bytes:
    """One frame of any headers and payload."""
    packed = b"".join(_header(name, value) for name, value in headers.items())
    prelude = _checked(struct.pack(">II", _AROUND + len(packed) + len(payload), len(packed)))
    return _checked(prelude + packed + payload)


def event(name: str, payload: dict[str, Any]) -> bytes:
    """An event with JSON in it, padded as AWS pads it so that its length says nothing about the text."""
    padding = _PADDING[: secrets.randbelow(len(_PADDING))]
    return _json("event", name, payload | {"p": padding})


def exception(name: str, payload: dict[str, Any]) -> bytes:
    """An exception, which ends the stream; names begin with a small letter, as ``throttlingException``."""
    return _json("exception", name, payload)


def _json(kind: str, name: str, payload: dict[str, Any]) -> bytes:
    headers = {f":{kind}-type": name, ":content-type": "application/json", ":message-type": kind}
    return frame(headers, compact(payload).encode())


def _header(name: str, value: str) -> bytes:
    key, text = name.encode(), value.encode()
    return struct.pack(">B", len(key)) + key + struct.pack(">BH", _STRING, len(text)) + text


def _checked(data: bytes) -> bytes:
    return data + struct.pack(">I", zlib.crc32(data))
