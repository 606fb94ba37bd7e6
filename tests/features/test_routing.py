"""Routing by need: one name, several places, and a request goes only where it can be served.

Two things never decide: chance, where a need does, and the order of the plugins.
"""

import random
from collections import Counter

import pytest

from tests.features.conftest import ASKS, BETAS, HELLO, PATHS, SUMMARY, asking, cast, post, sent, wire
from tests.features.wires import seen

DROP = "litellm_settings: {drop_params: true}"
FORWARD = "general_settings: {forward_client_headers_to_llm_api: true}"

HISTORY = [
    {"role": "user", "content": "Where to?"},
    {"role": "assistant", "content": [SUMMARY, {"type": "text", "text": "To Zürich."}]},
    {"role": "user", "content": "When?"},
]
PAIRS = {
    "anthropic and bedrock": ([("anthropic", "opus"), ("bedrock", "opus")], ASKS["compaction"], "anthropic/opus", 0.5),
    "bedrock and converse, one three times as heavy": (
        [("bedrock", "opus", 1), ("converse", "opus", 3)], ASKS["context_editing"], "bedrock/opus", 0.25,
    ),
}  # fmt: skip
"""Deployments, what only one of them has, which, and its share of what both have."""

SOMEWHERE_ELSE = "available on: anthropic, azure_ai, vertex_ai."


def place(got):
    assert got.status == 200, got.body
    return got.headers["gateway-deployment"]


def places(client, surface, body, times):
    return Counter(place(post(client, surface, {"model": "opus", **HELLO, **body})) for _ in range(times))


# ----------------------------------------------------------------------------------------- a need that the body shows


@pytest.mark.parametrize("pair", PAIRS)
def test_of_1000_requests_those_with_a_need_go_where_it_is_met_and_the_others_by_weight(stage, pair):
    deployments, need, able, share = PAIRS[pair]
    client = stage.kept({"opus": deployments})
    went = {True: Counter(), False: Counter()}
    for number in range(1000):
        needs, surface = number % 2 == 0, list(PATHS)[number // 2 % 2]
        went[needs][place(post(client, surface, {"model": "opus", **HELLO, **(need if needs else {})}))] += 1
    assert went[True] == {able: 500}
    assert set(went[False]) == {f"{row}/{model}" for row, model, *_ in deployments}
    # Seven standard deviations: chance alone fails this once in more runs than there will be.
    assert abs(went[False][able] - 500 * share) < 7 * (500 * share * (1 - share)) ** 0.5
    assert sum(went[False].values()) == 500


# ------------------------------------------------------------------------------------- a need that only preparing shows


@pytest.mark.parametrize("surface", PATHS)
def test_a_history_with_a_summary_goes_on_to_the_place_that_can_read_it(stage, surface):
    client = stage.kept({"opus": [("bedrock", "opus", 9), ("anthropic", "opus", 1)]})
    assert places(client, surface, {"messages": HISTORY}, 50) == {"anthropic/opus": 50}
    sent = stage.calls(50)
    assert {record.headers["anthropic-beta"] for record in sent} == set(BETAS["compaction"])


def test_a_level_goes_on_to_the_model_that_knows_it(stage):
    client = stage.kept({"opus": [("anthropic", "opus", 9), ("anthropic", "newer", 1)]})
    assert places(client, "chat", {"reasoning_effort": "xhigh"}, 50) == {"anthropic/newer": 50}
    assert {record.json["output_config"]["effort"] for record in stage.calls(50)} == {"xhigh"}
    assert set(places(client, "chat", {"reasoning_effort": "high"}, 100)) == {"anthropic/opus", "anthropic/newer"}


def test_thinking_is_prepared_for_the_model_that_it_goes_to(stage):
    """Each place gets its own copy of the call: what was written for the one must not reach the other."""
    client = stage.kept({"opus": [("anthropic", "opus"), ("anthropic", "older")]})
    assert len(places(client, "chat", {"reasoning_effort": "high"}, 100)) == 2
    written = {
        record.json["model"]: (record.json["thinking"], record.headers.get("anthropic-beta"))
        for record in stage.calls(100)
    }
    assert written == {
        "claude-opus-4-6": ({"type": "adaptive"}, None),
        "claude-opus-4-5": ({"type": "enabled", "budget_tokens": 4096}, *BETAS["effort"]),
    }  # fmt: skip


# ------------------------------------------------------------------------------------------------------ none has it


@pytest.mark.parametrize("surface", PATHS)
@pytest.mark.parametrize(
    ("body", "param"), [(ASKS["compaction"], "context_management.edits"), ({"messages": HISTORY}, "messages")]
)
def test_where_none_has_it_the_refusal_names_where_it_is(stage, surface, body, param):
    client = stage.kept({"opus": [("bedrock", "opus"), ("converse", "opus")]})
    got = post(client, surface, {"model": "opus", **HELLO, **body})
    assert got.status == 400
    assert got.json["error"]["message"].startswith(f"{param}: compaction is not available for opus on bedrock")
    assert got.json["error"]["message"].endswith(SOMEWHERE_ELSE)
    assert got.json["error"]["details"]["available_on"] == ["anthropic", "azure_ai", "vertex_ai"]
    assert not stage.sim.log


def test_in_the_current_book_invoke_model_has_compaction_and_converse_still_has_none(stage):
    client = stage.kept({"opus": [("converse", "opus", 9), ("bedrock", "opus", 1)]}, "pricing: {book: current}")
    assert places(client, "messages", ASKS["compaction"], 20) == {"bedrock/opus": 20}
    arrives = sent("bedrock", "opus", {**HELLO, **ASKS["compaction"]}, BETAS["compaction"])
    assert [seen(record) for record in stage.calls(20)] == [arrives] * 20


def test_a_need_that_two_places_lack_names_both(stage):
    client = stage.kept({"opus": [("azure_ai", "opus"), ("vertex_ai", "opus"), ("bedrock", "opus")]})
    got = post(client, "messages", asking(["fast_mode"]))
    assert got.json["error"]["message"] == (
        "speed: fast_mode is not available for opus on azure_ai, vertex_ai, bedrock; available on: anthropic."
    )
    assert got.json["error"]["details"]["provider"] == ["azure_ai", "vertex_ai", "bedrock"]


def test_two_needs_that_no_single_place_meets_are_refused(stage):
    client = stage.kept({"opus": [("anthropic", "older"), ("bedrock", "opus")]})
    assert place(post(client, "messages", asking(["adaptive_thinking"]))) == "bedrock/opus"
    got = post(client, "messages", asking(["adaptive_thinking", "fast_mode"]))
    assert (got.status, got.json["error"]["message"]) == (
        400,
        "speed: fast_mode is not available for opus on bedrock; available on: anthropic.",
    )


def test_a_level_that_no_place_knows_is_refused_with_the_levels(stage):
    client = stage.kept({"opus": [("anthropic", "opus"), ("bedrock", "opus")]})
    got = post(client, "chat", asking([], reasoning_effort="xhigh"))
    assert (got.status, got.json["error"]["param"]) == (400, "reasoning_effort")
    assert got.json["error"]["message"].endswith("there are: low, medium, high, max.")
    assert not stage.sim.log


# ------------------------------------------------------------------------------------------------- with drop_params


@pytest.mark.parametrize("surface", PATHS)
@pytest.mark.parametrize(
    ("feature", "params", "rows"),
    [
        ("compaction", ["context_management.edits=compact_20260112"], ["bedrock", "converse"]),
        (
            "context_editing",
            [f"context_management.edits=clear_{what}" for what in ("thinking_20251015", "tool_uses_20250919")],
            ["converse"],
        ),
        ("fast_mode", ["speed"], ["azure_ai", "vertex_ai"]),
        ("fast_mode", ["speed"], ["azure_ai"]),  # tokens that nobody knows travel there; one whose field fell must not
        ("geo_pricing", ["inference_geo"], ["azure_ai", "bedrock"]),
    ],
)
def test_what_no_place_has_is_dropped_and_named(stage, surface, feature, params, rows):
    client = stage.kept({"opus": [(row, "opus") for row in rows]}, f"{DROP}, {FORWARD}")
    got = post(client, surface, asking([feature]), *BETAS[feature])
    assert (got.status, got.named("gateway-dropped-params")) == (200, params)
    assert got.named("gateway-dropped-betas") == list(BETAS[feature])
    alone = stage.kept({"opus": [place(got).split("/")]})
    post(alone, surface, asking([]))
    dropped, plain = stage.calls(2)
    assert wire(dropped) == wire(plain)


def test_what_one_place_has_is_never_dropped(stage):
    client = stage.kept({"opus": [("bedrock", "opus", 9), ("anthropic", "opus", 1)]}, DROP)
    for _ in range(30):
        got = post(client, "messages", asking(["compaction"]))
        assert (place(got), "gateway-dropped-params" in got.headers) == ("anthropic/opus", False)


def test_a_level_that_no_place_knows_is_dropped_whole(stage):
    client = stage.kept({"opus": [("anthropic", "opus"), ("bedrock", "opus")]}, DROP)
    got = post(client, "chat", asking([], reasoning_effort="xhigh"))
    assert (got.status, got.named("gateway-dropped-params")) == (200, ["reasoning_effort"])
    (record,) = stage.calls(1)
    assert seen(record) == sent(*place(got).split("/"), HELLO)


def test_a_summary_in_the_history_cannot_be_dropped(stage):
    """To leave out what was said would change the conversation."""
    client = stage.kept({"opus": [("bedrock", "opus"), ("converse", "opus")]}, DROP)
    got = post(client, "messages", asking([], messages=HISTORY))
    assert (got.status, got.json["error"]["details"]["param"]) == (400, "messages")
    assert not stage.sim.log


# ------------------------------------------------------------------------------------------------------------ order

SHUFFLES = {
    "all features": ("messages", asking(BETAS)),
    "all features, through chat": ("chat", asking(BETAS)),
    "a chat client's words": ("chat", asking([one for one in BETAS if one not in ("adaptive_thinking", "effort")], reasoning_effort="low")),
    "a summary in the history": ("messages", asking(BETAS, messages=HISTORY)),
    "the model that takes a beta for effort": ("chat", asking(["context_editing"], reasoning_effort="high", model="older")),
}  # fmt: skip


def test_what_may_be_left_out_decides_before_what_may_not_whatever_chance_says(stage):
    client = stage.kept({"opus": [("anthropic", "opus"), ("bedrock", "newer")]}, DROP)
    body = {"model": "opus", **HELLO, "messages": HISTORY, "reasoning_effort": "xhigh"}
    for _ in range(20):
        got = post(client, "chat", body)
        assert place(got) == "anthropic/opus"
        assert got.named("gateway-dropped-params") == ["reasoning_effort"]


@pytest.mark.parametrize("case", SHUFFLES)
def test_the_order_of_the_plugins_changes_no_byte_on_the_wire(stage, case):
    surface, body = SHUFFLES[case]
    for seed in range(6):
        plugins = cast()
        random.Random(seed).shuffle(plugins)
        client = stage.app({"opus": [("anthropic", "opus")], "older": [("anthropic", "older")]}, FORWARD, plugins)
        assert post(client, surface, body, *BETAS["long_context"]).status == 200
    sent = {repr(wire(record)): record for record in stage.calls(6)}
    assert len(sent) == 1, "\n".join(sent)


def test_the_order_of_the_plugins_changes_no_refusal(stage):
    """Two needs that only preparing shows, neither of them met: one and the same is named, whoever comes first."""
    told = set()
    for seed in range(6):
        plugins = cast()
        random.Random(seed).shuffle(plugins)
        client = stage.app({"opus": [("bedrock", "opus")]}, "", plugins)
        got = post(client, "chat", asking([], messages=HISTORY, reasoning_effort="xhigh"))
        told.add((got.status, got.json["error"]["message"]))
    assert len(told) == 1, told
