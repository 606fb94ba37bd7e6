"""Scenarios: answers by name, to be picked by a few words in a prompt or in a script.

``[[sim:error status=529 retry_after=3]]`` in the last user turn answers that turn with a 529. After the name come the
scenario's own arguments and those of the manner, which every scenario takes: ``drip``, ``ms``, ``silence``, ``at``,
``cut``, ``how``, ``of``, ``framing``, ``crlf``, ``pings`` and ``deltas``.
"""

import inspect
import re
import shlex
from collections.abc import Callable
from typing import Any

from gateway_infra_simulator.answer import Answer
from gateway_infra_simulator.block import Block
from gateway_infra_simulator.prompt import without_size

MANNERS = ("framing", "crlf", "drip", "ms", "silence", "at", "cut", "how", "of", "pings", "deltas")
"""Arguments that every scenario takes."""

_CALL = re.compile(r"\[\[sim:(.+?)\]\]", re.DOTALL)
_LOREM = "The simulator says this for as long as it was asked to. "


class UnknownScenarioError(ValueError):
    """No scenario of that name, or not with these arguments."""


def called(text: str) -> str | None:
    """The words between ``[[sim:`` and ``]]``, if a text has them; those that only give a length are no call."""
    found = _CALL.search(without_size(text))
    return found.group(1) if found else None


def scenario(words: str) -> Answer:
    """The answer of a call such as ``error status=529``."""
    try:
        name, *pairs = shlex.split(words)
    except ValueError as error:
        raise UnknownScenarioError(f"{words!r}: {error}") from error
    if name not in SCENARIOS:
        raise UnknownScenarioError(f"no scenario {name!r}; there are {', '.join(SCENARIOS)}")
    return _build(name, dict(_pair(pair) for pair in pairs))


def _build(name: str, arguments: dict[str, Any]) -> Answer:
    make = SCENARIOS[name]
    own = {key: value for key, value in arguments.items() if _takes(make, key)}
    try:
        return _mannered(make(**own), {key: value for key, value in arguments.items() if key not in own})
    except (TypeError, ValueError) as error:
        raise UnknownScenarioError(f"{name}: {error}") from error


def _takes(make: Callable[..., Answer], key: str) -> bool:
    parameters = inspect.signature(make).parameters
    any_key = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    return key in parameters or (any_key and key not in MANNERS)


def _pair(pair: str) -> tuple[str, Any]:
    key, _, value = pair.partition("=")
    return key, _value(value)


def _value(text: str) -> Any:
    if text in ("true", "false", ""):
        return text != "false"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _mannered(answer: Answer, wanted: dict[str, Any]) -> Answer:
    def take(name: str, default: Any = None) -> Any:
        return wanted.pop(name, default)

    if framing := take("framing"):
        answer = answer.framed(framing)
    if take("crlf"):
        answer = answer.crlf()
    if drip := take("drip"):
        answer = answer.drip(drip, take("ms", 1))
    if silence := take("silence"):
        answer = answer.silent(silence, take("at", "after_message_start"))
    if (offset := take("cut")) is not None:
        answer = answer.cut(offset, take("how", "fin"), take("of", "body"))
    answer = answer.with_pings(take("pings", answer.flow.pings)).with_deltas(take("deltas", answer.flow.deltas))
    if wanted:
        raise TypeError(f"does not take {', '.join(wanted)}")
    return answer


# ---------------------------------------------------------------------------------------------------------- the answers


def _text(text: str = "[simulated] Grüße, 世界 👋.", chunks: int = 4) -> Answer:
    return Answer.text(text, chunks)


def _long(words: int = 1000) -> Answer:
    return Answer.text((_LOREM * (words // 11 + 1)).strip(), chunks=words)


def _thinking(text: str = "[simulated] The answer.", thought: str = "[simulated] Hm.", display: str = "") -> Answer:
    return Answer.thinking(thought, display=display or "summarized") + Answer.text(text)


def _omitted() -> Answer:
    return _thinking(display="omitted")


def _redacted() -> Answer:
    return Answer.redacted_thinking() + Answer.text("[simulated] The answer.")


def _tools(parallel: int = 1, name: str = "get_weather") -> Answer:
    return Answer.tools(*((name, {"city": f"Town {number}"}) for number in range(1, parallel + 1)))


def _tool_empty(name: str = "get_time") -> Answer:
    return Answer.tools(name)


def _refusal(text: str = "", category: str = "cyber") -> Answer:
    return Answer.refusal(text, category, "[simulated] refused")


def _stop(reason: str = "end_turn", text: str = "[simulated] The end.") -> Answer:
    return Answer.text(text).with_stop(reason)


def _stop_sequence(sequence: str = "END") -> Answer:
    return Answer.text("[simulated] Up to here").with_stop("stop_sequence", sequence)


def _compaction(summary: str = "[simulated] What was said before.", pause: bool = False) -> Answer:
    passes = [_pass("compaction", 151_000, 3_100), _pass("message", 4_200, 900)]
    if pause:
        paused = Answer.compaction(summary, pause=True)
        return paused.with_usage(input_tokens=0, output_tokens=0, iterations=passes[:1])
    answer = Answer.compaction(summary) + Answer.text("[simulated] And on it goes.")
    return answer.with_usage(input_tokens=4_200, output_tokens=900, iterations=passes)


def _pass(kind: str, read: int, written: int) -> dict[str, Any]:
    return {
        "type": kind,
        "input_tokens": read,
        "output_tokens": written,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "cache_creation": None,
    }


def _unknown_event(name: str = "novelty") -> Answer:
    return Answer.text("[simulated] Something new.").with_event(name, {"type": name, "value": 1}, at=2)


def _unknown_block(kind: str = "novelty") -> Answer:
    block = Block({"type": kind, "value": None}, ({"type": f"{kind}_delta", "value": 1},))
    return Answer.of(block) + Answer.text("[simulated] Something new.")


def _unknown_delta(kind: str = "novelty_delta") -> Answer:
    text = Block.text("[simulated] Something new.")
    return Answer.of(Block(text.start, (*text.deltas, {"type": kind, "novelty": 1})))


def _usage(**fields: Any) -> Answer:
    return Answer.text("[simulated] As many tokens as you like.").with_usage(**fields)


def _error(status: int = 500, message: str = "", kind: str = "", retry_after: int | None = None) -> Answer:
    return Answer.error(status, message, kind, retry_after)


def _rate_limit(retry_after: int = 1) -> Answer:
    return Answer.error(429, "[simulated] Too many requests", retry_after=retry_after)


def _overloaded() -> Answer:
    return Answer.error(529, "Overloaded")


def _mid_error(after: int = 4, kind: str = "overloaded_error") -> Answer:
    return _text().failing(after, kind)


def _truncated(events: int = -1) -> Answer:
    return _text().truncated(events)


def _silence(seconds: float = 30, at: str = "after_message_start") -> Answer:
    return _text().silent(seconds, at)


def _cut(offset: int = 600, how: str = "fin", of: str = "body") -> Answer:
    return _text().cut(offset, how, of)


def _drip(size: int = 8, ms: float = 20) -> Answer:
    return _text().drip(size, ms)


def _early() -> Answer:
    return _text().with_event("ping", {"type": "ping"})


def _comment(text: str = "keepalive", at: int = 2) -> Answer:
    return _text().with_comment(text, at)


def _deltas(count: int = 3) -> Answer:
    return _text().with_deltas(count)


def _redirect(location: str = "http://127.0.0.1:9/", status: int = 307) -> Answer:
    return Answer.redirect(location, status)


def _garbage() -> Answer:
    return Answer.raw(b"this is no HTTP\r\n\r\n")


SCENARIOS: dict[str, Callable[..., Answer]] = {
    "text": _text,
    "long": _long,
    "thinking": _thinking,
    "omitted": _omitted,
    "redacted": _redacted,
    "tools": _tools,
    "tool_empty": _tool_empty,
    "web_search": Answer.web_search,
    "refusal": _refusal,
    "stop": _stop,
    "stop_sequence": _stop_sequence,
    "compaction": _compaction,
    "usage": _usage,
    "unknown_event": _unknown_event,
    "unknown_block": _unknown_block,
    "unknown_delta": _unknown_delta,
    "early": _early,
    "comment": _comment,
    "deltas": _deltas,
    "error": _error,
    "host_error": Answer.host_error,
    "rate_limit": _rate_limit,
    "fast_limit": Answer.fast_limit,
    "overloaded": _overloaded,
    "redirect": _redirect,
    "html": Answer.html,
    "empty": Answer.empty,
    "mid_error": _mid_error,
    "truncated": _truncated,
    "silence": _silence,
    "cut": _cut,
    "drip": _drip,
    "split": lambda: _text().split_each_byte(),
    "garbage": _garbage,
}
"""Every scenario and the arguments that it takes."""
