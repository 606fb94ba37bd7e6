"""The plugin: the ledger's parts, put together for the core."""

import os
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import click
from flask import Blueprint
from marshmallow import Schema, ValidationError, fields, post_load, validate

from gateway import Entry, Secret, SecretField, hookimpl
from gateway_infra_ledger import address
from gateway_infra_ledger.address import Address
from gateway_infra_ledger.command import ledger_command
from gateway_infra_ledger.database import Away, Database
from gateway_infra_ledger.journal import Journal
from gateway_infra_ledger.keeper import Keeper
from gateway_infra_ledger.lookup import Lookup
from gateway_infra_ledger.probe import AWAY, Probe
from gateway_infra_ledger.recovery import Recovery
from gateway_infra_ledger.rerating import rerate_command
from gateway_infra_ledger.spending import spend_command
from gateway_infra_ledger.spool import Spool
from gateway_infra_ledger.store import Store
from gateway_infra_ledger.views import blueprint

JOURNAL_VARIABLE = "GATEWAY_JOURNAL_DIR"
JOURNAL_FOLDER = "gateway-journal"
MEGABYTE = 1_000_000


class Settings(Schema):
    """The section ``ledger`` of the configuration."""

    database_url = SecretField(load_default=lambda: Secret(address.default()))
    queue_size = fields.Integer(load_default=10_000, validate=validate.Range(min=1, max=1_000_000))
    durability = fields.String(load_default="process", validate=validate.OneOf(["process", "full"]))
    journal_dir = fields.String(load_default=lambda: os.environ.get(JOURNAL_VARIABLE, "").strip())
    journal_size_mb = fields.Integer(load_default=1024, validate=validate.Range(min=1))

    @post_load
    def _understand(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """A URL that cannot be used stops startup, wherever it came from."""
        try:
            return {**data, "database_url": Address.parse(data["database_url"].reveal())}
        except ValueError as error:
            raise ValidationError(str(error), "database_url") from None


class LedgerPlugin:
    """Writes every entry down, and tells what a call cost."""

    settings = Settings

    def __init__(self, settings: Mapping[str, Any]) -> None:
        address, durable = settings["database_url"], settings["durability"] == "full"
        folder, prefix = _folder(settings["journal_dir"], address), _fingerprint(address)
        self._database = Database(address, durable=durable)
        self._store = Store(self._database)
        self._journal = Journal(folder, prefix, settings["journal_size_mb"] * MEGABYTE, durable=durable)
        self._recovery = Recovery(folder, prefix, self._store.missing)
        self._probe = Probe(self._store.ask)
        self._keeper = Keeper(self._database)
        self._spool = Spool(self._journal, self._add, settings["queue_size"], done=self._database.close)

    @hookimpl
    def start_attempt(self, entry: Entry) -> None:
        """Write down what stands if this process dies."""
        self._spool.begin(entry)

    @hookimpl
    def record_entry(self, entry: Entry) -> None:
        """Put it into the journal, and write it in the background."""
        if self._spool.put(entry):
            self._recovery.take(entry)

    @hookimpl
    def recover_entries(self) -> Sequence[Entry]:
        """What dead processes left; while the database is away, it stays where it is."""
        try:
            return self._recovery.look()
        except Away:
            return ()

    @hookimpl
    def report_health(self) -> str | None:
        """Whether calls can be written down."""
        return self._journal.trouble() or (AWAY if self._spool.stuck else self._probe.trouble())

    @hookimpl
    def register_views(self) -> Blueprint:
        """``GET /calls/<id>``; and a look at what bills are kept in: the first one would be a bad time to find out."""
        self._database.check()
        self._journal.check()
        return blueprint(Lookup(self._spool, self._store))

    @hookimpl
    def register_commands(self) -> Sequence[click.Command]:
        """``gateway ledger``, ``gateway spend`` and ``gateway rerate``."""
        return [ledger_command(self._database), spend_command(self._database), rerate_command(self._database)]

    def _add(self, entries: Iterable[Entry]) -> None:
        """Write entries, then their sums, which nobody waits for."""
        self._store.add(entries)
        self._keeper.follow()

    def flush(self, timeout: float) -> bool:
        """Wait until everything is in the database; False when it was not in time."""
        return self._spool.flush(timeout)

    def close(self) -> None:
        """Write what is left and close the database; what cannot be written stays in the journal."""
        self._spool.close()
        self._recovery.close()


def _folder(given: str, address: Address) -> Path:
    """Where the journals are: as said, else beside SQLite's file, else in the working directory."""
    beside = address.path.parent if address.path else Path()
    return Path(given).expanduser().absolute() if given else (beside / JOURNAL_FOLDER).absolute()


def _fingerprint(address: Address) -> str:
    """Short for a database, whoever logs in: journals of several may be in one folder."""
    url = address.url
    return sha256(f"{url.host}:{url.port}/{url.database}".encode()).hexdigest()[:8]
