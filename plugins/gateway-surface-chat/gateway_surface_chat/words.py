"""The tables of ``words.toml``: facts about two vocabularies, kept apart from the code that uses them."""

import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Any

_TABLES: Mapping[str, Mapping[str, Any]] = tomllib.loads(
    resources.files(__package__).joinpath("words.toml").read_text("utf-8")
)

FINISH: Mapping[str, str] = _TABLES["finish"]
"""Stop reasons to finish reasons."""

SERIES: Mapping[str, str] = _TABLES["series"]
"""Types of server tools' blocks to the fields that carry them."""

SEARCH_TOOL: Mapping[str, str] = _TABLES["search"]["tool"]
"""The server tool that searches the web."""

SEARCH_USES: Mapping[str, int] = _TABLES["search"]["max_uses"]
"""How often it may search, by OpenAI's size of context."""

EDITS: Mapping[str, str] = _TABLES["edits"]
"""OpenAI's entries of ``context_management`` to edits."""
