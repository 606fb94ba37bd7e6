"""Context editing: two edits, one beta, rows that say where."""

import pytest
from gateway_feature_context_editing import ContextEditingPlugin

from gateway import InvalidRequest
from gateway.catalog import Catalog, Offer
from gateway.params import Claims, Dialect
from gateway.testing import check_feature, make_call

USES, THOUGHTS = "clear_tool_uses_20250919", "clear_thinking_20251015"


def edits(*members):
    return {"context_management": {"edits": list(members)}}


def checked(*members):
    claims = Claims(Dialect.load(), {"context_editing": ContextEditingPlugin().register_params()})
    body = make_call(edits(*members)).body
    return claims.check("messages", body, body)


def test_the_feature_keeps_its_promises():
    check_feature(ContextEditingPlugin, bodies=[edits({"type": USES}), edits({"type": THOUGHTS, "keep": "all"})])


@pytest.mark.parametrize(
    "edit",
    [
        {"type": USES},
        {
            "type": USES,
            "trigger": {"type": "tool_uses", "value": 5},
            "keep": {"type": "tool_uses", "value": 3},
            "clear_at_least": {"type": "input_tokens", "value": 1000},
            "exclude_tools": ["search"],
            "clear_tool_inputs": ["a"],
            "novel": 1,
        },
        {"type": THOUGHTS},
        {"type": THOUGHTS, "keep": {"type": "thinking_turns", "value": 2}},
        {"type": THOUGHTS, "keep": "all"},
    ],
)
def test_what_the_api_takes_is_let_through(edit):
    assert [need.capability for need in checked(edit).needs] == ["context_editing"]


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        ({"type": USES, "keep": 3}, "keep: "),
        ({"type": USES, "trigger": []}, "trigger: "),
        ({"type": USES, "exclude_tools": "search"}, "exclude_tools: "),
    ],
)
def test_what_it_does_not_take_is_refused_by_name(edit, says):
    with pytest.raises(InvalidRequest) as refused:
        checked(edit)
    assert refused.value.message.startswith(f"context_management.edits: {says}")


@pytest.mark.parametrize(
    ("provider", "upstream", "there"),
    [
        ("anthropic", "claude-opus-4-6", True),
        ("azure_ai", "mine", True),
        ("vertex_ai", "claude-opus-4-6", True),
        ("bedrock", "global.anthropic.claude-opus-4-6-v1", True),
        ("bedrock", "converse/anthropic.claude-opus-4-6-v1", False),
    ],
)
def test_where_it_exists_is_a_matter_of_rows(provider, upstream, there):
    catalog = Catalog({"context_editing": ContextEditingPlugin().register_catalog()})
    grants = catalog.grants(Offer(provider, upstream))
    assert ("context_editing" in grants) is there
    assert all(grant.betas == ("context-management-2025-06-27",) for grant in grants.values())
