"""Models: what each accepts and how much it holds, read once from ``models.toml``."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from gateway_infra_simulator.refusal import RefusalError


@dataclass(frozen=True)
class Model:
    """One row of ``models.toml``; the file says what each field means."""

    id: str
    name: str
    created: str
    aliases: tuple[str, ...]
    context: int
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

    @property
    def line(self) -> str:
        """The family: opus, sonnet, haiku, fable or mythos."""
        return next(line for line in ("opus", "sonnet", "haiku", "fable", "mythos") if line in self.id)


@cache
def models() -> tuple[Model, ...]:
    """Every model, newest first."""
    table = tomllib.loads(files(__package__).joinpath("models.toml").read_text("utf-8"))
    return tuple(_model(table["defaults"] | row) for row in table["model"])


def find(name: str) -> Model:
    """The model of an id or alias; 404 for any other."""
    found = _index().get(name)
    if found is None:
        raise RefusalError(404, f"model: {name}")
    return found


@cache
def _index() -> dict[str, Model]:
    return {name: model for model in models() for name in (model.id, *model.aliases)}


def _model(row: dict[str, Any]) -> Model:
    lists = {key: tuple(value) for key, value in row.items() if isinstance(value, list)}
    fields: dict[str, Any] = row | lists
    return Model(**fields)
