"""Usage in OpenAI's shape: the whole prompt, cache included, and the sum of all passes, which is what is paid.

Sources: OpenAI API reference, ``usage``; LiteLLM's extension fields; Messages API reference, ``usage``.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import orjson

from gateway import Entry, Pass, Usage, dollars

CARRIED_OVER = ("server_tool_use", "service_tier", "inference_geo", "speed", "iterations")
"""Fields of the host's usage that OpenAI's has no word for."""


def usage(entry: Entry) -> dict[str, Any]:
    """What a call used and cost."""
    raw = Usage(raw=dict(entry.usage))
    counts = _counts(entry.passes or _top_level(entry.usage))
    written = counts["cache_write_5m"] + counts["cache_write_1h"]
    prompt = counts["input"] + counts["cache_read"] + written
    return {
        "prompt_tokens": prompt,
        "completion_tokens": counts["output"],
        "total_tokens": prompt + counts["output"],
        "prompt_tokens_details": {
            "cached_tokens": counts["cache_read"],
            "cache_write_tokens": written,
            "cache_creation_tokens": written,
            "cache_creation_token_details": {
                "ephemeral_5m_input_tokens": counts["cache_write_5m"],
                "ephemeral_1h_input_tokens": counts["cache_write_1h"],
            },
        },
        "completion_tokens_details": {"reasoning_tokens": raw.quantity("output_tokens_details.thinking_tokens")},
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": counts["cache_read"],
        **{name: entry.usage[name] for name in CARRIED_OVER if entry.usage.get(name) is not None},
        "cost": _cost(entry),
    }


def _counts(passes: tuple[Pass, ...]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for one in passes:
        counts.update(one.counts)
    return counts


def _top_level(raw: Mapping[str, Any]) -> tuple[Pass, ...]:
    """For an answer that nothing is paid for, such as a refusal before any output: what the host counted."""
    return tuple(Usage(raw={name: value for name, value in raw.items() if name != "iterations"}).passes())


def _cost(entry: Entry) -> orjson.Fragment | None:
    """US dollars as a JSON number, digit by digit; null when the call could not be priced."""
    return None if entry.cost is None else orjson.Fragment(dollars(entry.cost).encode())
