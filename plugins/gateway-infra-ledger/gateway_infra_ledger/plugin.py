"""The plugin: the ledger's parts, put together for the core."""

from collections.abc import Mapping, Sequence
from typing import Any

import click
from flask import Blueprint
from marshmallow import Schema, ValidationError, fields, post_load, validate

from gateway import Entry, Secret, SecretField, hookimpl
from gateway_infra_ledger import address
from gateway_infra_ledger.address import Address
from gateway_infra_ledger.command import ledger_command
from gateway_infra_ledger.database import Database
from gateway_infra_ledger.lookup import Lookup
from gateway_infra_ledger.store import Store
from gateway_infra_ledger.views import blueprint
from gateway_infra_ledger.writer import Writer


class Settings(Schema):
    """The section ``ledger`` of the configuration."""

    database_url = SecretField(load_default=lambda: Secret(address.default()))
    queue_size = fields.Integer(load_default=10_000, validate=validate.Range(min=1, max=1_000_000))

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
        self._database = Database(settings["database_url"])
        self._store = Store(self._database)
        self._writer = Writer(self._store.add, settings["queue_size"], done=self._database.close)

    @hookimpl
    def record_entry(self, entry: Entry) -> None:
        """Write it in the background."""
        self._writer.put(entry)

    @hookimpl
    def register_views(self) -> Blueprint:
        """``GET /calls/<id>``; and a look at the database, because the first bill would be a bad time to find out."""
        self._database.check()
        return blueprint(Lookup(self._writer, self._store))

    @hookimpl
    def register_commands(self) -> Sequence[click.Command]:
        """``gateway ledger``."""
        return [ledger_command(self._database)]

    def flush(self, timeout: float) -> bool:
        """Wait until everything is in the database; False when it was not in time."""
        return self._writer.flush(timeout)

    def close(self) -> None:
        """Write what is left and close the database."""
        self._writer.close()
