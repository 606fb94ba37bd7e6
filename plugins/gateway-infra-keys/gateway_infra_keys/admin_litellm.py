"""LiteLLM's paths: ``/key/...``, ``/team/...`` and ``/spend/logs``, with the same store behind them.

Where LiteLLM repeats a key's text or its hash, these answers have its id.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from flask import Response
from gateway_infra_ledger.question import Question
from gateway_infra_ledger.report import Report, Selection
from gateway_infra_ledger.spend import Spend
from marshmallow import fields, validate

from gateway import InvalidRequest
from gateway.errors import visible
from gateway.views import KEY, access, principal
from gateway_infra_keys.admin_answer import answer
from gateway_infra_keys.admin_form import NAME, checked
from gateway_infra_keys.admin_request import MAX_PAGE, DayField, Query, actor, body, query, roles, text_field
from gateway_infra_keys.change import Missing
from gateway_infra_keys.litellm import (
    KeyWords,
    TeamWords,
    entry_words,
    key_facts,
    key_words,
    number,
    team_facts,
    team_words,
    wishes,
)
from gateway_infra_keys.model import Key
from gateway_infra_keys.store import Keys
from gateway_infra_keys.terms import MOST
from gateway_infra_keys.token import Token

MOST_LOGS = 10_000
"""Entries of one answer. More are refused: a list that ends early looks like a small bill."""

_ID = re.compile(r"[0-9a-z]{12}")


class Info(Query):
    """Which key: its text or its id; one's own when nothing is said."""

    key = text_field()


class TeamInfo(Query):
    """Which team."""

    team_id = fields.String(required=True, validate=validate.Regexp(r"[0-9A-Za-z]{1,64}\Z", error="Has to be an id."))


class Doomed(Query):
    """Keys to delete, each by its text or its id, or all by their aliases."""

    keys = fields.List(fields.String(), load_default=list, validate=validate.Length(max=MOST))
    key_aliases = fields.List(fields.String(), load_default=list, validate=validate.Length(max=MOST))


class Logs(Query):
    """Which entries; with both dates they are summed up by day unless ``summarize`` is false."""

    api_key = text_field()
    start_date = DayField(load_default=None)
    end_date = DayField(load_default=None, ends=True)
    summarize = fields.String(load_default="true", validate=validate.OneOf(["true", "false"]))


class LiteLLMViews:
    """Its views, one method each."""

    def __init__(self, store: Keys, spend: Spend, report: Report) -> None:
        self._store = store
        self._spend = spend
        self._report = report
        self._key_form, self._team_form = KeyWords(), TeamWords()
        self._info, self._team_info, self._doomed, self._logs = Info(), TeamInfo(), Doomed(), Logs()

    def generate(self) -> Response:
        """``POST /key/generate``."""
        words, ignored = wishes(self._key_form, body(), roles())
        key, token = self._store.create(actor=actor(), **key_facts(words))
        return _noting({"key": token.text, **key_words(key, Decimal(0))}, ignored)

    @access(KEY)
    def info(self) -> Response:
        """``GET /key/info``: the operator sees every key, any other only itself; the rest does not exist for it."""
        who, named = principal(), query(self._info)["key"]
        if not named and who.permissions.operator:
            raise InvalidRequest("key: Missing; the operator's key is not one of these.", param="key")
        key = self._find(named or who.key_id)
        if not who.permissions.operator and key.id != who.key_id:
            raise _missing()
        return answer({"key": key.id, "info": key_words(key, self._spent(key))})

    def update(self) -> Response:
        """``POST /key/update``."""
        asked = body()
        key = self._find(asked.pop("key", None))
        words, ignored = wishes(self._key_form, asked, roles())
        spent = self._spent(key)  # first, or a ledger that is away would hide that the change was made
        changed = self._store.update(key.id, actor=actor(), **key_facts(words, key))
        return _noting({"key": key.id, **key_words(changed, spent)}, ignored)

    def delete(self) -> Response:
        """``POST /key/delete``: every key is found before the first one ends."""
        asked = checked(self._doomed, body())
        if not asked["keys"] and not asked["key_aliases"]:
            raise InvalidRequest("keys: Missing.", param="keys")
        doomed = [self._find(one) for one in asked["keys"]] + [self._aliased(one) for one in asked["key_aliases"]]
        for key in doomed:
            self._store.revoke(key.id, actor=actor())
        return answer({"deleted_keys": [key.id for key in doomed]})

    def new_team(self) -> Response:
        """``POST /team/new``."""
        words, ignored = wishes(self._team_form, body(), roles())
        team = self._store.teams.create(actor=actor(), **team_facts(words))
        return _noting(team_words(team, Decimal(0)), ignored)

    def team_info(self) -> Response:
        """``GET /team/info``."""
        team = self._store.teams.known(query(self._team_info)["team_id"])
        if team is None:
            raise Missing("There is no such team.", param="team_id")
        keys = self._store.page(team_id=team.id, limit=MAX_PAGE + 1)
        if len(keys) > MAX_PAGE:
            raise InvalidRequest(
                f"team_id: it has more than {MAX_PAGE} keys; GET /admin/keys has them.", param="team_id"
            )
        by_team, by_key = self._sums("team"), self._sums("key")
        told = team_words(team, by_team.get(team.name, Decimal(0)))
        listed = [key_words(key, by_key.get(key.id, Decimal(0))) for key in keys]
        return answer({"team_id": team.id, "team_info": told, "keys": listed})

    def logs(self) -> Response:
        """``GET /spend/logs``."""
        asked = query(self._logs)
        key = self._find(asked["api_key"]).id if asked["api_key"] else ""
        since, until = asked["start_date"], asked["end_date"]
        if since and until and asked["summarize"] == "true":
            last = (until - timedelta(microseconds=1)).date()
            return answer(self._days(Question(("day", "model"), since.date(), last, key)))
        rows = list(self._report.entries(Selection(since, until, key), MOST_LOGS + 1))
        if len(rows) > MOST_LOGS:
            raise InvalidRequest(f"start_date: more than {MOST_LOGS} entries; ask for less time.", param="start_date")
        return answer([entry_words(row) for row in rows])

    def _days(self, question: Question) -> list[dict[str, Any]]:
        """Whole days in UTC, each with its sum and what each model had of it."""
        days: dict[str, dict[str, Decimal]] = {}
        for row in self._spend.of(question).rows:
            days.setdefault(row.group["day"], {})[row.group["model"]] = row.cost
        return [
            {
                "startTime": day,
                "spend": number(sum(models.values(), Decimal(0))),
                "models": {name: number(cost) for name, cost in models.items()},
                "users": {},
            }
            for day, models in days.items()
        ]

    def _sums(self, by: str, key: str = "") -> dict[str, Decimal]:
        return {row.group[by]: row.cost for row in self._spend.of(Question((by,), key=key)).rows}

    def _spent(self, key: Key) -> Decimal:
        return self._sums("key", key.id).get(key.id, Decimal(0))

    def _find(self, named: Any) -> Key:
        """A key by its text or its id, which is no secret; never by its alias, which may change hands."""
        token = Token.parse(named) if isinstance(named, str) else None
        found = self._store.find(token) if token else None
        if isinstance(named, str) and _ID.fullmatch(named):
            found = self._store.known(named)
        if found is None:
            raise _missing()
        return found

    def _aliased(self, alias: str) -> Key:
        key = self._store.get(alias) if re.fullmatch(NAME, alias) else None
        if key is None or key.alias != alias:
            raise _missing()
        return key


def _missing() -> Missing:
    """One text for a key that is not there and one that is another's; the key is not repeated."""
    return Missing("There is no such key.", param="key")


def _noting(value: Mapping[str, Any], ignored: Sequence[str]) -> Response:
    """An answer that names what of the request had no effect."""
    return answer(value, headers={"gateway-ignored-params": visible(", ".join(ignored))} if ignored else None)
