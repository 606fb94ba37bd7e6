"""What the simulated host says in the grid, and what each of it costs on Opus 4.6.

Prices in millionths of a dollar a token: 5 read, 25 written.
"""

from collections.abc import Mapping

from gateway_infra_simulator import Answer, Block

USAGE = {
    "input_tokens": 100,
    "output_tokens": 20,
    "output_tokens_details": {"thinking_tokens": 0},
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
    "service_tier": "standard",
    "inference_geo": "global",
    "speed": "standard",
}

SUMMARY = {
    "type": "compaction",
    "content": "They planned a trip; Zürich is settled, the dates are not.",
    "encrypted_content": "ZW5jcnlwdGVk",
    "signature": "c2lnbmVk",
}
"""A summary with every key that it may have, as it comes back in a conversation."""
EDITS = {"applied_edits": [{"type": "clear_tool_uses_20250919", "cleared_tool_uses": 8, "cleared_input_tokens": 50000}]}


def one_pass(kind, read, written):
    """One entry of ``usage.iterations``."""
    cached = {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "cache_creation": None}
    return {"type": kind, "input_tokens": read, "output_tokens": written, **cached}


def said(answer, **usage):
    """An answer whose id and usage are always the same."""
    return answer.with_message(id="msg_features").with_usage(**{**USAGE, **usage})


def summed_up():
    """The summary as the host streams it: what it adds to the start comes in one delta."""
    added = {name: SUMMARY[name] for name in ("content", "encrypted_content")}
    return Block({**SUMMARY, "content": None, "encrypted_content": None}, ({"type": "compaction_delta", **added},))


FAILED = Block({"type": "compaction", "content": None}, ({"type": "compaction_delta", "content": None},))
TEXT = Answer.text("Let us go in May.", chunks=2)
UNEDITED = {"context_management": {"applied_edits": []}}
"""What the host says of edits that did not clear anything; a summary is a block, not an edit that was applied."""

THOUGHT = Answer.thinking("May is mild.", signature="dGhvdWdodA==")
COMPACTED = Answer.of(summed_up()) + TEXT.with_message(**UNEDITED)
PASSES = {
    "input_tokens": 4200,
    "output_tokens": 900,
    "iterations": [one_pass("compaction", 151_000, 3100), one_pass("message", 4200, 900)],
}

ANSWERS: Mapping[str, Answer] = {
    "plain": said(TEXT),
    "compacted": said(COMPACTED, **PASSES),
    "paused": said(
        Answer.of(summed_up(), stop_reason="compaction").with_message(**UNEDITED),
        input_tokens=0,
        output_tokens=0,
        iterations=PASSES["iterations"][:1],
    ),
    "failed_summary": said(
        Answer.of(FAILED) + TEXT.with_message(**UNEDITED),
        input_tokens=61_000,
        iterations=[one_pass("compaction", 60_000, 10), one_pass("message", 61_000, 20)],
    ),
    "edited": said(TEXT.with_message(context_management=EDITS)),
    "thought": said(THOUGHT + TEXT, output_tokens=60, output_tokens_details={"thinking_tokens": 40}),
    "long": said(TEXT, input_tokens=250_000, output_tokens=1000),
    "fast": said(TEXT, speed="fast"),
    "local": said(TEXT, inference_geo="us"),
    "everything": said(
        (Answer.of(summed_up()) + THOUGHT + TEXT).with_message(context_management=EDITS),
        output_tokens_details={"thinking_tokens": 40},
        speed="fast",
        inference_geo="us",
        **PASSES,
    ),
}

COSTS: Mapping[str, str] = {
    "plain": "0.001000",  # 100 x 5 + 20 x 25
    "compacted": "0.876000",  # (151,000 + 4,200) x 5 + (3,100 + 900) x 25
    "paused": "0.832500",  # 151,000 x 5 + 3,100 x 25
    "failed_summary": "0.605750",  # (60,000 + 61,000) x 5 + (10 + 20) x 25
    "edited": "0.001000",
    "thought": "0.002000",  # 100 x 5 + 60 x 25
    "long": "2.537500",  # above 200,000: 250,000 x 5 x 2 + 1,000 x 25 x 1.5
    "fast": "0.006000",  # six times as much
    "local": "0.001100",  # a tenth more
    "everything": "5.781600",  # compacted, x 6 x 1.1
}
