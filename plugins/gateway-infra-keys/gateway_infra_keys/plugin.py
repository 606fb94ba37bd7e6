"""The plugin: who may ask, how much and how fast, put together for the core."""

import atexit
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import click
from flask import Blueprint
from gateway_infra_ledger import address
from gateway_infra_ledger.address import Address
from gateway_infra_ledger.database import Away, Database
from gateway_infra_ledger.report import Report
from gateway_infra_ledger.spend import Spend
from gateway_infra_ledger.store import Store
from marshmallow import Schema, ValidationError, fields, post_load, validate

from gateway import Bill, Call, Claim, Entry, Hold, Principal, Secret, SecretField, hookimpl
from gateway_infra_keys.admin import blueprint
from gateway_infra_keys.admission import TYPICAL_OUTPUT, Admission
from gateway_infra_keys.command import commands
from gateway_infra_keys.idempotency import DEFAULTS, Answers
from gateway_infra_keys.identity import Identity
from gateway_infra_keys.limit import RateLimits
from gateway_infra_keys.pair import Pair
from gateway_infra_keys.pepper import read_pepper
from gateway_infra_keys.schema import SCHEMA
from gateway_infra_keys.store import Keys

LOCK_WAIT = 0.8
"""Seconds that SQLite waits for another's transaction; a refusal should come within one."""

POSITIVE = validate.Range(min=1)
SOME = validate.Range(min=0, min_inclusive=False)


class Settings(Schema):
    """The section ``keys`` of the configuration."""

    database_url = SecretField(load_default=lambda: Secret(address.default()))
    pepper_file = fields.String(load_default="")
    redis_url = SecretField(load_default=None)
    workers = fields.Integer(load_default=1, validate=POSITIVE)
    typical_output_tokens = fields.Integer(load_default=TYPICAL_OUTPUT, validate=POSITIVE)
    idempotency = fields.Boolean(load_default=DEFAULTS["idempotency"])
    idempotency_hours = fields.Float(load_default=DEFAULTS["idempotency_hours"], validate=SOME)
    idempotency_wait = fields.Float(load_default=DEFAULTS["idempotency_wait"], validate=validate.Range(min=0, max=600))
    idempotency_max_kb = fields.Integer(load_default=DEFAULTS["idempotency_max_kb"], validate=POSITIVE)
    idempotency_max_answers = fields.Integer(load_default=DEFAULTS["idempotency_max_answers"], validate=POSITIVE)

    @post_load
    def _understand(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """A URL that cannot be used stops startup, wherever it came from."""
        try:
            return {**data, "database_url": Address.parse(data["database_url"].reveal())}
        except ValueError as error:
            raise ValidationError(str(error), "database_url") from None


class KeysPlugin:
    """Knows keys and teams, and keeps their calls within budgets and limits."""

    settings = Settings

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = settings
        self._address = settings["database_url"]
        self._database = Database(self._address, schema=SCHEMA, lock_wait=LOCK_WAIT)
        self._ledger = Database(self._address)
        self._store = Store(self._ledger)
        self._limits = RateLimits(settings)
        self._answers = Answers(self._database, settings)

    @cached_property
    def _keys(self) -> Keys:
        """The store; only who knows a key needs the pepper."""
        file = self._settings["pepper_file"]
        return Keys(self._database, read_pepper(self._address, Path(file) if file else None))

    @cached_property
    def _identity(self) -> Identity:
        return Identity(self._keys)

    @cached_property
    def _admission(self) -> Admission:
        return Admission(self._database, self._identity, self._settings)

    @hookimpl
    def authenticate_request(self, credential: str | None, headers: Mapping[str, str]) -> Principal | None:
        """Who sends one of our keys."""
        return self._identity.principal(credential, headers)

    @hookimpl
    def claim_answer(self, call: Call, key: str) -> Claim | None:
        """The answer that was given before under an idempotency key."""
        return self._answers.claim(call, key)

    @hookimpl
    def admit_call(self, call: Call, estimate: Bill | None) -> Hold | None:
        """Limits first: a call that comes too fast takes no hold."""
        key = self._identity.key(call.principal.key_id)
        if key is None:
            return None
        team = self._identity.team(key.team_id) if key.team_id else None
        rate = self._limits.admit(call, estimate, key, team)
        try:
            ticket = self._admission.admit(call, estimate)
        except BaseException:
            if rate is not None:
                rate.release()
            raise
        return Pair.of(rate, ticket)

    @hookimpl
    def start_attempt(self, entry: Entry) -> None:
        """Keep what stands with the hold."""
        self._admission.attempt_started(entry)

    @hookimpl
    def record_entry(self, entry: Entry) -> None:
        """Count what was recovered."""
        self._admission.settled(entry)

    @hookimpl
    def recover_entries(self) -> Sequence[Entry]:
        """Attempts whose process died with a hold; idempotency keys that it had taken are free again."""
        self._answers.tend()
        return [self._last_word(entry) for entry in self._admission.recover()]

    def _last_word(self, entry: Entry) -> Entry:
        """The ledger's entry of an attempt, where its process came so far; else what stands because it did not."""
        try:
            found = self._store.call(entry.call_id)
        except Away:
            return entry
        known = [Entry.from_dict(one.as_dict()) for one in found if one.entry["attempt"] == entry.attempt]
        return next((one for one in known if one.outcome != "unknown"), entry)

    @hookimpl
    def register_views(self) -> Blueprint:
        """``/admin/keys`` and the like; and a look at the pepper, because a wrong one knows no key."""
        self._database.check()
        self._admission  # noqa: B018 - built now, before there are threads that could build two
        atexit.register(self.close)  # forked workers inherit it; whatever waits is done when each of them ends
        with suppress(Away):  # then it is compared with the first key
            self._keys.check()
        return blueprint(self._keys, Spend(self._ledger), Report(self._ledger))

    @hookimpl
    def register_commands(self) -> Sequence[click.Command]:
        """``gateway keys`` and ``gateway teams``."""
        return commands(lambda: self._keys)

    def close(self) -> None:
        """Do what is overdue and close what is open."""
        self._answers.close()
        self._admission.close()
        self._limits.close()
        self._database.close()
        self._ledger.close()
