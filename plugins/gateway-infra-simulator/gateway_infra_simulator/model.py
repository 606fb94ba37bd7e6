"""Models: what each accepts and how much it holds, read once from ``models.toml``."""

import re
import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from gateway_infra_simulator.refusal import RefusalError

ERA = "announcement"
"""The era that is played unless another one is asked for: that of the announcement of Claude Opus 4.6."""

LONG = "context-1m-2025-08-07"
"""The beta that long prompts take, where they take one."""


@dataclass(frozen=True)
class Model:
    """One row of ``models.toml``; the file says what each field means."""

    id: str
    name: str
    created: str
    aliases: tuple[str, ...]
    context: int
    plain_context: int
    compaction: bool
    output: int
    thinking: tuple[str, ...]
    display: str
    efforts: tuple[str, ...]
    effort_beta: bool
    forced_tools: bool
    sampling: bool
    fast: str
    geo: bool
    prefill: bool
    system_turns: bool
    quiet_effort: bool
    cache_minimum: int
    hosts: tuple[str, ...]
    regional: bool

    @property
    def on_vertex(self) -> str:
        """The id on Vertex AI, where a day stands behind ``@``."""
        return re.sub(r"-(\d{8})$", r"@\1", self.id)

    @property
    def line(self) -> str:
        """The family: opus, sonnet, haiku, fable or mythos."""
        return next(line for line in ("opus", "sonnet", "haiku", "fable", "mythos") if line in self.id)

    def window(self, betas: Collection[str]) -> int:
        """The tokens of the longest prompt with these betas."""
        return self.plain_context if self.plain_context and LONG not in betas else self.context


@cache
def models(era: str = ERA) -> tuple[Model, ...]:
    """Every model as it was in an era, newest first."""
    table = _table()
    changes = table["era"][era]
    return tuple(_model(table["defaults"] | row | changes.get(row["id"], {})) for row in table["model"])


@cache
def eras() -> tuple[str, ...]:
    """The eras that can be played."""
    return tuple(_table()["era"])


def find(name: str, era: str = ERA) -> Model:
    """The model of an id or alias; 404 for any other."""
    found = _index(era).get(name)
    if found is None:
        raise RefusalError(404, f"model: {name}")
    return found


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(files(__package__).joinpath("models.toml").read_text("utf-8"))


@cache
def _index(era: str) -> dict[str, Model]:
    return {name: model for model in models(era) for name in (model.id, *model.aliases)}


def _model(row: dict[str, Any]) -> Model:
    lists = {key: tuple(value) for key, value in row.items() if isinstance(value, list)}
    fields: dict[str, Any] = row | lists
    return Model(**fields)
