"""A stage for the features: the hosts on loopback, a gateway in front of them, clients in memory."""

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

import pytest
from gateway_infra_simulator import Simulator
from gateway_infra_simulator.amazon import ACCESS_KEY, SECRET_KEY

from gateway.app import create_app
from gateway.config import parse
from gateway.plugins import discover
from tests.features.answers import ANSWERS, SUMMARY
from tests.features.wires import WIRES

HERE = Path(__file__).parent
KEY = "sk-features"
HOST_KEY = "sim-key"
PATHS = {"messages": "/v1/messages", "chat": "/v1/chat/completions"}
HELLO = {"max_tokens": 5000, "messages": [{"role": "user", "content": "Hello"}]}

ROWS: Mapping[str, dict] = tomllib.loads((HERE / "hosts.toml").read_text())["row"]

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


@cache
def installed():
    """What is installed here, but for what only runs a gateway."""
    return [one for one in discover() if one.kind != "infra"]


def cast(*, without=()):
    """Every plugin but some."""
    return [one for one in installed() if one.name not in without]


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
    """The simulated hosts, and gateways in front of them."""

    sim: Simulator
    _apps: dict = field(default_factory=dict)

    def calls(self, count):
        """The calls that reached a host, once so many are over; who only asked Google for a token made none."""
        tokens = sum(is_token(record) for record in self.sim.log)
        return [record for record in self.sim.wait(count + tokens) if not is_token(record)]

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
        own = {name: value.format(**self._known) for name, value in told["settings"].items()}
        return {"model": f"{told['provider']}/{told['upstream'][model]}", **own}

    @cached_property
    def _known(self):
        return {
            "host": self.sim.url,
            "key": HOST_KEY,
            "account": json.dumps(self.sim.service_account),
            "access_key": ACCESS_KEY,
            "secret_key": SECRET_KEY,
        }


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


def sent(row, model, body, betas=(), *, stream=False):
    """What has to arrive at a row for this body of the Messages API."""
    return WIRES[row](ROWS[row]["upstream"][model], body, [*betas], stream=stream)


def is_token(record):
    return record.wire == "google"


def wire(record):
    """A request as it reached the host, byte for byte, but for a signature and its time."""
    headers = [one for one in record.raw_headers if one[0].lower() not in ("authorization", "x-amz-date")]
    return record.method, record.raw_path, record.query, headers, record.body


@pytest.fixture(scope="session")
def _stage():
    with Simulator(keys=(HOST_KEY,)) as sim:
        sim.bedrock.on_demand = False  # as the real one, it wants an inference profile
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
