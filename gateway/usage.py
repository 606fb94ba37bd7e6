"""What a host says it used: the usage object, collected over a stream, turned into passes and served facts.

Rules of the wire (Messages API reference, "Streaming" and the usage types of the official SDK):

* ``message_start`` carries the whole object; ``message_delta`` carries running totals that replace, never add, and it
  never carries the split of cache writes nor any string. A field that is missing keeps what was said before.
* ``iterations`` lists every pass; where it stands, its entries are the bill and the top level is only the sum of those
  that served the answer. Without it the top level is the one pass.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jiter
import orjson

from gateway.estimate import text_tokens
from gateway.sse import Event

KINDS = ("input", "cache_write_5m", "cache_write_1h", "cache_read", "output")
"""Kinds of tokens that have a price."""

MAX_TOKENS = 10**12
"""A count above this is a host's mistake, not a quantity."""

_NUMBERS = {
    "input": "input_tokens",
    "cache_write": "cache_creation_input_tokens",
    "cache_read": "cache_read_input_tokens",
    "output": "output_tokens",
}
_PROMPT = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
_MINUTES, _HOUR = "ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"
_CONTENT = ("text", "thinking", "partial_json")
"""Where a delta's content stands."""


@dataclass(frozen=True, slots=True)
class Pass:
    """One run of one model over one prompt.

    Attributes:
        label: the entry's type, as the host names it; ``message`` for the usual one.
        model: the model that ran, when the host names another than the deployment's.
        counts: tokens by kind, zeros left out.
    """

    label: str
    model: str
    counts: Mapping[str, int]

    @property
    def prompt(self) -> int:
        """Tokens of the whole prompt: fresh, written to and read from the cache."""
        return sum(count for kind, count in self.counts.items() if kind != "output")


@dataclass
class Usage:
    """Collects what the events of one answer say of usage.

    Attributes:
        raw: the usage object so far.
        model: the model that the host names in its answer.
        message_id: the host's id of the answer.
        stop_reason: why it ended, once known.
        complete: the terminal event was seen.
        estimated: a number in ``raw`` was not counted by the host.
        odd: what was wrong with numbers that made no sense.
        left_out: names of numbers that made no sense and that nothing stands in for.
    """

    raw: dict[str, Any] = field(default_factory=dict)
    model: str = ""
    message_id: str = ""
    stop_reason: str | None = None
    complete: bool = False
    estimated: bool = False
    odd: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    _told: set[str] = field(default_factory=set)
    _content_bytes: int = 0
    _started: bool = False
    _final: bool = False

    def see(self, event: Event) -> None:
        """Take in one event: usage from those that carry it, and the size of what was delivered."""
        name = event.name
        if name == "content_block_delta":
            self._content_bytes += _content_size(event)
        elif name in _READERS:
            value = event.json()
            if isinstance(value, dict):
                getattr(self, _READERS[name])(value)

    @property
    def started(self) -> bool:
        """The host accepted the request and told its prompt's size."""
        return self._started

    def close(self) -> None:
        """The answer is over: where the host's last count never came, raise the output to what was delivered.

        Once the host has told why it stopped, its count is its last word.
        """
        self.estimated = self.estimated or not (self.complete and self._final)
        if self._final:
            return
        entries = self._iterations()
        serving = [entry for entry in entries if _serves(entry)]
        told = sum(map(_output, entries if serving else [*entries, self.raw]))
        missing = max(text_tokens(self._content_bytes) - told, 0)
        if serving:
            running = {**serving[-1], "output_tokens": _output(serving[-1]) + missing}
            self.raw["iterations"] = [running if entry is serving[-1] else entry for entry in entries]
        self.raw["output_tokens"] = _output(self.raw) + missing

    def assume(self, prompt: int) -> None:
        """The host said nothing of usage: take the prompt's probable size and what was delivered."""
        self.left_out.append("everything")
        self.estimated = True
        self.raw = {**self.raw, "input_tokens": prompt, "output_tokens": text_tokens(self._content_bytes)}

    def assume_prompt(self, prompt: int) -> None:
        """The host told what it wrote and not what it read: take the prompt's probable size, and name it."""
        self.left_out.append("input_tokens")
        self.estimated = True
        self.raw["input_tokens"] = prompt

    @property
    def promptless(self) -> bool:
        """The answer began, but nothing was said of its prompt; some hosts tell its size only at the very end."""
        return self._started and not self._iterations() and self._told.isdisjoint(_PROMPT)

    @property
    def silent(self) -> bool:
        """The host said nothing that could be billed."""
        return not self._iterations() and self._told.isdisjoint(_NUMBERS.values())

    def passes(self) -> list[Pass]:
        """What has to be paid, pass by pass."""
        entries = self._iterations()
        if not entries or (self.estimated and not any(map(_serves, entries))):
            entries.append({"type": "message", **self.raw})
        return [
            self._pass(entry)
            for place, entry in enumerate(entries, start=1)
            if not self._declined(entry, entries[place:])
        ]

    def quantity(self, path: str) -> int:
        """A metered quantity at a dotted path, 0 when it is absent or no sane number."""
        value: Any = self.raw
        for name in path.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        return self._sane(value, path)

    def _iterations(self) -> list[dict[str, Any]]:
        listed = self.raw.get("iterations") or []
        entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
        if entries != listed:
            self.odd.append(f"iterations={listed!r}"[:80])
        return entries

    def _declined(self, entry: dict[str, Any], later: list[dict[str, Any]]) -> bool:
        """An attempt that refused before any output is listed, not charged; so is one that another model replaced."""
        if _output(entry) or not _is_attempt(entry):
            return False
        refused = self.stop_reason == "refusal" and not later
        return refused or any(map(_is_fallback, later))

    def _pass(self, entry: Mapping[str, Any]) -> Pass:
        counts = {kind: self._sane(entry.get(name), name) for kind, name in _NUMBERS.items()}
        counts |= self._writes(entry, counts.pop("cache_write"))
        return Pass(
            label=str(entry.get("type") or "message"),
            model=str(entry.get("model") or ""),
            counts={kind: counts[kind] for kind in KINDS if counts[kind]},
        )

    def _writes(self, entry: Mapping[str, Any], written: int) -> dict[str, int]:
        """Cache writes of a pass by their lifetime; the total counts, and only where it is missing its parts do."""
        split = entry.get("cache_creation")
        if isinstance(split, dict):
            hour = self._sane(split.get(_HOUR), _HOUR)
            written = written or hour + self._sane(split.get(_MINUTES), _MINUTES)
        else:
            hour = self._share(entry, written)
        hour = min(hour, written)
        return {"cache_write_5m": written - hour, "cache_write_1h": hour}

    def _share(self, entry: Mapping[str, Any], written: int) -> int:
        """One-hour writes of a pass without a split of its own: the top level's share, rounded up."""
        total = self.quantity(f"cache_creation.{_HOUR}")
        whole = self.quantity(_NUMBERS["cache_write"])
        if entry.get("type") != "message" or not total or not whole:
            return 0
        return -(-written * total // whole)

    def _sane(self, value: Any, name: str) -> int:
        """A count, or 0 for what is no count; what was left out is noted."""
        count = _count(value)
        if count is None:
            self.odd.append(f"{name}={value!r}"[:80])
            self.left_out.append(name)
            return 0
        return count

    def _see_start(self, value: dict[str, Any]) -> None:
        message = value.get("message")
        if isinstance(message, dict):
            self._see_message(message, complete=False)

    def _see_message(self, value: dict[str, Any], *, complete: bool = True) -> None:
        self._started = True
        self.complete = complete
        self.model = str(value.get("model") or "")
        self.message_id = str(value.get("id") or "")
        self.stop_reason = value.get("stop_reason")
        self._content_bytes = sum(map(_block_size, value.get("content") or ())) if complete else 0
        usage = value.get("usage")
        self.raw = dict(usage) if isinstance(usage, dict) else {}
        self._told = {name for name, count in self.raw.items() if complete or count != 0}  # a start may be all zeros
        self._final = complete and ("output_tokens" in self.raw or bool(self.raw.get("iterations")))

    def _see_delta(self, value: dict[str, Any]) -> None:
        delta = value.get("delta")
        if isinstance(delta, dict) and delta.get("stop_reason"):
            self.stop_reason = delta["stop_reason"]
            self._final = isinstance(value.get("usage"), dict) and "output_tokens" in value["usage"]
        usage = value.get("usage")
        if isinstance(usage, dict):
            self.raw |= {name: self._replace(name, said) for name, said in usage.items() if said is not None}
            self._told |= {name for name, said in usage.items() if said is not None}

    def _replace(self, name: str, said: Any) -> Any:
        """Running totals only grow; a number that shrinks or makes no sense leaves the last good one."""
        before = self.raw.get(name)
        if name not in _NUMBERS.values():
            return {**before, **said} if isinstance(before, dict) and isinstance(said, dict) else said
        count = _count(said)
        if count is None:
            self.left_out.append(name)
        if count is None or count < (_count(before) or 0):
            self.odd.append(f"{name}={said!r}"[:80])
            return before
        return count

    def _see_stop(self, _value: dict[str, Any]) -> None:
        self.complete = True


_READERS = {
    "message": "_see_message",
    "message_start": "_see_start",
    "message_delta": "_see_delta",
    "message_stop": "_see_stop",
}


def _count(value: Any) -> int | None:
    """A sane token count: 0 for what is absent, None for what is no count."""
    if value is None:
        return 0
    if isinstance(value, jiter.LosslessFloat | float) and float(value).is_integer():
        value = int(float(value))  # 50.0 is plainly 50
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_TOKENS:
        return None
    return value


def _content_size(event: Event) -> int:
    """Bytes of text in a delta, however its frame is padded and escaped."""
    try:
        delta = orjson.loads(event.data)["delta"]
        return sum(len(delta[name].encode()) for name in _CONTENT if name in delta)
    except (ValueError, KeyError, TypeError, AttributeError):
        return 0


def _block_size(block: Any) -> int:
    """Bytes of text in a whole block."""
    said = [block[name] for name in (*_CONTENT, "input") if name in block] if isinstance(block, dict) else []
    return sum(len(str(value).encode("utf-8", "replace")) for value in said)


def _output(entry: Mapping[str, Any]) -> int:
    return _count(entry.get("output_tokens")) or 0


def _is_attempt(entry: Mapping[str, Any]) -> bool:
    """It tried to answer; every other entry did something beside the answer."""
    return entry.get("type") == "message" or _is_fallback(entry)


def _is_fallback(entry: Mapping[str, Any]) -> bool:
    return str(entry.get("type")).startswith("fallback")


def _serves(entry: Mapping[str, Any]) -> bool:
    """It is an attempt, and the host has said something of it."""
    return _is_attempt(entry) and any(_count(entry.get(path)) for path in _NUMBERS.values())
