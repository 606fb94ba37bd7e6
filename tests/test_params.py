"""Who owns a parameter, what a body needs, and that no body whatever raises anything but a refusal."""

from contextlib import suppress
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import Schema, fields, validate, validates_schema
from marshmallow.exceptions import ValidationError

from gateway import strictjson
from gateway.call import Need, named
from gateway.errors import ClaimConflict, InvalidRequest, UnknownParameter, UnsupportedCapability
from gateway.params import Beta, Claims, Dialect, Param, Variant, Verdict
from gateway.testing import make_call

DIALECT = Dialect.load()
BODY = {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]}
EFFORTS = Param("output_config.effort", fields.Str(validate=validate.OneOf(["low", "high"])), needs="effort")
EDITS = "context_management.edits[]"


class Compact(Schema):
    type = fields.Str()
    trigger = fields.Dict()
    pause_after_compaction = fields.Bool()


class Whole(Schema):
    type = fields.Str()

    @validates_schema
    def never(self, data, **rest):
        raise ValidationError("never good enough")


COMPACT = Variant(EDITS, "compact_20260112", Compact(), needs="compaction")
ADAPTIVE = Variant("thinking", "adaptive", needs=lambda value: "adaptive" if value.get("display") != "plain" else None)
EVERYTHING = (
    EFFORTS,
    COMPACT,
    ADAPTIVE,
    Param("speed", fields.Int(strict=True)),
    Param("metadata.level", fields.Float()),
    Param("novel", fields.Decimal()),
    Param("reasoning_effort", fields.Str(), needs="effort", surface="chat"),
    Variant("tools[]", "novel_20270101", Compact(), needs="novel"),
    Beta("context-1m-2025-08-07", needs="long_context"),
)


def claims(*claimed, **options):
    return Claims(DIALECT, {"plugin": claimed}, **options)


def check(given_claims, body, surface="messages", asked=None, **options):
    whole = {**BODY, **body}
    return given_claims.check(surface, whole if asked is None else asked, whole, **options), whole


def refusal(given_claims, body, **options):
    with pytest.raises(InvalidRequest) as refused:
        check(given_claims, body, **options)
    return refused.value


def dropped(verdict, what="params"):
    return list(named(verdict.left_out, f"dropped-{what}"))


def needs(verdict):
    return [(need.capability, need.param) for need in verdict.needs]


def test_a_plain_body_needs_nothing():
    verdict, body = check(claims(), {"temperature": 0.5, "system": "be kind", "stream": True, "tools": []})
    assert verdict == Verdict()
    assert body == BODY | {"temperature": 0.5, "system": "be kind", "stream": True, "tools": []}


@pytest.mark.parametrize("name", ["model", "messages", "max_tokens"])
@pytest.mark.parametrize("body", [{}, None])
def test_a_missing_field_is_named_in_the_apis_own_words(name, body):
    whole = dict(BODY)
    del whole[name]
    if body is None:
        whole[name] = None
    with pytest.raises(InvalidRequest, match=f"^{name}: Field required\\.$") as refused:
        claims().check("messages", whole, whole)
    assert refused.value.param == name


def test_a_surface_may_do_without_a_required_field():
    whole = {"model": "m", "messages": []}
    assert claims().check("chat", whole, whole, frozenset({"max_tokens"})) == Verdict()


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("model", 5, "a string"),
        ("messages", {}, "a list"),
        ("max_tokens", "10", "an integer"),
        ("max_tokens", True, "an integer"),
        ("max_tokens", 10.0, "an integer"),
        ("stream", 1, "a boolean"),
        ("stream", "true", "a boolean"),
        ("temperature", "1", "a number"),
        ("temperature", True, "a number"),
        ("system", 5, "a string or a list"),
        ("thinking", [], "an object"),
        ("container", [], "a string or an object"),
        ("context_management", [], "an object"),
        ("max_tokens", -1, "at least 0"),
        ("temperature", -1, "at least 0"),
        ("top_p", -0.5, "at least 0"),
        ("top_k", -(10**30), "at least 0"),
    ],
)
def test_a_value_of_the_wrong_form_is_refused_by_name(name, value, says):
    body = strictjson.loads_object(strictjson.dumps({name: value})) if value != -(10**30) else {name: value}
    error = refusal(claims(), body)
    assert error.message.startswith(f"{name}: has to be ")
    assert says in error.message
    assert error.param == name


def test_a_nested_value_is_refused_by_its_whole_path():
    assert refusal(claims(), {"context_management": {"edits": {}}}).param == "context_management.edits"


@pytest.mark.parametrize(
    ("name", "value"), [("max_tokens", 0), ("temperature", 0), ("top_k", 0), ("max_tokens", 10**18)]
)
def test_the_smallest_and_the_largest_number_are_taken(name, value):
    assert check(claims(), {name: value})[0] == Verdict()


def test_null_means_not_given():
    nulls = dict.fromkeys(["thinking", "system", "speed", "inference_geo", "output_config", "fallbacks", "tools"])
    assert check(claims(), nulls)[0] == Verdict()
    assert check(claims(), {"output_config": {"effort": None}})[0] == Verdict()


def test_unknown_fields_travel_and_are_noted():
    verdict, body = check(claims(), {"brand_new": {"a": 1}, "thinking": {"type": "from_next_year"}})
    assert verdict.unread == ["brand_new"]
    assert body["brand_new"] == {"a": 1}


def test_the_operator_may_refuse_unknown_fields():
    error = refusal(claims(refuse_unknown=True), {"brand_new": 1})
    assert isinstance(error, UnknownParameter)
    assert error.param == "brand_new"


@pytest.mark.parametrize(
    "content",
    [
        [{"role": "system", "content": "mid-way"}],
        [{"role": "user", "content": [{"type": "from_next_year", "x": 1}]}],
        [7, None, []],
        [],
    ],
)
def test_contents_of_messages_are_never_judged(content):
    assert check(claims(refuse_unknown=True), {"messages": content})[0] == Verdict()


@pytest.mark.parametrize(
    ("body", "param", "package"),
    [
        ({"speed": "fast"}, "speed", "gateway-feature-fast-mode"),
        ({"speed": 7}, "speed", "gateway-feature-fast-mode"),
        ({"inference_geo": "us"}, "inference_geo", "gateway-feature-geo-pricing"),
        ({"output_config": {"effort": "low"}}, "output_config.effort", "gateway-feature-effort"),
        ({"thinking": {"type": "adaptive"}}, "thinking", "gateway-feature-adaptive-thinking"),
        (
            {"context_management": {"edits": [{"type": "compact_20260112"}]}},
            "context_management.edits",
            "gateway-feature-compaction",
        ),
    ],
)
def test_a_field_of_a_missing_package_names_field_package_and_remedy(body, param, package):
    error = refusal(claims(), body)
    assert isinstance(error, UnknownParameter)
    assert error.param == param
    assert error.message.startswith(param)
    assert f"`pip install {package}`" in error.message


def test_dropping_leaves_out_what_a_missing_package_serves():
    sent = {
        "speed": "fast",
        "output_config": {"effort": "low", "format": {"type": "json_schema"}},
        "thinking": {"type": "adaptive"},
    }
    verdict, body = check(claims(drop=True), sent)
    assert dropped(verdict) == ["speed", "output_config.effort", "thinking"]
    assert body == BODY | {"output_config": {"format": {"type": "json_schema"}}}
    assert sent["output_config"] == {"effort": "low", "format": {"type": "json_schema"}}


def test_dropping_leaves_no_empty_object_behind():
    assert check(claims(drop=True), {"output_config": {"effort": "low"}})[1] == BODY


def test_dropping_one_member_keeps_the_others():
    edits = [{"type": "compact_20260112"}, {"type": "clear_tool_uses_20250919"}, {"type": "from_next_year"}]
    sent = {"context_management": {"edits": edits}}
    verdict, body = check(claims(COMPACT, drop=True), sent)
    assert body["context_management"] == {"edits": [edits[0], edits[2]]}
    assert dropped(verdict) == ["context_management.edits=clear_tool_uses_20250919"]
    assert needs(verdict) == [("compaction", "context_management.edits")]
    assert sent["context_management"]["edits"] == edits


def test_dropping_every_member_leaves_no_empty_list():
    edits = [{"type": "compact_20260112"}, {"type": "clear_tool_uses_20250919"}]
    verdict, body = check(claims(drop=True), {"context_management": {"edits": edits}})
    assert body == BODY
    assert dropped(verdict) == [f"context_management.edits={edit['type']}" for edit in edits]


def test_claims_check_values_and_note_needs():
    verdict, _ = check(
        claims(*EVERYTHING),
        {
            "output_config": {"effort": "low"},
            "context_management": {"edits": [{"type": "compact_20260112", "pause_after_compaction": True}]},
            "thinking": {"type": "adaptive"},
            "tools": [{"type": "novel_20270101"}, {"name": "mine"}, 7],
        },
    )
    assert sorted(needs(verdict)) == [
        ("adaptive", "thinking"),
        ("compaction", "context_management.edits"),
        ("effort", "output_config.effort"),
        ("novel", "tools"),
    ]


def test_a_need_may_depend_on_the_value():
    assert check(claims(ADAPTIVE), {"thinking": {"type": "adaptive", "display": "plain"}})[0].needs == []
    assert check(claims(ADAPTIVE), {"thinking": {"type": "adaptive"}})[0].needs == [
        Need("adaptive", "thinking", {"type": "adaptive"}, "thinking=adaptive")
    ]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"output_config": {"effort": "extreme"}}, "output_config.effort: Must be one of: low, high."),
        ({"context_management": {"edits": [{"type": "compact_20260112", "trigger": 5}]}}, "context_management.edits: trigger: Not a valid mapping type."),
        ({"context_management": {"edits": [{"type": "compact_20260112", "extra": 5}]}}, "context_management.edits: extra: Unknown field."),
        ({"tools": [{"type": "whole"}]}, "tools: never good enough"),
    ],
)  # fmt: skip
def test_a_claimed_value_is_refused_in_one_sentence(body, message):
    error = refusal(claims(EFFORTS, COMPACT, Variant("tools[]", "whole", Whole())), body)
    assert error.message == message
    assert type(error) is InvalidRequest


def test_a_new_parameter_may_be_claimed():
    verdict, _ = check(
        claims(Param("novel.depth", fields.Int(), needs="novel"), refuse_unknown=True), {"novel": {"depth": 3}}
    )
    assert (verdict.unread, needs(verdict)) == ([], [("novel", "novel.depth")])


def test_a_claim_without_a_field_takes_anything():
    assert check(claims(Param("novel")), {"novel": [{"any": "thing"}]})[0] == Verdict()


def test_a_claim_on_a_known_field_keeps_its_type():
    assert refusal(claims(Param("speed")), {"speed": [1]}).message == "speed: has to be a string."


def test_parameters_of_a_surface_are_read_from_the_clients_own_words():
    both = claims(*EVERYTHING)
    verdict, _ = check(both, {}, "chat", asked={"reasoning_effort": "low"})
    assert needs(verdict) == [("effort", "reasoning_effort")]
    assert check(both, {}, "messages", asked={"reasoning_effort": "low"})[0].needs == []


def test_a_surface_parameter_of_a_missing_package_is_refused():
    error = refusal(claims(), {}, surface="chat", asked={"reasoning_effort": "low"})
    assert (error.param, isinstance(error, UnknownParameter)) == ("reasoning_effort", True)


def test_a_surface_parameter_may_be_dropped_from_its_copy_only():
    asked = {"reasoning_effort": "low"}
    verdict, _ = check(claims(drop=True), {}, "chat", asked=asked)
    assert (dropped(verdict), asked) == (["reasoning_effort"], {"reasoning_effort": "low"})


def test_what_a_surface_cannot_carry_is_refused_or_dropped():
    verdict = Verdict()
    with pytest.raises(InvalidRequest, match="^n: one answer only$") as refused:
        claims().leave_out({"n": "one answer only"}, verdict)
    assert refused.value.param == "n"
    claims(drop=True).leave_out({"n": "one answer only"}, verdict)
    assert dropped(verdict) == ["n"]


def test_fields_bring_the_betas_that_travel_with_them():
    verdict, _ = check(
        claims(),
        {
            "mcp_servers": [{}],
            "container": {"skills": [{}]},
            "tools": [{"type": "computer_20251124"}, {"type": "mcp_toolset"}, {"type": "web_search_20260318"}],
        },
    )
    assert {name: choice[0] for name, choice in verdict.tied.items()} == {
        "mcp_servers": "mcp-client-2025-11-20",
        "container.skills": "skills-2025-10-02",
        "tools[]=computer_20251124": "computer-use-2025-11-24",
        "tools[]=mcp_toolset": "mcp-client-2025-11-20",
    }


def test_a_beta_of_a_missing_package_is_dropped_by_name():
    verdict = Verdict()
    claims().read_betas(["context-1m-2025-08-07", "anything-2030-01-01", "anything-2030-01-01"], verdict)
    assert dropped(verdict, "betas") == ["context-1m-2025-08-07"]
    assert verdict.betas == ["anything-2030-01-01"]


def test_a_claimed_beta_travels_and_needs_its_capability():
    verdict = Verdict()
    claims(*EVERYTHING).read_betas(["context-1m-2025-08-07"], verdict)
    assert verdict.betas == ["context-1m-2025-08-07"]
    token = "context-1m-2025-08-07"
    assert verdict.needs == [Need("long_context", f"anthropic-beta: {token}", token, f"beta {token}")]


def test_a_claimed_beta_without_a_need_just_travels():
    verdict = Verdict()
    claims(Beta("novel-2027-01-01")).read_betas(["novel-2027-01-01"], verdict)
    assert (verdict.betas, verdict.needs) == (["novel-2027-01-01"], [])


@pytest.mark.parametrize("claim", [EFFORTS, COMPACT, Beta("b-2027-01-01"), Param("x", surface="chat")])
def test_two_claims_on_one_name_stop_startup(claim):
    with pytest.raises(ClaimConflict, match="claimed by two plugins: one and two"):
        Claims(DIALECT, {"one": [claim], "two": [claim]})


def test_a_claim_on_the_cores_own_field_stops_startup():
    with pytest.raises(ClaimConflict, match=r"temperature is claimed by plugin, but it belongs to the core dialect"):
        claims(Param("temperature"))


def test_one_name_on_two_surfaces_is_two_names():
    Claims(DIALECT, {"one": [Param("temperature", surface="chat")], "two": [Param("temperature", surface="other")]})


def test_claims_may_come_from_a_generator():
    made = Claims(DIALECT, {"plugin": (claim for claim in [EFFORTS])})
    assert needs(check(made, {"output_config": {"effort": "low"}})[0]) == [("effort", "output_config.effort")]
    assert made.owners == {"output_config.effort": "plugin"}


def test_the_dialect_knows_what_counting_leaves_out():
    left_out = claims().uncounted
    assert {"max_tokens", "stream", "temperature"} <= left_out
    assert not {"model", "messages", "system", "tools", "thinking"} & left_out


def test_the_dialect_knows_facts_and_header_names():
    assert set(DIALECT.facts) == {"speed", "inference_geo"}
    assert (DIALECT.version_header, DIALECT.betas_header) == ("anthropic-version", "anthropic-beta")
    assert date.fromisoformat(DIALECT.default_version) == date(2023, 6, 1)
    assert {"", "global", "not_available", "standard"} == DIALECT.neutral


json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "effort", "edits", "skills", "x", "level"]), inner, max_size=3)
    ),
    max_leaves=8,
)
known = sorted({row.name.split(".")[0] for row in DIALECT.fields})
bodies = st.dictionaries(st.sampled_from([*known, "novel", "unheard_of"]), json, max_size=6)
tagged = st.fixed_dictionaries(
    {},
    optional={
        "thinking": st.fixed_dictionaries({"type": st.just("adaptive")}, optional={"display": json, "x": json}),
        "context_management": st.fixed_dictionaries(
            {"edits": st.lists(st.fixed_dictionaries({"type": st.just("compact_20260112")}, optional={"trigger": json, "pause_after_compaction": json}))}
        ),
        "output_config": st.fixed_dictionaries({}, optional={"effort": json, "format": json}),
        "speed": json,
        "metadata": st.fixed_dictionaries({"level": json}),
        "novel": json,
        "tools": st.lists(st.fixed_dictionaries({"type": st.just("novel_20270101")}, optional={"trigger": json}) | json),
    },
)  # fmt: skip
READERS = [
    claims(),
    claims(drop=True),
    claims(refuse_unknown=True),
    claims(*EVERYTHING),
    claims(EFFORTS, COMPACT, drop=True),
]


@given(bodies, tagged, st.sampled_from(READERS), st.sampled_from(["messages", "chat"]))
def test_any_json_is_taken_or_refused(body, more, reader, surface):
    sent = strictjson.loads_object(strictjson.dumps({**BODY, **body, **more}))
    before = strictjson.dumps(sent)
    whole = dict(sent)
    with suppress(InvalidRequest):
        verdict = reader.check(surface, sent, whole)
        assert set(sent) - set(whole) <= {name.split(".")[0] for name in dropped(verdict)}
        assert strictjson.dumps(sent) == before
        return
    with pytest.raises(InvalidRequest) as refused:
        reader.check(surface, sent, dict(sent))
    assert refused.value.message.startswith(refused.value.param)
    assert strictjson.dumps(sent) == before


def lacking(claim, *, betas=(), param="p"):
    return UnsupportedCapability("no", need=Need("c", param, claim=claim), betas=betas)


EDITED = {"context_management": {"edits": [{"type": "compact_20260112"}, {"type": "other"}, 7]}, "speed": "fast"}


@pytest.mark.parametrize(
    ("claim", "left", "named"),
    [
        ("speed", {"context_management": EDITED["context_management"]}, "speed"),
        (
            f"{EDITS}=compact_20260112",
            {"context_management": {"edits": [{"type": "other"}, 7]}, "speed": "fast"},
            "context_management.edits=compact_20260112",
        ),
        (f"{EDITS}=absent", EDITED, "context_management.edits=absent"),
        ("output_config.effort", EDITED, "output_config.effort"),
        ("chat:reasoning_effort", EDITED, "reasoning_effort"),
    ],
)
def test_what_nobody_can_serve_is_left_out_and_named(claim, left, named):
    call = make_call(EDITED, betas=["its", "another"], needs=(Need("c", "p", claim=claim), Need("d", "q", claim="q")))
    kept = claims(drop=True).without(call, lacking(claim, betas=["its", "never sent"]))
    assert {name: kept.body[name] for name in kept.body if name not in BODY} == left
    assert (kept.betas, dropped(kept, "betas"), dropped(kept)) == (["another"], ["its"], [named])
    assert [need.capability for need in kept.needs] == ["d"]
    assert call.body == call.asked


def test_the_last_member_of_a_union_takes_the_union_along():
    body = {"context_management": {"edits": [{"type": "compact_20260112"}]}, "thinking": {"type": "adaptive"}}
    call = make_call(body)
    assert "context_management" not in claims(drop=True).without(call, lacking(f"{EDITS}=compact_20260112")).body
    assert "thinking" not in claims(drop=True).without(call, lacking("thinking=adaptive")).body


def test_a_field_that_is_tied_to_a_beta_falls_with_it():
    tied = {"mcp_servers": ("mcp-1",), "thread": ("thread-1",)}
    call = make_call({"mcp_servers": [{}], "thread": {}}, tied=tied, betas=["mcp-1", "thread-1"])
    kept = claims(drop=True).without(call, lacking("mcp_servers", betas=["mcp-1"]))
    assert (kept.tied, kept.betas) == ({"thread": ("thread-1",)}, ["thread-1"])
    assert "mcp_servers" not in kept.body


def test_a_beta_token_alone_is_never_worth_a_refusal():
    token = "context-1m-2025-08-07"
    call = make_call(betas=[token, "b"], needs=(Need("long_context", "x", token, f"beta {token}"),))
    kept = claims().without(call, lacking(f"beta {token}"))
    assert (kept.betas, dropped(kept, "betas"), dropped(kept), kept.needs) == (["b"], [token], [], ())


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({}, lacking("speed")),
        ({"drop": True}, lacking("", param="messages")),
        ({"drop": True}, UnsupportedCapability("no need is known")),
    ],
    ids=["the operator wants refusals", "it cannot be left out", "nobody knows what to leave out"],
)
def test_what_has_to_stand_is_raised_again(options, error):
    with pytest.raises(UnsupportedCapability) as raised:
        claims(**options).without(make_call(EDITED), error)
    assert raised.value is error


def test_a_plugin_that_asks_again_for_what_was_left_out_is_refused():
    error = lacking("chat:reasoning_effort")
    once = claims(drop=True).without(make_call(), error)
    with pytest.raises(UnsupportedCapability):
        claims(drop=True).without(once, error)


@pytest.mark.parametrize("owned", [(), (Param("speed"), EFFORTS)])
def test_a_null_in_a_packages_field_asks_for_nothing_and_does_not_travel(owned):
    verdict, body = check(
        claims(*owned), {"speed": None, "output_config": {"effort": None, "format": None}, "system": None}
    )
    assert {name: body[name] for name in body if name not in BODY} == {
        "output_config": {"format": None},
        "system": None,
    }
    assert (verdict.left_out, verdict.needs) == ([], [])
