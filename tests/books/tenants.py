"""Tenants: keys with budgets, made by the operator of the running gateway, and what is counted against them."""

import json
import urllib.request
from dataclasses import dataclass

import sqlalchemy

from tests.books import entries

AMPLE = {"amount": "1000000", "window": "total"}
"""A budget that nobody reaches here; it is there to be counted against."""


@dataclass(frozen=True)
class Tenant:
    """Who asks; ``owner`` is the key or team whose budget pays."""

    token: str = "sk-nobody"
    key_id: str = ""
    owner: str = ""


def found(gateway):
    """One tenant whose key is strict, one whose key is soft, and one whose team pays, by name; and nobody."""
    red = _post(gateway, "keys", {"alias": "red", "budget": AMPLE, "mode": "strict"})
    green = _post(gateway, "keys", {"alias": "green", "budget": AMPLE, "mode": "soft"})
    team = _post(gateway, "teams", {"name": "sea", "budget": AMPLE})
    blue = _post(gateway, "keys", {"alias": "blue", "team_id": team["id"], "mode": "soft"})
    return {
        "red": Tenant(red["token"], red["id"], red["id"]),
        "green": Tenant(green["token"], green["id"], green["id"]),
        "blue": Tenant(blue["token"], blue["id"], team["id"]),
        "nobody": Tenant(),
    }


def counted(url):
    """What was counted against each owner's budget and what is still held, in 10^-12 dollars."""
    with entries.engine(url).connect() as connection:
        rows = connection.execute(sqlalchemy.text("SELECT owner, spent, held FROM key_accounts"))
        return {row.owner: (row.spent, row.held) for row in rows}


def holding(url):
    """Whether a budget still holds something back."""
    return any(held for _, held in counted(url).values())


def _post(gateway, what, facts):
    headers = {"x-api-key": gateway.key, "content-type": "application/json"}
    request = urllib.request.Request(f"{gateway.url}/admin/{what}", json.dumps(facts).encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)
