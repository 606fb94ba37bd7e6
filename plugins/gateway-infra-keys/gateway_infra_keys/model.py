"""The words of this package: keys, teams, and what they may spend. Values without behaviour of their own."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

Window = Literal["total", "daily", "weekly", "monthly"]
"""For how long an amount has to last; a total never begins anew."""

Mode = Literal["strict", "soft"]
"""What has to fit before a call: the most that it may cost, or what it typically costs; the most is held in both."""

OnOutage = Literal["closed", "open"]
"""What becomes of a key's calls while the database is away: refused, or served and written down later."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Money that may be spent.

    Attributes:
        amount: US dollars.
        window: how long they have to last.
        time_zone: IANA name of the zone whose midnight begins a window.
    """

    amount: Decimal
    window: Window = "total"
    time_zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Limits:
    """How fast; None is no limit.

    Attributes:
        requests: calls per minute.
        tokens: tokens per minute, of prompts and answers together.
        parallel: calls at once.
    """

    requests: int | None = None
    tokens: int | None = None
    parallel: int | None = None


@dataclass(frozen=True, slots=True)
class Team:
    """Keys that share a budget and limits.

    Attributes:
        id: twelve letters and digits.
        name: unique for ever, because the ledger names teams by it.
        created_at, revoked_at: UTC; a key of a revoked team is no key.
    """

    id: str
    name: str
    budget: Budget | None
    limits: Limits
    created_at: datetime
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """What is known of a key; its text is not.

    Attributes:
        id: twelve letters and digits, the same after a rotation.
        alias: for people; unique among the keys that are not revoked, or empty.
        team_id: the team's id; empty without one.
        tags: words for the ledger.
        models, capabilities: globs of what it may ask for.
        created_at, expires_at, revoked_at: UTC; from ``expires_at`` on it is no key.
        hint: the last four characters of its text.
    """

    id: str
    alias: str
    team_id: str
    tags: tuple[str, ...]
    models: tuple[str, ...]
    capabilities: tuple[str, ...]
    budget: Budget | None
    limits: Limits
    mode: Mode
    on_outage: OnOutage
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    hint: str
