"""A stage for the features: hosts on loopback, a gateway in front of them, clients in memory.

A provider whose package is installed plays itself. One that does not exist yet is played by a provider of its name that
speaks the Messages dialect plainly, so its part is taken over the day that the package arrives.
"""

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest
from gateway_infra_simulator import Simulator
from marshmallow import Schema, fields
from requests.auth import AuthBase

from gateway import ModelRow, Outbound, Provider, hookimpl, strictjson
from gateway.app import create_app
from gateway.config import parse
from gateway.plugins import discover
from gateway.testing import RATES, found
from tests.features.answers import ANSWERS, SUMMARY

HERE = Path(__file__).parent
KEY = "sk-features"
HOST_KEY = "sim-key"
PATHS = {"messages": "/v1/messages", "chat": "/v1/chat/completions"}
HELLO = {"max_tokens": 5000, "messages": [{"role": "user", "content": "Hello"}]}

TABLE = tomllib.loads((HERE / "hosts.toml").read_text())
MODELS: Mapping[str, dict] = TABLE["model"]
ROWS: Mapping[str, dict] = TABLE["row"]

BETAS = {
    "adaptive_thinking": (),
    "compaction": ("compact-2026-01-12",),
    "context_editing": ("context-management-2025-06-27",),
    "effort": ("effort-2025-11-24",),
    "fast_mode": ("fast-mode-2026-02-01",),
    "geo_pricing": (),
    "long_context": ("context-1m-2025-08-07",),
}
"""Every feature, and the beta tokens that are its own."""

EDITS = {
    "context_editing": [{"type": "clear_thinking_20251015"}, {"type": "clear_tool_uses_20250919"}],
    "compaction": [{"type": "compact_20260112"}],
}
ASKS: Mapping[str, dict] = {
    "adaptive_thinking": {"thinking": {"type": "adaptive"}},
    "compaction": {"context_management": {"edits": EDITS["compaction"]}},
    "context_editing": {"context_management": {"edits": EDITS["context_editing"]}},
    "effort": {"output_config": {"effort": "max"}},
    "fast_mode": {"speed": "fast"},
    "geo_pricing": {"inference_geo": "us"},
    "long_context": {},
}
"""What a request says that uses a feature."""


class Settings(Schema):
    """What a played deployment says."""

    api_base = fields.Str(required=True)


class HostKey(AuthBase):
    """Signs as the simulated host wants it."""

    def __call__(self, request):
        request.headers["x-api-key"] = HOST_KEY
        return request


class Played(Provider):
    """A host that is reached under another's name."""

    settings = Settings

    def __init__(self, name):
        self.name = name
        self.passes_unknown_betas = TABLE["provider"][name]["passes_unknown_betas"]
        self.models = {row["upstream"][model]: MODELS[model]["id"] for row in of_provider(name) for model in MODELS}

    def auth(self, deployment):
        return HostKey()

    def encode(self, call):
        headers = {"content-type": "application/json", "accept-encoding": "identity", "user-agent": "gateway"}
        headers["anthropic-version"] = call.version
        if call.betas:
            headers["anthropic-beta"] = ",".join(call.betas)
        body = strictjson.dumps({**call.body, "model": self.models[call.host.upstream]})
        return Outbound("POST", f"{call.host.settings['api_base']}/v1/messages", headers, body)

    def rows(self):
        for id_, row in ((one["id"], one) for one in MODELS.values()):
            yield ModelRow(
                provider=self.name,
                upstream=tuple(name for name, model in self.models.items() if model == id_),
                id=id_,
                max_output=row["max_output"],
                surcharge_above=row.get("surcharge_above", 0),
                book="announcement",
                rates=RATES,
                source="test",
            )


def of_provider(name):
    return [row for row in ROWS.values() if row["provider"] == name]


def played(name):
    """A plugin that brings a played provider, as discovery would find it."""

    class PlayedPlugin:
        @hookimpl
        def register_provider(self):
            return Played(name)

        @hookimpl
        def register_catalog(self):
            return [*Played(name).rows()]

    return found(PlayedPlugin, name, "provider")


@cache
def installed():
    """What is installed here, but for what only runs a gateway."""
    return [one for one in discover() if one.kind != "infra"]


def is_played(provider):
    return not any(one.name == provider for one in installed())


def cast(*, without=()):
    """Every plugin that a test needs: what is installed, and who plays the providers that are not."""
    return [
        *(one for one in installed() if one.name not in without),
        *(played(name) for name in TABLE["provider"] if is_played(name)),
    ]


@dataclass(frozen=True)
class Answered:
    """What a client got."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    def named(self, header):
        """The names that a header of ours lists."""
        return [name for name in self.headers.get(header, "").split(", ") if name]


@dataclass
class Stage:
    """A simulated host, and gateways in front of it."""

    sim: Simulator
    _apps: dict = field(default_factory=dict)

    def app(self, deployments, settings="", plugins=None):
        """A gateway: ``{model name: [(row, model), ...]}``, further configuration, and the plugins to use.

        Without plugins the configuration says which of the installed ones are let in.
        """
        entries = [self._entry(name, *place) for name, places in deployments.items() for place in places]
        listed = json.dumps({"model_list": entries})[1:-1]  # YAML in its other spelling
        document = "{" + ", ".join(part for part in (listed, settings) if part) + "}"
        config = parse(document, "features.yaml", {**os.environ, "GATEWAY_MASTER_KEY": KEY})
        return create_app(config, found=plugins).test_client()

    def kept(self, deployments, settings="", without=(), *, by_list=False):
        """A gateway with all plugins but some, made once for all tests that ask for it.

        ``by_list`` leaves them out through the configuration, which knows only what is really installed.
        """
        key = json.dumps([deployments, settings, without, by_list])
        if key not in self._apps:
            self._apps[key] = self._make(deployments, settings, without, by_list=by_list)
        return self._apps[key]

    def _make(self, deployments, settings, without, *, by_list):
        if not by_list:
            return self.app(deployments, settings, cast(without=without))
        names = [one.name for one in installed() if one.name not in without]
        return self.app(deployments, ", ".join([*filter(None, [settings]), f"plugins: {json.dumps(names)}"]))

    def _entry(self, name, row, model, weight=1):
        params = {**self._params(row, model), "weight": weight}
        return {"model_name": name, "params": params, "model_info": {"id": f"{row}/{model}"}}

    def _params(self, row, model):
        told = ROWS[row]
        settings = {"api_base": "{host}"} if is_played(told["provider"]) else told["settings"]
        own = {name: value.format(host=self.sim.url, key=HOST_KEY) for name, value in settings.items()}
        return {"model": f"{told['provider']}/{told['upstream'][model]}", **own}


def post(client, surface, body, *betas):
    """One request; several beta headers arrive as one, joined by a comma, as gunicorn joins them."""
    headers = {"x-api-key": KEY, "content-type": "application/json"}
    joined = {"HTTP_ANTHROPIC_BETA": ",".join(betas)} if betas else {}
    got = client.post(PATHS[surface], data=json.dumps(body), headers=headers, environ_overrides=joined)
    return Answered(got.status_code, dict(got.headers), got.data)


def asking(features, **more):
    """The body of a request that uses these features, all at once."""
    body = {"model": "opus", **HELLO}
    for feature in features:
        body |= ASKS[feature]
    if edits := [edit for feature in EDITS if feature in features for edit in EDITS[feature]]:
        body["context_management"] = {"edits": edits}
    return body | more


def tokens(record):
    """The beta tokens of a request that reached the host, wherever its provider puts them."""
    headers = [value for name, value in record.raw_headers if name.lower() == "anthropic-beta"]
    assert len(headers) <= 1, headers
    return headers[0].split(",") if headers else record.json.get("anthropic_beta", [])


def wire(record):
    """A request as it reached the host, byte for byte."""
    return record.method, record.path, record.query, record.raw_headers, record.body


@pytest.fixture(scope="session")
def _stage():
    with Simulator(keys=(HOST_KEY,)) as sim:
        stage = Stage(sim)
        remember(stage)
        yield stage


def remember(stage):
    """Have the host say its summary once, so that it knows it when it comes back in a conversation."""
    stage.sim.queue(ANSWERS["compacted"])
    edit = {"context_management": {"edits": [{"type": "compact_20260112"}]}}
    got = post(stage.kept({"opus": [("anthropic", "opus")]}), "messages", {"model": "opus", **HELLO, **edit})
    assert got.json["content"][0] == SUMMARY


@pytest.fixture
def stage(_stage):
    _stage.sim.reset()
    return _stage
