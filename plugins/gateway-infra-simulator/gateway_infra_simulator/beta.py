"""Betas: the ``anthropic-beta`` tokens that are known, and what exists only with one of them."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from gateway_infra_simulator.refusal import RefusalError

Needs = dict[str, tuple[str, ...]]
"""A name -> the tokens of which one must be sent; none for names that need no beta."""


@dataclass(frozen=True)
class Betas:
    """The content of ``betas.toml``."""

    known: frozenset[str]
    fields: Needs
    tools: Needs
    edits: Needs
    blocks: Needs


@cache
def betas() -> Betas:
    """The table, read once."""
    table = tomllib.loads(files(__package__).joinpath("betas.toml").read_text("utf-8"))
    needs = {part: {key: tuple(tokens) for key, tokens in table[part].items()} for part in table if part != "known"}
    return Betas(known=frozenset(table["known"]), **needs)


def sent(header: str) -> frozenset[str]:
    """The tokens of a request; an unknown one is refused and quoted."""
    tokens = frozenset(filter(None, (token.strip() for token in header.split(","))))
    unknown = sorted(tokens - betas().known)
    if unknown:
        quoted = ", ".join(f"`{token}`" for token in unknown)
        raise RefusalError(
            400, f"Unexpected value(s) {quoted} for the `anthropic-beta` header. Send documented ones only."
        )
    return tokens


def granted(needs: Needs, name: str, tokens: frozenset[str]) -> bool:
    """Whether a name may be used with these tokens."""
    wanted = needs.get(name, ())
    return not wanted or not tokens.isdisjoint(wanted)
