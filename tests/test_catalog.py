"""Rows hold for their days and their book; rows that contradict each other stop startup."""

from datetime import UTC, date, datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.call import Grant
from gateway.catalog import BOOKS, BetaRow, Catalog, FactorRow, GrantRow, MeterRow, ModelRow, Offer, parse, rows
from gateway.errors import CatalogConflict, ConfigError
from gateway.usage import KINDS

SHIPPED = Path(__file__).parents[1] / "plugins" / "gateway-provider-anthropic" / "gateway_provider_anthropic"
RATES = dict.fromkeys(KINDS, Decimal(1))

MODEL = """
[[model]]
provider = "p"
upstream = ["m-1", "m-1-20*"]
id = "m-1"
name = "Model 1"
created = 2026-02-05
window = 1000
max_output = 100
since = 2026-02-05
until = 2026-03-13
book = "current"
source = "a page"
checked = 2026-11-22
note = "why"
rates = { input = "5", cache_write_5m = "6.25", cache_write_1h = "10", cache_read = "0.50", output = "25" }
[[model.tiers]]
above = 100
rates = { input = "6", cache_write_5m = "6.25", cache_write_1h = "10", cache_read = "0.50", output = "25" }
[[model.tiers]]
above = 200
rates = { input = "7", cache_write_5m = "6.25", cache_write_1h = "10", cache_read = "0.50", output = "25" }
"""


def model(upstream="m", **facts):
    return ModelRow(**({"provider": "p", "upstream": (upstream,), "id": "m", "rates": RATES} | facts))


def test_a_row_is_read_with_everything_it_says():
    (row,) = parse(MODEL, "x.toml")
    assert (row.provider, row.upstream, row.id, row.name, row.created) == (
        "p", ("m-1", "m-1-20*"), "m-1", "Model 1", date(2026, 2, 5),
    )  # fmt: skip
    assert (row.window, row.max_output, row.since, row.until) == (1000, 100, date(2026, 2, 5), date(2026, 3, 13))
    assert row.rates["cache_write_5m"] == Decimal("6.25")
    assert (row.book, row.source, row.checked, row.note) == ("current", "a page", date(2026, 11, 22), "why")


def test_tiers_stand_highest_first_in_any_order():
    (row,) = parse(MODEL, "x.toml")
    assert [above for above, _ in row.tiers] == [200, 100]
    assert [row.priced().at(prompt)["input"] for prompt in (100, 101, 201)] == [5, 6, 7]


def test_every_kind_of_row_is_read():
    text = """
    [[grant]]
    capability = "c"
    betas = ["b-1"]
    values = ["low"]
    [[factor]]
    reason = "r"
    times = "1.1"
    kinds = ["input"]
    fact = "f"
    [[meter]]
    path = "a.b"
    kind = "k"
    price = "0.01"
    [[beta]]
    token = "t"
    action = "rename"
    to = "u"
    """
    grant, factor, meter, beta = parse(text, "x.toml")
    assert (grant.capability, grant.betas, grant.values) == ("c", ("b-1",), ("low",))
    assert (factor.factor().times, factor.factor().kinds, factor.fact) == (Decimal("1.1"), frozenset({"input"}), "f")
    assert (meter.meter().price, meter.meter().kind) == (Decimal("0.01"), "k")
    assert (beta.token, beta.action, beta.to) == ("t", "rename", "u")


@pytest.mark.parametrize(
    "text",
    [
        "[[models]]\nid = 'm'",
        "[[model]]\nname = 'no id'",
        "[[model]]\nid = 'm'\ncolour = 'red'",
        "model = 5",
        "model = [5]",
        "[[model]",
        "[[model]]\nid = 'm'\nrates = { input = '1' }",
        "[[model]]\nid = 'm'\nrates = 5",
        "[[model]]\nid = 'm'\nupstream = 'claude-*'",
        "[[model]]\nid = 'm'\nupstream = [1]",
        "[[model]]\nid = 'm'\nsince = '2026-01-01'",
        "[[model]]\nid = 'm'\nuntil = 2026-01-01T00:00:00Z",
        "[[factor]]\nreason = 'r'\ntimes = 'six'",
        "[[factor]]\nreason = 'r'\ntimes = 1.1",
        "[[factor]]\nreason = 'r'\ntimes = 'NaN'",
        "[[factor]]\nreason = 'r'\ntimes = '-1'",
        "[[factor]]\nreason = 'r'\ntimes = '1'\nkinds = ['inputs']",
        "[[meter]]\npath = 'a'\nkind = 'k'\nprice = true",
        "[[meter]]\npath = 'a'\nkind = 'k'\nprice = 'Infinity'",
        "[[beta]]\ntoken = 't'\naction = 'hide'",
        "[[beta]]\ntoken = 't'\naction = 'rename'",
        "[[model]]\nid = 'm'\nbook = 'yesterday'",
        "[[model]]\nid = 'm'\nwindow = 'large'",
        "[[model]]\nid = 'm'\nmax_output = true",
    ],
)
def test_a_row_that_cannot_be_read_names_its_file(text):
    with pytest.raises(CatalogConflict, match=r"^some/catalog\.toml: "):
        parse(text, "some/catalog.toml")


def test_rows_come_from_a_packages_own_file():
    first = next(row for row in rows("gateway_provider_anthropic") if isinstance(row, ModelRow))
    assert first.id == "claude-opus-5-5"


def test_a_row_holds_from_its_first_day_up_to_its_last():
    old = model(until=date(2026, 3, 13), id="old")
    new = model(since=date(2026, 3, 13), id="new")
    catalog = Catalog({"one": [old, new]})
    assert catalog.model("p", "m", date(2026, 3, 12)).id == "old"
    assert catalog.model("p", "m", date(2026, 3, 13)).id == "new"


def test_without_a_day_today_counts():
    yesterday = date.fromordinal(datetime.now(UTC).date().toordinal() - 1)
    catalog = Catalog({"one": [model(until=yesterday, id="old"), model(since=yesterday, id="new")]})
    assert catalog.model("p", "m").id == "new"
    assert [row.id for row in catalog.models("p")] == ["new"]
    assert [row.id for row in catalog.all_models()] == ["old", "new"]


def test_a_row_belongs_to_its_book_or_to_all():
    group = {"one": [model("a", book="announcement"), model("b", book="current"), model("c")]}
    known = {book: [name for name in "abc" if Catalog(group, book).model("p", name)] for book in BOOKS}
    assert known == {"announcement": ["a", "c"], "current": ["b", "c"]}
    assert len(Catalog(group, "current").all_models()) == 2


def test_an_unknown_book_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"unknown book 'today'; there are announcement, current"):
        Catalog({}, "today")


def test_models_are_found_by_glob_and_provider():
    catalog = Catalog({"one": [model("m-1-20*")]})
    assert catalog.model("p", "m-1-20260205")
    assert catalog.model("p", "m-1") is None
    assert catalog.model("q", "m-1-20260205") is None
    assert catalog.models("q") == []


def test_grants_factors_meters_and_betas_are_found():
    catalog = Catalog(
        {
            "one": [
                GrantRow(capability="c", provider="p", upstream=("m*",), betas=("b",)),
                GrantRow(capability="c", provider="q", until=date(2000, 1, 1)),
                FactorRow(reason="r", times=Decimal(2), kinds=("input",)),
                FactorRow(reason="r", times=Decimal(3), kinds=("output",)),
                MeterRow(path="a.b", kind="k", price=Decimal(1)),
                BetaRow(token="t", action="drop", provider="p"),
            ]
        }
    )
    day = date(2026, 1, 1)
    assert catalog.grants(Offer("p", "m-1"))["c"].betas == ("b",)
    assert catalog.grants(Offer("p", "n")) == {}
    assert [row.provider for row in catalog.granted_by("c")] == ["p"]
    assert {factor.times for factor in catalog.factors("r", Offer("p", "m"), day)} == {Decimal(2), Decimal(3)}
    assert catalog.factors("s", Offer("p", "m"), day) == []
    assert [meter.kind for meter in catalog.meters(Offer("p", "m"), day)] == ["k"]
    assert catalog.beta("t", Offer("p", "m")).action == "drop"
    assert catalog.beta("t", Offer("q", "m")) is None


def test_grants_speak_of_models_by_their_canonical_id():
    catalog = Catalog(
        {
            "one": [
                model("there.m-1-v1", id="m-1"),
                GrantRow(capability="c", models=("m-1",), values=("v",)),
                GrantRow(capability="d", models=("unknown",)),
                GrantRow(capability="e", upstream=("there.*",)),
            ]
        }
    )
    assert catalog.id_of(Offer("p", "there.m-1-v1")) == "m-1"
    assert catalog.grants(Offer("p", "there.m-1-v1")) == {"c": Grant((), ("v",)), "e": Grant()}
    assert catalog.grants(Offer("p", "mine", "there.m-1-v1")).keys() == {"c"}
    assert catalog.grants(Offer("p", "there.new")).keys() == {"d", "e"}


def test_a_row_that_lists_providers_or_conditions_is_a_row_for_each():
    text = """
    [[factor]]
    reason = "r"
    times = "2"
    provider = ["p", "q"]
    when = ["place=us", "place=eu"]
    """
    found = [(row.provider, row.when) for row in parse(text, "x")]
    assert found == [("p", "place=us"), ("p", "place=eu"), ("q", "place=us"), ("q", "place=eu")]


def test_a_factor_for_how_a_pass_was_served_stands_in_place_of_the_general_one():
    catalog = Catalog(
        {
            "one": [
                FactorRow(reason="r", times=Decimal(2), kinds=("input",)),
                FactorRow(reason="r", times=Decimal(3), kinds=("output",)),
                FactorRow(reason="r", times=Decimal(1), when="speed=fast"),
                FactorRow(reason="s", times=Decimal(4), when="place=*"),
            ]
        }
    )

    def times(reason, **served):
        return [factor.times for factor in catalog.factors(reason, Offer("p", "m"), date(2026, 1, 1), served)]

    half = [
        FactorRow(reason="r", times=Decimal(2)),
        FactorRow(reason="r", times=Decimal(1), kinds=("input",), when="speed=fast"),
    ]
    found = Catalog({"one": half}).factors("r", Offer("p", "m"), date(2026, 1, 1), {"speed": "fast"})
    assert [(factor.times, set(factor.kinds)) for factor in found] == [(1, {"input"}), (2, {*KINDS} - {"input"})]
    assert times("r") == times("r", speed="slow") == [2, 3]
    assert times("r", speed="fast") == [1]
    assert (times("s", place="anywhere"), times("s"), times("s", speed="fast")) == ([4], [], [])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (model("m"), model("m")),
        (model("m*"), model("m-1")),
        (model("m-*"), model("*-1")),
        (model("m", provider="*"), model("m")),
        (model("m", book="current"), model("m")),
        (model("m", until=date(2026, 3, 14)), model("m", since=date(2026, 3, 13))),
        (GrantRow(capability="c"), GrantRow(capability="c", provider="p")),
        (FactorRow(reason="r", times=Decimal(1)), FactorRow(reason="r", times=Decimal(2))),
        (FactorRow(reason="r", times=Decimal(1)), FactorRow(reason="r", times=Decimal(2), kinds=("input",))),
        (
            FactorRow(reason="r", times=Decimal(1), kinds=("input", "output")),
            FactorRow(reason="r", times=Decimal(2), kinds=("output", "cache_read")),
        ),
        (
            FactorRow(reason="r", times=Decimal(1), when="place=*"),
            FactorRow(reason="r", times=Decimal(2), when="place=us"),
        ),
        (GrantRow(capability="c", models=("a*",)), GrantRow(capability="c", models=("b", "ab"))),
        (MeterRow(path="a", kind="k", price=Decimal(1)), MeterRow(path="a", kind="l", price=Decimal(1))),
        (BetaRow(token="t"), BetaRow(token="t", action="drop", provider="p")),
    ],
)
def test_rows_that_overlap_stop_startup_and_are_both_named(one, other):
    with pytest.raises(CatalogConflict) as conflict:
        Catalog({"first": [one], "second": [other]})
    assert "first" in conflict.value.message
    assert "second" in conflict.value.message


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (model("m"), model("n")),
        (model("m-1"), model("m-1-20*")),
        (model("m", provider="p"), model("m", provider="q")),
        (model("m", book="current"), model("m", book="announcement")),
        (model("m", until=date(2026, 3, 13)), model("m", since=date(2026, 3, 13))),
        (model("m"), GrantRow(capability="m")),
        (GrantRow(capability="c"), GrantRow(capability="d")),
        (FactorRow(reason="r", times=Decimal(1)), FactorRow(reason="s", times=Decimal(2))),
        (
            FactorRow(reason="r", times=Decimal(1), kinds=("input",)),
            FactorRow(reason="r", times=Decimal(2), kinds=("output",)),
        ),
        (FactorRow(reason="r", times=Decimal(1)), FactorRow(reason="r", times=Decimal(2), when="place=us")),
        (
            FactorRow(reason="r", times=Decimal(1), when="place=eu"),
            FactorRow(reason="r", times=Decimal(2), when="place=us"),
        ),
        (GrantRow(capability="c", models=("m-1",)), GrantRow(capability="c", models=("m-1-5",))),
    ],
)
def test_rows_that_never_meet_stand_side_by_side(one, other):
    Catalog({"first": [one], "second": [other]})


globs = st.text("ab*", min_size=1, max_size=4).filter(lambda glob: glob.count("*") < 3)


@given(globs, globs, st.text("ab", max_size=6))
def test_two_globs_that_match_one_name_always_conflict(left, right, name):
    if fnmatchcase(name, left) and fnmatchcase(name, right):
        with pytest.raises(CatalogConflict):
            Catalog({"first": [model(left)], "second": [model(right)]})


def test_the_digest_changes_with_any_row_and_with_nothing_else():
    one, two = model("a"), model("b")
    digest = Catalog({"x": [one], "y": [two]}).digest
    assert digest == Catalog({"y": [two], "x": [one]}).digest
    assert digest != Catalog({"x": [one], "y": [model("b", window=1)]}).digest
    assert len(digest) == 12


def test_names_of_clients_own_choosing_fill_no_memory():
    catalog = Catalog({"one": [model("*")]})
    for number in range(10_100):
        assert catalog.model("p", f"m-{number}")
    assert len(catalog._cache) < 1000


@pytest.mark.parametrize("book", BOOKS)
def test_the_shipped_rows_agree_and_have_their_source(book):
    found = parse((SHIPPED / "catalog.toml").read_text(), "catalog.toml")
    Catalog({"anthropic": found}, book)
    assert all(row.source and row.checked for row in found)


def test_a_beta_row_may_speak_of_all_tokens_of_a_kind():
    catalog = Catalog(
        {"p": [BetaRow(provider="a", token="agent-*", action="drop"), BetaRow(provider="a", token="x-1")]}
    )
    offer = Offer("a", "m")
    assert catalog.beta("agent-2027-01-01", offer).action == "drop"
    assert catalog.beta("x-1", offer).action == "forward"
    assert catalog.beta("y-1", offer) is None
    with pytest.raises(CatalogConflict, match="agent-1"):
        Catalog({"p": [BetaRow(token="agent-*", action="drop"), BetaRow(token="agent-1")]})


@pytest.mark.parametrize(
    ("left", "right", "meet"),
    [
        ("a-5", "a-5", True), ("a-5", "a-*", True), ("*a-5", "*a-5-5", False), ("*a-5", "us.*", True),
        ("us.*", "eu.*", False), ("*", "x*", True), ("a*c", "ab*bc", True), ("a*c", "a*d", False),
        ("a*b*c", "*x*", True), ("a-5", "*a-5-5", False), ("a-5-v1", "a-5*", True), ("a", "b", False),
    ],
)  # fmt: skip
def test_two_globs_meet_where_one_name_fits_both(left, right, meet):
    from gateway.catalog import _meet

    assert _meet(left, right) == _meet(right, left) == meet
