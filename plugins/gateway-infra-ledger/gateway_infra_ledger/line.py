"""A line of the journal: what is known of an attempt, with length and checksum, so that a torn line is noticed."""

import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from gateway import Entry, GatewayError, strictjson

Key = tuple[str, int]
"""A call, and which of its attempts."""

BEGUN, ENDED = b"begun", b"ended"
"""What a line knows of its attempt: what stands if its process dies, or how it ended."""

DIED = "The process ended before this attempt did."
"""What is said of an attempt that nobody knows more of."""

_FORM = re.compile(rb"(begun|ended) ([0-9]+) ([0-9a-f]{8}) (.*)\n", re.DOTALL)


class Torn(ValueError):
    """A line that was not written to its end, or is not what was written."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line, read.

    Attributes:
        ended: how the attempt ended is known.
        value: its entry as ``Entry.as_dict`` gave it.
    """

    ended: bool
    value: Mapping[str, Any]

    @classmethod
    def parse(cls, data: bytes) -> "Line":
        """Understand a line.

        Raises:
            Torn: there is no whole one.
        """
        found = _FORM.fullmatch(data)
        if found is None:
            raise Torn("the line has no end")
        kind, length, checksum, body = found.groups()
        if int(length) != len(body) or int(checksum, 16) != zlib.crc32(body):
            raise Torn("the line is not what was written")
        return cls(kind == ENDED, json.loads(body))

    @property
    def key(self) -> Key:
        """Which attempt."""
        return self.value["call_id"], self.value["attempt"]

    def entry(self) -> Entry:
        """The entry that stands if nothing more is known.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        entry = Entry.from_dict(self.value)
        return entry if self.ended else replace(entry, outcome="unknown", estimated=True, error=entry.error or DIED)


def spelled(kind: bytes, entry: Entry) -> bytes:
    """An entry as a line."""
    value = entry.as_dict()
    try:
        body = strictjson.dumps(value)
    except GatewayError:  # a number beyond 64 bits, half a surrogate pair: the slow way takes them
        body = json.dumps(value).encode()
    return b"%b %d %08x %b\n" % (kind, len(body), zlib.crc32(body), body)
