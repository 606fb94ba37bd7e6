"""Every kind of answer: as JSON, as a stream, and both the same."""

import pytest
from gateway_infra_simulator import Answer, Block

TEXT = "Grüße, 世界 👋 — 1234567890"

ANSWERS = {
    "text": Answer.text(TEXT),
    "one chunk": Answer.text(TEXT, chunks=1),
    "many chunks": Answer.text(TEXT, chunks=100),
    "empty text": Answer.text(""),
    "thinking": Answer.thinking("Hm…", signature="given") + Answer.text(TEXT),
    "omitted": Answer.thinking("Hm…", signature="given", display="omitted") + Answer.text(TEXT),
    "redacted": Answer.redacted_thinking("given") + Answer.text(TEXT),
    "refusal": Answer.refusal(),
    "refusal after text": Answer.refusal(TEXT, None, "because"),
    "web search": Answer.web_search("weather", TEXT, searches=2),
    "max_tokens": Answer.text(TEXT).with_stop("max_tokens"),
    "pause_turn": Answer.web_search().with_stop("pause_turn"),
    "new stop reason": Answer.text(TEXT).with_stop("novelty"),
    "other model": Answer.text(TEXT).with_model("claude-other"),
    "unknown block": Answer.of(Block({"type": "novel", "a": 1}, ({"type": "novel_delta", "b": [2]},))),
    "given final": Answer.of(Block({"type": "novel"}, final={"type": "novel"})),
    "compaction": Answer.of(
        Block(
            {"type": "compaction", "content": None},
            ({"type": "compaction_delta", "content": "sum", "encrypted_content": "x"},),
        )
    ),
    "failed compaction": Answer.of(
        Block({"type": "compaction", "content": None}, ({"type": "compaction_delta", "content": None},))
    ),
    "on-demand compaction": Answer.of(
        Block.whole({"type": "compaction", "content": "sum", "signature": "x"}), stop_reason="compaction"
    ),
    "container": Answer.text(TEXT).with_message(container={"id": "c"}, diagnostics=None),
    "nothing": Answer(),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_a_stream_amounts_to_the_message_that_json_gives(api, sim, answer):
    sim.queue(answer, answer)
    whole = api.messages().json
    streamed = api.messages(stream=True).message
    assert streamed | {"id": whole["id"]} == whole


def test_parallel_tools_have_ids_of_their_own_every_time(api, sim):
    sim.always(Answer.tools(("add", {"a": 1, "b": "ü"}), "now", ("add", {})))
    seen = set()
    for stream in (False, True):
        message = api.messages(stream=stream).message
        assert [(block["name"], block["input"]) for block in message["content"]] == [
            ("add", {"a": 1, "b": "ü"}),
            ("now", {}),
            ("add", {}),
        ]
        assert message["stop_reason"] == "tool_use"
        seen.update(block["id"] for block in message["content"])
    assert len(seen) == 6


def test_tool_input_arrives_in_pieces_and_an_empty_one_as_one_empty_piece(api, sim):
    sim.queue(Answer.tools(("add", {"city": "Zürich"}), "now", chunks=4))
    events = [event.data for event in api.messages(stream=True).events if event.name == "content_block_delta"]
    pieces = [[event["delta"]["partial_json"] for event in events if event["index"] == index] for index in (0, 1)]
    assert "".join(pieces[0]) == '{"city": "Zürich"}'
    assert len(pieces[0]) == 5
    assert pieces[1] == [""]


def test_signatures_are_made_by_the_simulator_and_known_when_they_return(api, sim):
    sim.queue(Answer.thinking("Hm") + Answer.redacted_thinking() + Answer.text("x"))
    content = api.messages().json["content"]
    history = [{"role": "user", "content": "a"}, {"role": "assistant", "content": content}]
    history.append({"role": "user", "content": "b"})
    assert api.messages(messages=history).status == 200
    content[1]["data"] = content[0]["signature"]
    assert "Invalid `data`" in api.messages(messages=history).error["message"]


def test_a_given_signature_is_known_too(api, sim):
    sim.queue(Answer.thinking("Hm", signature="given"))
    content = api.messages().json["content"]
    history = [{"role": "user", "content": "a"}, {"role": "assistant", "content": content}]
    assert api.messages(messages=[*history, {"role": "user", "content": "b"}]).status == 200


def test_simulators_know_each_others_hand_only_by_a_shared_secret(client_of):
    from gateway_infra_simulator import Simulator

    with Simulator(secret=b"s") as first, Simulator(secret=b"s") as second, Simulator() as stranger:
        first.queue(Answer.thinking("Hm"))
        content = client_of(first).messages().json["content"]
        history = [{"role": "user", "content": "a"}, {"role": "assistant", "content": content}]
        history.append({"role": "user", "content": "b"})
        assert client_of(second).messages(messages=history).status == 200
        assert client_of(stranger).messages(messages=history).status == 400


def test_the_order_of_events_is_that_of_the_api(api, sim):
    sim.queue(Answer.text("ab", chunks=2))
    assert [event.name for event in api.messages(stream=True).events] == [
        "message_start",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


def test_usage_is_overlaid_and_parted_between_start_and_delta(api, sim):
    sim.queue(
        Answer.text("x").with_usage(
            without=("output_tokens_details",),
            cache_creation={"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4},
            cache_read_input_tokens=5,
            server_tool_use={"web_search_requests": 2},
            service_tier="priority",
            speed="fast",
            inference_geo="us",
            iterations=[{"type": "message"}],
            novelty=6,
        )
    )
    events = api.messages(stream=True).events
    start = events[0].data["message"]["usage"]
    delta = next(event.data["usage"] for event in events if event.name == "message_delta")
    assert start["cache_creation_input_tokens"] == 7
    assert (start["service_tier"], start["speed"], start["inference_geo"]) == ("priority", "fast", "us")
    assert start["server_tool_use"] == {"web_search_requests": 0}
    assert "iterations" not in start
    assert delta == {
        "input_tokens": 10,
        "cache_creation_input_tokens": 7,
        "cache_read_input_tokens": 5,
        "output_tokens": 1,
        "server_tool_use": {"web_search_requests": 2},
        "iterations": [{"type": "message"}],
        "novelty": 6,
    }


def test_the_total_of_what_was_cached_brings_its_split(api, sim):
    sim.queue(Answer.text("x").with_usage(cache_creation_input_tokens=9))
    split = {"ephemeral_5m_input_tokens": 9, "ephemeral_1h_input_tokens": 0}
    assert api.messages().json["usage"]["cache_creation"] == split


def test_several_message_deltas_grow(api, sim):
    sim.queue(Answer.text("x" * 40).with_deltas(3))
    deltas = [event.data for event in api.messages(stream=True).events if event.name == "message_delta"]
    assert [delta["usage"]["output_tokens"] for delta in deltas] == [3, 6, 10]
    assert [delta["delta"]["stop_reason"] for delta in deltas] == [None, None, "end_turn"]


@pytest.mark.parametrize("pings", [0, 1, 3])
def test_pings_are_as_many_as_wanted(api, sim, pings):
    sim.queue(Answer.text("abcdef", chunks=6).with_pings(pings))
    names = [event.name for event in api.messages(stream=True).events]
    assert names.count("ping") == pings
    assert "ping" not in names[:2]


def test_unknown_events_stand_where_they_were_put(api, sim):
    sim.queue(Answer.text("x").with_event("novel", {"type": "novel"}).with_event("late", {"type": "late"}, at=3))
    names = [event.name for event in api.messages(stream=True).events]
    assert (names[0], names[3]) == ("novel", "late")


def test_a_comment_is_a_line_of_its_own(api, sim):
    from gateway_infra_simulator import BrokenStreamError, read_stream

    sim.queue(Answer.text("x").with_comment("keepalive", 1))
    got = api.messages(stream=True)
    assert b"}\n\n: keepalive\n\nevent: content_block_start" in got.body
    assert read_stream(got.body, comments=True)[-1].name == "message_stop"
    with pytest.raises(BrokenStreamError):
        read_stream(got.body)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (402, "billing_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (409, "conflict_error"),
        (413, "request_too_large"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (502, "api_error"),
        (504, "timeout_error"),
        (529, "overloaded_error"),
    ],
)
@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_errors_have_the_shape_of_the_api(api, sim, status, kind, stream):
    sim.queue(Answer.error(status, "no", details={"error_code": "x"}))
    got = api.messages(stream=stream)
    assert got.status == status
    assert got.json == {
        "type": "error",
        "error": {"type": kind, "message": "no", "details": {"error_code": "x"}},
        "request_id": got.headers["request-id"],
    }
    assert "retry-after" not in got.headers


def test_an_error_may_say_when_to_retry(api, sim):
    sim.queue(Answer.error(429, retry_after=7).with_headers({"x-should-retry": "true"}))
    headers = api.messages().headers
    assert (headers["retry-after"], headers["x-should-retry"]) == ("7", "true")


def test_other_replies_are_sent_as_they_are(api, sim):
    sim.queue(
        Answer.redirect("http://127.0.0.1:9/", 302), Answer.html(503, "<p>no</p>"), Answer.empty(), Answer.empty(500)
    )
    moved, page, nothing, failed = (api.messages() for _ in range(4))
    assert (moved.status, moved.headers["location"]) == (302, "http://127.0.0.1:9/")
    assert (page.status, page.headers["content-type"], page.body) == (503, "text/html", b"<p>no</p>")
    assert (nothing.status, nothing.body) == (200, b"")
    assert (failed.status, failed.body) == (500, b"")


def test_a_failing_stream_ends_in_an_error_event(api, sim):
    sim.queue(Answer.text("abcd").failing(4))
    events = api.messages(stream=True).events
    assert [event.name for event in events][3:] == ["content_block_delta", "error"]
    assert events[-1].data["error"] == {"type": "overloaded_error", "message": "Overloaded"}


def test_where_no_stream_was_asked_for_it_fails_with_the_status(api, sim):
    sim.queue(Answer.text("abcd").failing(4), Answer.text("abcd").failing(4, "novel_error"))
    assert api.messages().status == 529
    assert api.messages().status == 500


@pytest.mark.parametrize(("events", "last"), [(-1, "message_delta"), (1, "message_start"), (4, "content_block_delta")])
def test_a_truncated_stream_ends_in_order(api, sim, events, last):
    from gateway_infra_simulator import read_stream

    sim.queue(Answer.text("abcd").truncated(events))
    got = api.messages(stream=True)
    assert read_stream(got.body, complete=False)[-1].name == last


def test_a_sum_keeps_all_blocks_and_the_second_end():
    both = Answer.text("a").with_usage(x=1, y=1) + Answer.tools("now").with_usage(y=2)
    assert [block.kind for block in both.blocks] == ["text", "tool_use"]
    assert (both.stop.reason, both.usage) == ("tool_use", {"x": 1, "y": 2})


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Answer.text("x").silent(1, "somewhere"),
        lambda: Answer.text("x").cut(1, "axe"),
        lambda: Answer.text("x").cut(1, of="time"),
        lambda: Answer.text("x").framed("gold"),
        lambda: Answer.text("x").drip(0),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(wrong):
    with pytest.raises(ValueError, match=r"one of|at least one"):
        wrong()
