"""Betas: the ``anthropic-beta`` tokens that are known, and what exists only with one of them."""

import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from gateway_infra_simulator.refusal import RefusalError

Needs = dict[str, tuple[str, ...]]
"""A name -> the tokens of which one must be sent; none for names that need no beta."""


@dataclass(frozen=True)
class Betas:
    """The content of ``betas.toml``; ``known`` is by host."""

    known: dict[str, frozenset[str]]
    header_only: frozenset[str]
    fields: Needs
    tools: Needs
    edits: Needs
    blocks: Needs


@cache
def betas() -> Betas:
    """The table, read once."""
    table = tomllib.loads(files(__package__).joinpath("betas.toml").read_text("utf-8"))
    known = {host: frozenset(table[host]) for host in ("anthropic", "vertex")}
    known["azure"] = known["anthropic"].difference(table["azure_lacks"])
    needs = {part: _needs(table[part]) for part in ("fields", "tools", "edits", "blocks")}
    return Betas(known, frozenset(table["header_only"]), **needs)


def sent(header: str, host: str = "anthropic") -> frozenset[str]:
    """The tokens of a header; one that the host does not know is refused and quoted."""
    tokens = frozenset(filter(None, (token.strip() for token in header.split(","))))
    check(tokens, host)
    return tokens


def check(tokens: Collection[str], host: str) -> None:
    """Refuse tokens that a host does not know."""
    unknown = sorted(set(tokens) - betas().known[host])
    if unknown:
        quoted = ", ".join(f"`{token}`" for token in unknown)
        raise RefusalError(
            400, f"Unexpected value(s) {quoted} for the `anthropic-beta` header. Send documented ones only."
        )


def _needs(rows: dict[str, list[str]]) -> Needs:
    return {name: tuple(tokens) for name, tokens in rows.items()}


def granted(needs: Needs, name: str, tokens: frozenset[str]) -> bool:
    """Whether a name may be used with these tokens."""
    wanted = needs.get(name, ())
    return not wanted or not tokens.isdisjoint(wanted)
