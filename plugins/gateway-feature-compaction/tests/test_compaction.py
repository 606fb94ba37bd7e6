"""Compaction: the edit is checked, its beta follows, a summary in the history needs it too, whole blocks for streams."""

import pytest
from gateway_feature_compaction import CompactionPlugin, Whole, carries_summary

from gateway import Event, GrantRow, InvalidRequest, Need
from gateway.catalog import BOOKS, Catalog, Offer
from gateway.params import Claims, Dialect
from gateway.testing import check_feature, make_call

EDIT = {"type": "compact_20260112"}
NEED = Need("compaction", "context_management.edits", EDIT)
BLOCK = {"type": "compaction", "content": "So far: nothing."}


def edited(**facts):
    return {"context_management": {"edits": [{**EDIT, **facts}]}}


def checked(**facts):
    claims = Claims(Dialect.load(), {"compaction": CompactionPlugin().register_params()})
    body = make_call(edited(**facts)).body
    return claims.check("messages", body, body)


def conversation(*blocks):
    return {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": list(blocks)}]}


def test_the_feature_keeps_its_promises():
    check_feature(CompactionPlugin, bodies=[edited(), conversation(BLOCK), {"stream": True, **edited()}])


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"trigger": None, "instructions": None, "pause_after_compaction": None},
        {
            "trigger": {"type": "input_tokens", "value": 50_000},
            "pause_after_compaction": True,
            "instructions": "Names.",
        },
        {"trigger": {"type": "input_tokens", "value": 50_000, "novel": 1}, "novel": {}},
    ],
)
def test_what_the_api_takes_is_let_through(facts):
    assert [(need.capability, need.param) for need in checked(**facts).needs] == [
        ("compaction", "context_management.edits")
    ]


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"trigger": {"type": "input_tokens", "value": 49_999}}, "trigger: value: has to be at least 50000."),
        ({"trigger": {"type": "input_tokens", "value": "many"}}, "trigger: value: "),
        ({"trigger": {"type": "tool_uses", "value": 60_000}}, "trigger: type: "),
        ({"trigger": {"type": "input_tokens"}}, "trigger: value: "),
        ({"trigger": 60_000}, "trigger: "),
        ({"pause_after_compaction": "yes"}, "pause_after_compaction: "),
        ({"instructions": ["a"]}, "instructions: "),
    ],
)
def test_what_it_does_not_take_is_refused_by_name(facts, says):
    with pytest.raises(InvalidRequest) as refused:
        checked(**facts)
    assert refused.value.message.startswith(f"context_management.edits: {says}")
    assert refused.value.param == "context_management.edits"


@pytest.mark.parametrize("block", [BLOCK, {"type": "compaction", "content": None}])
def test_a_summary_in_the_conversation_needs_a_host_that_reads_it(block):
    call = make_call(conversation(block))
    CompactionPlugin().prepare_request(call)
    assert [(need.capability, need.param) for need in call.needs] == [("compaction", "messages")]


def test_the_need_is_noted_once():
    call = make_call({**edited(), **conversation(BLOCK)}, needs=(NEED,))
    CompactionPlugin().prepare_request(call)
    assert call.needs == (NEED,)


@pytest.mark.parametrize(
    "messages", [None, "x", [], [7], [{"content": "text"}], [{"content": ["x", {"type": "text"}, {"type": ["a"]}]}]]
)
def test_a_conversation_without_a_summary_needs_nothing(messages):
    assert not carries_summary(messages)


@pytest.mark.parametrize(
    ("facts", "wanted"),
    [
        ({"surface": "chat", "stream": True, "needs": (NEED,)}, True),
        ({"surface": "messages", "stream": True, "needs": (NEED,)}, False),
        ({"surface": "chat", "stream": False, "needs": (NEED,)}, False),
        ({"surface": "chat", "stream": True}, False),
    ],
)
def test_only_streams_in_other_words_get_whole_blocks(facts, wanted):
    assert bool(CompactionPlugin().filter_events(make_call(**facts))) is wanted


def start(**block):
    return Event.of({"type": "content_block_start", "index": 0, "content_block": {"type": "compaction", **block}})


def delta(**said):
    return Event.of({"type": "content_block_delta", "index": 0, "delta": {"type": "compaction_delta", **said}})


STOP = Event.of({"type": "content_block_stop", "index": 0})


@pytest.mark.parametrize(
    ("events", "block"),
    [
        (
            [start(content=None), delta(content="all", encrypted_content="c2VjcmV0")],
            {"content": "all", "encrypted_content": "c2VjcmV0"},
        ),
        (
            [start(content=None, encrypted_content="old"), delta(content="a"), delta(content="b", encrypted_content="new")],
            {"content": "ab", "encrypted_content": "new"},
        ),
        ([start(content="whole", signature="s", tool_changes=[1])], {"content": "whole", "signature": "s", "tool_changes": [1]}),
        ([start(content=None), delta(content=None)], {"content": None}),
        ([start(content=None, encrypted_content="kept"), delta(content="x", encrypted_content=None)], {"content": "x", "encrypted_content": "kept"}),
    ],
    ids=["by threshold", "in pieces", "on demand", "failed", "null"],
)  # fmt: skip
def test_the_block_is_put_together_as_the_official_client_does(events, block):
    whole = Whole()
    passed = [out for event in [*events, STOP] for out in whole(event)]
    assert [event.data for event in passed[:-1]] == [event.data for event in events]
    assert passed[-1].json()["content_block"] == {"type": "compaction", **block}


@pytest.mark.parametrize("book", BOOKS)
@pytest.mark.parametrize(
    ("provider", "upstream", "there"),
    [
        ("anthropic", "claude-opus-4-6", {"announcement": True, "current": True}),
        ("azure_ai", "my-deployment", {"announcement": True, "current": True}),
        ("vertex_ai", "claude-opus-4-6", {"announcement": True, "current": True}),
        ("bedrock", "us.anthropic.claude-opus-4-6-v1", {"announcement": False, "current": True}),
        ("bedrock", "converse/us.anthropic.claude-opus-4-6-v1", {"announcement": False, "current": False}),
    ],
)
def test_where_it_exists_is_a_matter_of_rows_and_books(book, provider, upstream, there):
    catalog = Catalog({"compaction": CompactionPlugin().register_catalog()}, book)
    assert ("compaction" in catalog.grants(Offer(provider, upstream))) is there[book]


def test_every_grant_brings_the_beta():
    for row in CompactionPlugin().register_catalog():
        assert isinstance(row, GrantRow)
        assert row.betas == ("compact-2026-01-12",)


def test_a_malformed_block_is_left_to_the_surface():
    wanted = CompactionPlugin().filter_events(make_call(surface="chat", stream=True, needs=(NEED,)))
    block = {"type": "compaction", "content": None}
    burst = [
        Event.of({"type": "content_block_start", "index": None, "content_block": block}),
        Event("content_block_delta", b"[1]"),
        Event.of({"type": "content_block_stop", "index": None}),
    ]
    assert list(wanted.apply(burst)) == burst
