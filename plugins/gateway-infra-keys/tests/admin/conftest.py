"""The real app in memory, with the real store behind it."""

from decimal import Decimal

import pytest
from gateway_infra_keys.plugin import KeysPlugin
from gateway_infra_ledger import LedgerPlugin
from gateway_infra_ledger.address import Address
from gateway_infra_ledger.database import Database
from gateway_infra_ledger.store import Store

from gateway import Bill, Factor, Line, Pass
from gateway import config as configuration
from gateway.app import create_app
from gateway.testing import TestHostPlugin, found, make_entry

MASTER = "sk-master-of-the-tests"
CONFIG = """
model_list: [{{model_name: "*", litellm_params: {{model: "test/*"}}}}]
general_settings: {{master_key: {master}, database_url: "{url}"}}
"""


@pytest.fixture
def ledger(url):
    database = Database(Address.parse(url))
    yield database
    database.close()


@pytest.fixture
def app(url, pepper, monkeypatch):
    """The core, the ledger and the keys."""
    monkeypatch.setenv("GATEWAY_PEPPER", pepper.reveal())
    plugins = [
        found(TestHostPlugin, "test", "provider"),
        found(LedgerPlugin, "ledger", "infra"),
        found(KeysPlugin, "keys", "infra"),
    ]
    made = create_app(configuration.parse(CONFIG.format(master=MASTER, url=url)), found=plugins)
    yield made
    for loaded in made.extensions["gateway"].plugins.loaded:
        getattr(loaded.plugin, "close", lambda: None)()


class Client:
    """Asks as one person and reads JSON."""

    def __init__(self, app, credential):
        self._client = app.test_client()
        self.headers = {} if credential is None else {"x-api-key": credential}

    def __call__(self, verb, path, json=None, **options):
        headers = {**self.headers, **options.pop("headers", {})}
        if json is not None:
            options["json"] = json
        return self._client.open(path, method=verb, headers=headers, **options)


@pytest.fixture
def asking(app):
    """Makes clients: ``asking(token)``; without a token it is nobody."""
    return lambda credential=None: Client(app, credential)


@pytest.fixture
def operator(asking):
    return asking(MASTER)


@pytest.fixture
def made(operator):
    """Makes a key over HTTP; its answer, token and all."""

    def make(**fields):
        answer = operator("POST", "/admin/keys", fields)
        assert answer.status_code == 201, answer.data
        return answer.get_json()

    return make


@pytest.fixture
def spent(ledger):
    """Writes entries into the ledger: what a key spent on a model on a day."""

    def write(key, amount, **facts):
        fast = Factor("fast", Decimal(6), fact="speed", source="a page")
        bill = Bill(
            (Line("input", 1_000_000, Decimal(amount) / 6, 1_000_000, (fast,), "message", "m"),), "announcement"
        )
        known = {
            "key_id": key["id"],
            "alias": key["alias"],
            "bill": bill,
            "passes": (Pass("message", "", {"input": 12}),),
        }
        entry = make_entry(**(known | facts))
        Store(ledger).add([entry])
        return entry

    return write
