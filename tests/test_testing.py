"""The checks for plugin authors fail where they should."""

import json

import pytest

from gateway import Event, Factor, Filter, GrantRow, Param, hookimpl
from gateway.app import MessagesSurface
from gateway.params import Dialect
from gateway.testing import (
    FakeDoor,
    check_feature,
    check_plugin,
    check_provider,
    check_surface,
    make_entry,
    parse_stream,
    sample_message,
    sample_stream,
)
from gateway.testing import TestHostPlugin as HostPlugin


class Messages(MessagesSurface):
    def __init__(self):
        super().__init__(Dialect.load())


def test_our_own_surface_passes():
    body = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "x"}]}
    check_surface(Messages, body=body, parse=parse_stream)


def test_a_provider_needs_sources_for_its_rows():
    with pytest.raises(AssertionError, match="the day on which somebody looked"):
        check_provider(HostPlugin, settings={}, upstream="m")


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (lambda self, call: call.set("model", "other"), "prepare_request wrote model"),
        (lambda self, call: call.set("output_config.effort", "x"), "prepare_request wrote output_config"),
    ],
)
def test_a_feature_may_not_write_what_it_does_not_claim(method, message):
    class Greedy:
        prepare_request = hookimpl(method)

    with pytest.raises(AssertionError, match=message):
        check_feature(Greedy)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (Factor("r", "1.2"), "not a Decimal"),
        (7, "not iterable"),
        ([7], "adjust_cost returned 7"),
    ],
)
def test_a_feature_has_to_return_factors(result, message):
    class Odd:
        @hookimpl
        def adjust_cost(self):
            return result

    with pytest.raises((AssertionError, TypeError), match=message):
        check_feature(Odd)


def test_a_feature_that_changes_its_mind_is_not_pure():
    class Moody:
        answers = iter(["a", "b"])

        @hookimpl
        def adjust_cost(self):
            return next(self.answers)

    with pytest.raises(AssertionError, match="adjust_cost is not pure"):
        check_feature(Moody)


def test_a_filter_has_to_want_something_and_return_events():
    class Idle:
        @hookimpl
        def filter_events(self):
            return Filter(lambda event: [event])

    class Odd:
        @hookimpl
        def filter_events(self):
            return Filter(lambda event: [b"bytes"], events=frozenset({"ping"}))

    with pytest.raises(AssertionError, match="wants nothing"):
        check_feature(Idle)
    with pytest.raises(AssertionError, match="a filter returned"):
        check_feature(Odd)


def test_a_row_needs_a_source():
    class Bare:
        @hookimpl
        def register_params(self):
            return [Param("x")]

        @hookimpl
        def register_catalog(self):
            return [GrantRow(capability="c")]

    with pytest.raises(AssertionError, match="a row without a source"):
        check_feature(Bare)


def test_a_plugin_has_to_do_something():
    class Nothing:
        pass

    with pytest.raises(AssertionError, match="implements no hook"):
        check_plugin(Nothing, "feature")


def test_the_sample_stream_is_the_sample_message():
    blocks, parts = [], {}
    for event in sample_stream():
        value = event.json()
        if event.name == "content_block_start":
            blocks.append(dict(value["content_block"]))
        if event.name == "content_block_delta":
            delta = value["delta"]
            name = {"input_json_delta": "partial_json"}.get(delta["type"], delta["type"].removesuffix("_delta"))
            key = (value["index"], {"partial_json": "input"}.get(name, name))
            parts[key] = parts.get(key, "") + delta[name]
    for (index, name), text in parts.items():
        blocks[index][name] = json.loads(text) if name == "input" else text
    assert blocks == sample_message()["content"]


def test_a_fake_client_begins_once():
    door = FakeDoor()
    door.begin(200, {})
    with pytest.raises(AssertionError, match="began twice"):
        door.begin(200, {})


def test_a_stream_that_ends_inside_a_frame_is_told():
    with pytest.raises(AssertionError, match="ends inside a frame"):
        parse_stream(b"event: ping\ndata: {}\n")


def test_entries_are_json_ready():
    assert json.dumps(make_entry().as_dict())
    assert Event.of({"type": "ping"}).frame.endswith(b"\n\n")
