"""What the rows of this package say: prices, fields, betas."""

from datetime import date

import pytest
from gateway_provider_bedrock import BedrockPlugin
from gateway_provider_bedrock.target import Target

from gateway.catalog import BOOKS, BetaRow, Catalog, FieldRow, MeterRow, ModelRow, Offer, rows

ROWS = BedrockPlugin().register_catalog()
OLD = {
    "claude-opus-4-5": "-20251101-v1:0", "claude-opus-4-1": "-20250805-v1:0", "claude-opus-4": "-20250514-v1:0",
    "claude-sonnet-4-5": "-20250929-v1:0", "claude-sonnet-4": "-20250514-v1:0", "claude-haiku-4-5": "-20251001-v1:0",
}  # fmt: skip
NAMES = {
    "claude-opus-4-6-v1": "claude-opus-4-6", "claude-sonnet-4-6": "claude-sonnet-4-6",
    "claude-3-5-haiku-20241022-v1:0": "claude-3-5-haiku-20241022",
    **{name: name for name in (
        "claude-opus-4-7", "claude-opus-4-8", "claude-opus-5", "claude-opus-5-5", "claude-sonnet-5", "claude-sonnet-5-5",
        "claude-haiku-5-5", "claude-fable-5", "claude-fable-5-1", "claude-fable-5-2", "claude-mythos-5", "claude-mythos-5-1",
    )},
    **{name + tail: {"claude-opus-4": "claude-opus-4-0", "claude-sonnet-4": "claude-sonnet-4-0"}.get(name, name)
       for name, tail in OLD.items()},
}  # fmt: skip
ACCOUNT = "arn:aws:bedrock:us-east-1:123456789012:inference-profile"
PLACES = ("", "global.", "us.", "eu.", "jp.", "au.", "apac.", "us-gov.", f"{ACCOUNT}/us.", f"{ACCOUNT}/global.")


def catalog(book="current"):
    return Catalog({"bedrock": ROWS}, book)


@pytest.mark.parametrize("book", BOOKS)
def test_every_form_of_an_id_has_its_model(book):
    found = catalog(book)
    for name, id_ in NAMES.items():
        for api in ("", "invoke/", "converse/"):
            for place in PLACES:
                upstream = f"{api}{place}anthropic.{name}"
                assert getattr(found.model("bedrock", upstream), "id", None) == id_, upstream


def test_the_first_name_of_a_row_can_be_called():
    for row in ROWS:
        if isinstance(row, ModelRow):
            target = Target.of(row.upstream[0])
            assert target.wellformed
            assert NAMES[target.model.removeprefix("anthropic.")] == row.id
            assert target.resource.partition(".")[0] in {"global", "us"}


def test_the_names_in_answers_are_priced_too():
    for name, id_ in NAMES.items():
        assert catalog().model("bedrock", Target.of(f"anthropic.{name}").name).id == id_


def test_what_nobody_knows_is_not_priced_as_something_else():
    for name in ("anthropic.claude-opus-6", "anthropic.claude-opus-4-60", "amazon.nova-pro-v1:0", "a1b2c3d4e5f6"):
        assert catalog().model("bedrock", name) is None


@pytest.mark.parametrize("book", BOOKS)
@pytest.mark.parametrize("day", [date(2026, 2, 6), date(2026, 4, 1), date(2026, 10, 1), date(2026, 11, 25)])
def test_base_rates_are_the_vendors_own_on_every_day(book, day):
    pytest.importorskip("gateway_provider_anthropic")
    theirs = Catalog({"anthropic": rows("gateway_provider_anthropic")}, book)
    for name, id_ in NAMES.items():
        here = catalog(book).model("bedrock", f"global.anthropic.{name}", day)
        there = theirs.model("anthropic", id_, day)
        facts = ("rates", "tiers", "surcharge_above", "window", "max_output", "name", "created")
        assert [getattr(here, fact) for fact in facts] == [getattr(there, fact) for fact in facts], name


def test_every_model_of_the_vendor_is_here():
    pytest.importorskip("gateway_provider_anthropic")
    theirs = {row.id for row in rows("gateway_provider_anthropic") if isinstance(row, ModelRow)}
    assert {row.id for row in ROWS if isinstance(row, ModelRow)} == theirs == {*NAMES.values()}


def test_nothing_is_paid_by_the_piece():
    assert not [row for row in ROWS if isinstance(row, MeterRow)]


@pytest.mark.parametrize("upstream", ["us.anthropic.claude-opus-4-6-v1", "invoke/x", f"{ACCOUNT}/abc", "converse/x"])
def test_the_fields_of_an_api_are_a_closed_list(upstream):
    fields = catalog().fields(Offer("bedrock", upstream))
    taken = {name for name, row in fields.items() if row.action == "forward"}
    both = {"max_tokens", "messages", "system", "stop_sequences", "temperature", "top_p", "top_k", "tools"}
    both |= {"tool_choice", "thinking", "metadata", "output_config"}
    assert taken == (both if upstream.startswith("converse/") else both | {"context_management", "safeguards"})
    assert {name for name, row in fields.items() if row.action == "ignore"} == {
        "service_tier", "cache_control", "*.cache_control.scope",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("token", "invoke", "converse"),
    [
        ("computer-use-2025-11-24", "forward", "forward"),
        ("fine-grained-tool-streaming-2025-05-14", "forward", "forward"),
        ("interleaved-thinking-2025-05-14", "forward", "forward"),
        ("advanced-tool-use-2025-11-20", "rename", "drop"),
        ("tool-search-tool-2025-10-19", "forward", ""),
        ("structured-outputs-2025-11-13", "drop", "forward"),
        ("dangerous-tool-use-2026-09-03", "forward", "drop"),
        ("per-turn-control-2026-07-01", "drop", "drop"),
        ("prompt-caching-scope-2026-01-05", "drop", "drop"),
        ("claude-code-20250219", "", ""),
        ("oauth-2025-04-20", "", ""),
    ],
)
def test_a_beta_has_its_row_for_each_api(token, invoke, converse):
    for upstream, action in (
        ("us.anthropic.claude-opus-4-6-v1", invoke),
        ("converse/us.anthropic.claude-opus-5", converse),
    ):
        row = catalog().beta(token, Offer("bedrock", upstream))
        assert (row.action if row else "") == action


def test_the_features_tokens_are_left_to_the_features():
    owned = {"compact-2026-01-12", "context-management-2025-06-27", "context-1m-2025-08-07", "fast-mode-2026-02-01"}
    assert not owned & {row.token for row in ROWS if isinstance(row, BetaRow)}


def test_every_row_says_where_it_comes_from_and_every_refusal_why():
    for row in ROWS:
        assert row.source
        assert row.checked
        assert row.note or not isinstance(row, FieldRow) or row.action == "forward"
