"""The README says what the code does."""

from pathlib import Path

import pytest
from gateway_surface_chat.request import HINTS
from gateway_surface_chat.unsupported import unsupported
from gateway_surface_chat.words import FINISH, SEARCH_USES, SERIES

README = (Path(__file__).parents[1] / "README.md").read_text()


@pytest.mark.parametrize("name", [*HINTS, *unsupported({"n": 2, "logprobs": 1, "top_logprobs": 1, "audio": 1})])
def test_every_field_that_is_left_out_or_refused_stands_there(name):
    assert f"`{name}`" in README


def test_the_words_of_the_tables_stand_there():
    assert all(f"`{finish}`" in README for finish in FINISH.values())
    assert all(field in README for field in SERIES.values() if field != "mcp_tool_use_blocks")
    assert f"{', '.join(SEARCH_USES)} is at most {', '.join(map(str, SEARCH_USES.values()))}" in README
