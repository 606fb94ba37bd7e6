"""Which betas a prepared call sends, and which host lacks what it needs."""

import copy
from decimal import Decimal

import pytest

from gateway.call import LeftOut, Need, Permissions, Principal, named
from gateway.capability import Capabilities
from gateway.catalog import BetaRow, Catalog, FieldRow, GrantRow, ModelRow
from gateway.errors import Forbidden, UnsupportedCapability
from gateway.testing import TestHost, make_call, make_deployment
from gateway.usage import KINDS

RATES = dict.fromkeys(KINDS, Decimal(1))
CATALOG = Catalog(
    {
        "feature": [
            GrantRow(capability="summary", provider="test", betas=("summary-2026-01-12",)),
            GrantRow(capability="speed", provider="elsewhere", betas=("speed-2026-02-01",)),
            GrantRow(capability="free", provider="test"),
            GrantRow(capability="level", provider="*", models=("m",), values=("low", "high")),
            GrantRow(capability="level", provider="*", models=("n",), values=("low", "top")),
            GrantRow(capability="level", provider="*", models=("unknown",)),
        ],
        "provider": [
            BetaRow(token="old-2025-01-01", provider="test", action="rename", to="new-2025-02-02"),
            BetaRow(token="bad-2025-01-01", provider="test", action="drop"),
            BetaRow(token="good-2025-01-01", provider="test", action="forward"),
            ModelRow(provider="test", upstream=("m",), id="m", max_output=1234, rates=RATES),
            ModelRow(provider="test", upstream=("n",), id="n", rates=RATES),
        ],
    }
)
CAPABILITIES = Capabilities(CATALOG)


def dropped(call):
    return named(call.left_out, "dropped-betas")


SUMMARY = Need("summary", "edits")


def checked(betas=(), needs=(), passes=True, before=(), **facts):
    left_out = tuple(LeftOut("dropped-betas", token, "why") for token in before)
    call = make_call(betas=list(betas), needs=tuple(needs), left_out=left_out, **facts)
    call = call.toward(call.deployment, CAPABILITIES.grants(call.deployment))
    CAPABILITIES.check(call, TestHost(passes_unknown_betas=passes))
    return call


def test_a_need_brings_its_betas():
    assert checked(needs=[SUMMARY, Need("free", "x")]).betas == ["summary-2026-01-12"]


def test_a_missing_capability_is_refused_with_its_parameter():
    with pytest.raises(
        UnsupportedCapability, match=r"fast: speed is not available for claude-test-1 on test; available on: elsewhere"
    ):
        checked(needs=[Need("speed", "fast")])


def test_rows_say_what_a_host_does_with_a_token():
    call = checked(["old-2025-01-01", "bad-2025-01-01", "good-2025-01-01", "unknown-2030-01-01"], before=["before"])
    assert call.betas == ["new-2025-02-02", "good-2025-01-01", "unknown-2030-01-01"]
    assert dropped(call) == ("before", "bad-2025-01-01")


def test_a_strict_host_gets_known_tokens_only():
    call = checked(["old-2025-01-01", "good-2025-01-01", "unknown-2030-01-01"], passes=False)
    assert call.betas == ["new-2025-02-02", "good-2025-01-01"]
    assert dropped(call) == ("unknown-2030-01-01",)


def test_a_renamed_token_travels_once():
    assert checked(["new-2025-02-02", "old-2025-01-01"]).betas == ["new-2025-02-02"]


def test_only_what_is_lacking_is_missing():
    here = make_deployment()
    lacking = Need("speed", "fast")
    assert CAPABILITIES.missing([SUMMARY, lacking], here) == [lacking]
    assert CAPABILITIES.missing([], here) == []


def test_a_refusal_names_every_host_once():
    hosts = [make_deployment(), make_deployment(), make_deployment(provider="b")]
    error = CAPABILITIES.refusal(Need("speed", "fast"), "m", hosts)
    assert error.message == "fast: speed is not available for m on test, b; available on: elsewhere."


def test_a_refusal_does_not_send_people_back_to_the_host_that_refuses():
    error = CAPABILITIES.refusal(SUMMARY, "m", [make_deployment()])
    assert error.message == "edits: summary is not available for m on test; other deployments there may have it."


def test_the_catalog_knows_how_much_a_model_writes():
    assert CAPABILITIES.max_output(make_deployment(upstream="m")) == 1234
    assert CAPABILITIES.max_output(make_deployment(upstream="alias", base_model="m")) == 1234
    assert CAPABILITIES.max_output(make_deployment(upstream="unknown")) == 0


def test_the_beta_of_a_grant_travels_to_a_strict_host_too():
    assert checked(needs=[SUMMARY], passes=False).betas == ["summary-2026-01-12"]


def test_a_value_has_to_be_one_that_the_model_knows():
    here = make_deployment(upstream="m")
    assert CAPABILITIES.missing([Need("level", "x", "high"), Need("level", "x", {"an": "object"})], here) == []
    lacking = Need("level", "x.level", "top")
    assert CAPABILITIES.missing([lacking], here) == [lacking]
    error = CAPABILITIES.refusal(lacking, "m", [here])
    assert error.message == "x.level: 'top' is not available for m on test; there are: low, high."
    assert (error.details["values"], error.details["available_for"]) == (["low", "high"], ["n"])


def test_a_model_that_no_row_knows_is_given_what_rows_assume():
    assert CAPABILITIES.missing([Need("level", "x", "anything")], make_deployment(upstream="new")) == []


def test_a_refusal_says_for_which_models_it_would_be_there():
    known = make_deployment(provider="elsewhere", upstream="o")
    error = CAPABILITIES.refusal(Need("level", "x"), "o", [known])
    assert error.details["available_on"] == []
    assert "; there are: " not in error.message


def test_a_refusal_ends_with_the_remedy():
    error = CAPABILITIES.refusal(Need("speed", "fast", remedy="Walk."), "m", [make_deployment()])
    assert error.message.endswith("available on: elsewhere. Walk.")


def test_a_refusal_knows_the_betas_that_fall_with_it():
    error = CAPABILITIES.refusal(Need("speed", "fast"), "m", [make_deployment()])
    assert error.betas == {"speed-2026-02-01"}


TIED = {"tools[]=novel": ("bad-2025-01-01", "unknown-2030-01-01")}


def test_a_field_does_not_travel_without_a_beta_that_it_takes():
    with pytest.raises(UnsupportedCapability, match=r"takes the beta bad-2025-01-01, which is not available on") as no:
        checked(["bad-2025-01-01", "unknown-2030-01-01"], passes=False, tied=TIED)
    assert (no.value.param, no.value.need.claim) == ("tools", "tools[]=novel")
    assert no.value.betas == {"bad-2025-01-01", "unknown-2030-01-01"}


def test_one_of_a_fields_betas_is_enough():
    assert checked(["unknown-2030-01-01"], tied=TIED).betas == ["unknown-2030-01-01"]


def test_a_key_may_not_use_what_it_is_not_allowed_even_if_only_preparing_shows_it():
    some = Principal("k", permissions=Permissions(capabilities=("summary",)))
    assert checked(needs=[SUMMARY], principal=some).betas
    with pytest.raises(Forbidden, match=r"^x: this key may not use free\.$"):
        checked(needs=[Need("free", "x")], principal=some)


def test_a_token_that_travels_after_all_is_not_named_as_dropped():
    call = checked(needs=[SUMMARY], before=["summary-2026-01-12", "other-2026-01-01"])
    assert (call.betas, dropped(call)) == (["summary-2026-01-12"], ("other-2026-01-01",))


def test_a_beta_of_a_capability_goes_only_where_the_capability_is():
    call = checked(["speed-2026-02-01", "summary-2026-01-12", "unknown-2030-01-01"])
    assert call.betas == ["summary-2026-01-12", "unknown-2030-01-01"]
    assert dropped(call) == ("speed-2026-02-01",)


def test_a_field_does_not_travel_without_a_beta_that_its_host_drops():
    rows = [
        GrantRow(capability="summary", provider="test", betas=("s-1",)),
        BetaRow(token="s-1", provider="test", action="drop"),
    ]
    capabilities = Capabilities(Catalog({"rows": rows}))
    call = make_call(needs=(Need("summary", "edits", claim="edits[]=sum"),), betas=["s-1"])
    call = call.toward(call.deployment, capabilities.grants(call.deployment))
    with pytest.raises(
        UnsupportedCapability, match=r"^edits: takes the beta s-1, which is not available on test"
    ) as no:
        capabilities.check(call, TestHost())
    assert no.value.need.claim == "edits[]=sum"


STRICT = Capabilities(
    Catalog(
        {
            "provider": [
                *(FieldRow(provider="test", field=name) for name in ("messages", "max_tokens")),
                FieldRow(provider="test", field="hint", action="ignore", note="It has no effect there."),
                FieldRow(provider="test", field="toys", action="refuse", note="There are none."),
            ]
        }
    )
)


def fields_checked(body, *, passes=False):
    call = make_call({"messages": [], "max_tokens": 1, **body})
    host = TestHost()
    host.passes_unknown_fields = passes
    STRICT.check(call, host)
    return call


def test_fields_that_the_host_takes_and_those_of_the_envelope_pass():
    body = {"messages": [], "max_tokens": 1, "model": "m", "stream": True}
    assert fields_checked(body).body.keys() == {"messages", "max_tokens", "model", "stream"}


def test_a_hint_without_effect_is_left_out_by_name_and_with_its_reason():
    call = fields_checked({"hint": 1})
    assert "hint" not in call.body
    assert [(one.manner, one.name, one.why) for one in call.left_out] == [
        ("ignored-params", "hint", "It has no effect there.")
    ]


@pytest.mark.parametrize(
    ("field", "passes", "why"),
    [
        ("toys", True, "toys: test does not take it for claude-test-1. There are none."),
        ("new", False, "new: test does"),
    ],
)
def test_a_field_that_the_host_does_not_take_is_refused_by_name(field, passes, why):
    with pytest.raises(UnsupportedCapability) as refused:
        fields_checked({field: 1}, passes=passes)
    assert refused.value.message.startswith(why)
    assert (refused.value.param, refused.value.need.claim) == (field, field)


def test_a_field_without_a_row_travels_where_the_host_may_know_it():
    assert fields_checked({"new": 1}, passes=True).body["new"] == 1


def test_what_a_deployment_lacks_is_not_granted_whatever_the_catalog_says():
    lacking = make_deployment(lacks=frozenset({"summary"}))
    assert "free" in CAPABILITIES.grants(lacking)
    with pytest.raises(UnsupportedCapability, match="edits: summary is not available for claude-test-1 on test"):
        checked(needs=[SUMMARY], deployment=lacking)


def test_a_key_inside_of_content_is_left_out_wherever_it_stands():
    row = FieldRow(provider="test", field="*.mark.scope", action="ignore", note="No scopes there.")
    mark, kept = {"type": "x", "scope": "all"}, {"type": "x"}
    text = {"type": "text", "text": "t", "mark": mark}
    body = {
        "system": [text],
        "messages": [
            {"role": "user", "content": [{"type": "tool_result", "content": [text]}]},
            {"role": "user", "content": "x"},
        ],
        "tools": [{"name": "a", "input_schema": {"mark": mark}}, {"name": "b", "mark": mark}],
    }
    call = make_call(body)
    before = copy.deepcopy(call.body)
    asked = call.body["messages"]
    Capabilities(Catalog({"p": [row]})).check(call, TestHost())
    assert call.body["system"] == [{**text, "mark": kept}]
    assert call.body["messages"][0]["content"][0]["content"] == [{**text, "mark": kept}]
    assert call.body["messages"][1] is asked[1]
    assert call.body["tools"] == [{"name": "a", "input_schema": {"mark": mark}}, {"name": "b", "mark": kept}]
    assert [(one.manner, one.name, one.why) for one in call.left_out] == [
        ("ignored-params", "mark.scope", "No scopes there.")
    ]
    assert before["messages"] == asked


def test_content_without_the_key_stays_the_very_object():
    row = FieldRow(provider="test", field="*.mark.scope", action="ignore")
    call = make_call({"messages": [{"role": "user", "content": [{"type": "text", "mark": {"type": "x"}}]}]})
    messages = call.body["messages"]
    Capabilities(Catalog({"p": [row]})).check(call, TestHost())
    assert call.body["messages"] is messages
    assert call.left_out == ()
