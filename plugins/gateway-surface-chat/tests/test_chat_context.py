"""OpenAI's list form of context management becomes the edits of the Messages API."""

import pytest
from gateway_surface_chat.context import context_management

from gateway import InvalidRequest


@pytest.mark.parametrize(
    ("given", "edits"),
    [
        ([], []),
        ([{"type": "compaction"}], [{"type": "compact_20260112"}]),
        (
            [{"type": "compaction", "compact_threshold": 200_000}],
            [{"type": "compact_20260112", "trigger": {"type": "input_tokens", "value": 200_000}}],
        ),
        ([{"type": "compaction", "compact_threshold": None}], [{"type": "compact_20260112"}]),
        (
            [{"type": "compaction", "pause_after_compaction": True, "instructions": "Keep names."}],
            [{"type": "compact_20260112", "pause_after_compaction": True, "instructions": "Keep names."}],
        ),
        ([{"type": "novelty", "x": 1}, {"type": 7}], [{"type": "novelty", "x": 1}, {"type": 7}]),
    ],
)
def test_a_list_is_a_list_of_edits(given, edits):
    assert context_management(given) == {"edits": edits}


@pytest.mark.parametrize("given", [None, {"edits": []}, "x", 7])
def test_anything_else_is_left_alone(given):
    assert context_management(given) is given


def test_an_entry_has_to_be_an_object():
    with pytest.raises(InvalidRequest) as refused:
        context_management([{"type": "compaction"}, "compaction"])
    assert refused.value.param == "context_management[1]"
