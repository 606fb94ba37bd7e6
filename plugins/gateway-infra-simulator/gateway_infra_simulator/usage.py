"""Usage: what an answer reports, counted by the rule in ``prompt`` and overlaid by what a script wants."""

from typing import Any

from gateway_infra_simulator.answer import Answer
from gateway_infra_simulator.ask import Ask
from gateway_infra_simulator.block import Block
from gateway_infra_simulator.cache import Cached
from gateway_infra_simulator.compaction import tokens_left
from gateway_infra_simulator.prompt import size_of, tokens
from gateway_infra_simulator.response import compact
from gateway_infra_simulator.rules import geo, speed

Body = dict[str, Any]

_PASS = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "cache_creation")
"""The fields of a pass in ``iterations``."""


def usage(ask: Ask, answer: Answer, cached: Cached) -> Body:
    """The usage of a whole answer, as JSON has it.

    The top level is what the answering passes took. A summary is a pass before them, found only in ``iterations``.
    """
    prompt = _prompt(ask.input_tokens - cached.read - cached.written, cached)
    summary = _summary(answer)
    final = _overlaid(_top(ask, answer, prompt if summary is None else _after(ask, answer, summary)), answer)
    if not answer.passes or "iterations" in (*final, *answer.without):
        return final
    passes = [] if summary is None else [_pass("compaction", prompt | {"output_tokens": output_tokens((summary,))})]
    if answer.stop.reason != "compaction":
        passes.append(_pass("message", final))
    return final | {"iterations": passes}


def _summary(answer: Answer) -> Block | None:
    first = answer.blocks[0] if answer.passes and answer.blocks else None
    return first if first is not None and first.kind == "compaction" else None


def _top(ask: Ask, answer: Answer, prompt: Body) -> Body:
    said = tuple(block for block in answer.blocks if not (answer.passes and block.kind == "compaction"))
    counted: Body = prompt | {
        "output_tokens": output_tokens(said),
        "output_tokens_details": {"thinking_tokens": thinking_tokens(said)},
        "service_tier": "standard",
        "inference_geo": geo.served(ask),
        "speed": speed.served(ask),
    }
    if searches := [block for block in answer.blocks if block.start.get("name") == "web_search"]:
        counted["server_tool_use"] = {"web_search_requests": len(searches), "web_fetch_requests": 0}
    return counted


def _prompt(uncached: int, cached: Cached) -> Body:
    return {
        "input_tokens": uncached,
        "cache_creation_input_tokens": cached.written,
        "cache_read_input_tokens": cached.read,
        "cache_creation": _split(cached.written_5m, cached.written_1h),
    }


def _after(ask: Ask, answer: Answer, summary: Block) -> Body:
    paused = answer.stop.reason == "compaction"
    return _prompt(0 if paused else tokens_left(ask, summary.folded.get("content")), Cached())


def _pass(kind: str, counts: Body) -> Body:
    found = {"type": kind} | {name: counts.get(name) for name in _PASS}
    return found if found["cache_creation_input_tokens"] else found | {"cache_creation": None}


def output_tokens(blocks: tuple[Block, ...]) -> int:
    """The tokens of what was produced, hidden thinking included."""
    return sum(tokens(_size(block)) for block in blocks)


def thinking_tokens(blocks: tuple[Block, ...]) -> int:
    """The tokens of the thinking alone."""
    return output_tokens(tuple(block for block in blocks if block.kind == "thinking"))


def _size(block: Block) -> int:
    folded = block.folded
    if block.kind in ("tool_use", "server_tool_use"):
        return size_of(compact(folded["input"]))
    shown = sum(size_of(folded[key]) for key in ("text", "thinking", "content") if isinstance(folded.get(key), str))
    return shown + size_of(block.hidden)


def _split(written_5m: int, written_1h: int) -> Body:
    return {"ephemeral_5m_input_tokens": written_5m, "ephemeral_1h_input_tokens": written_1h}


def _overlaid(counted: Body, answer: Answer) -> Body:
    wanted = answer.usage
    usage = counted | wanted
    # A script that names only the total or only the split of what was cached gets the other one to match.
    if "cache_creation_input_tokens" in wanted and "cache_creation" not in wanted:
        usage["cache_creation"] = _split(wanted["cache_creation_input_tokens"] or 0, 0)
    elif wanted.get("cache_creation") and "cache_creation_input_tokens" not in wanted:
        usage["cache_creation_input_tokens"] = sum(wanted["cache_creation"].values())
    return {key: value for key, value in usage.items() if key not in answer.without}
