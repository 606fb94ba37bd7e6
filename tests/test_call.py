"""What travels down the corridor, and how it is written without touching the client's own words."""

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.call import Grant, LeftOut, Need, Permissions, Principal, named, new_id
from gateway.testing import make_call, make_deployment

paths = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(".".join)
bodies = st.recursive(
    st.integers() | st.none(), lambda inner: st.dictionaries(st.sampled_from("abc"), inner), max_leaves=6
)


@pytest.mark.parametrize(
    ("patterns", "name", "allowed"),
    [
        (("*",), "anything", True),
        ((), "anything", False),
        (("claude-*",), "claude-opus-4-6", True),
        (("claude-*",), "Claude-opus", False),
        (("claude-opus-4-6", "claude-haiku-*"), "claude-haiku-5-5", True),
        (("claude-opus-4-6",), "claude-opus-4-6-20260205", False),
    ],
)
def test_permissions_are_globs(patterns, name, allowed):
    assert Permissions(models=patterns).allow_model(name) is allowed
    assert Permissions(capabilities=patterns).allow_capability(name) is allowed


def test_a_plain_key_is_no_operator():
    assert not Principal("k").permissions.operator


@pytest.mark.parametrize("thing", [Permissions(), Principal("k"), make_deployment()])
def test_what_is_decided_cannot_be_changed(thing):
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(thing, dataclasses.fields(thing)[0].name, "changed")


def test_a_deployment_is_priced_by_its_base_model():
    assert make_deployment(upstream="alias").priced_as == "alias"
    assert make_deployment(upstream="alias", base_model="claude").priced_as == "claude"


def test_a_call_without_a_deployment_has_no_host():
    with pytest.raises(LookupError, match="no deployment yet"):
        _ = make_call(deployment=None).host


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("output_config.effort", "low"),
        ("output_config", {"effort": "low", "format": None}),
        ("output_config.format.type", None),
        ("output_config.effort.deeper", None),
        ("messages.0", None),
        ("absent", None),
    ],
)
def test_values_are_found_by_their_path(path, value):
    call = make_call({"output_config": {"effort": "low", "format": None}})
    assert call.get(path) == value
    assert call.get("absent", 7) == 7


@given(bodies.filter(lambda value: isinstance(value, dict)), paths, st.integers())
def test_what_is_set_is_found_and_nothing_of_the_client_changes(asked, path, value):
    before = repr(asked)
    call = make_call(asked=asked)
    call.body = dict(asked)
    call.set(path, value)
    assert call.get(path) == value
    assert repr(asked) == before


def test_setting_a_path_keeps_its_neighbours():
    call = make_call({"output_config": {"format": 1}, "thinking": "text"})
    call.set("output_config.effort", "low")
    call.set("thinking.type", "adaptive")
    assert call.body["output_config"] == {"format": 1, "effort": "low"}
    assert call.body["thinking"] == {"type": "adaptive"}


def test_each_beta_travels_once_and_in_order():
    call = make_call(betas=["a"])
    call.add_betas(["b", "a", "c", "b"])
    assert call.betas == ["a", "b", "c"]


def test_an_attempts_copy_is_its_own():
    call = make_call(betas=["a"], at=datetime.now(UTC) - timedelta(hours=1))
    there = call.toward(make_deployment(id="other"))
    there.body["speed"] = "fast"
    there.betas.append("b")
    there.leave_out("dropped-betas", "c", "It is not taken.")
    assert (call.host.id, call.betas, call.left_out) == ("test/one", ["a"], ())
    assert "speed" not in call.body
    assert (there.id, there.host.id) == (call.id, "other")
    assert there.at - call.at >= timedelta(hours=1)


def test_ids_sort_by_time_and_cannot_be_guessed():
    ids = [new_id() for _ in range(200)]
    assert len(set(ids)) == 200
    assert len({one[16:] for one in ids}) == 200
    assert [one[:16] for one in ids] == sorted(one[:16] for one in ids)
    assert all(one.startswith("req_") and len(one) == 36 for one in ids)


def test_what_is_removed_is_gone_from_the_copy_only():
    call = make_call({"output_config": {"effort": "low", "format": 1}, "speed": "fast"})
    call.remove("output_config.effort")
    call.remove("speed")
    call.remove("never.there")
    call.remove("nor_this")
    assert call.get("output_config") == {"format": 1}
    assert "speed" not in call.body
    assert call.asked["output_config"] == {"effort": "low", "format": 1}


def test_an_attempts_copy_knows_what_its_deployment_can_do():
    there = make_call().toward(make_deployment(), {"summary": Grant(("b",), ("v",))})
    assert there.grants["summary"].betas == ("b",)


def test_what_preparing_shows_is_added_to_the_copy_only():
    call = make_call(needs=(Need("a", "x"),))
    there = call.toward(make_deployment())
    there.add_need(Need("b", "y"))
    there.ignore("z", "It means nothing there.")
    assert ([need.capability for need in there.needs], named(there.left_out, "ignored-params")) == (["a", "b"], ("z",))
    assert (len(call.needs), call.left_out) == (1, ())


@pytest.mark.parametrize(
    ("facts", "value"),
    [
        ({"surface": "chat"}, "low"),
        ({"surface": "messages"}, None),
        ({"surface": "chat", "left_out": (LeftOut("dropped-params", "reasoning_effort", "why"),)}, None),
        ({"surface": "chat", "left_out": (LeftOut("ignored-params", "reasoning_effort", "why"),)}, "low"),
    ],
)
def test_a_surfaces_own_parameter_is_heard_through_that_surface_until_it_is_dropped(facts, value):
    call = make_call(asked={"reasoning_effort": "low"}, **facts)
    assert call.own("chat", "reasoning_effort") == value
    assert call.own("chat", "verbosity") is None
