"""The uninstall matrix: a feature that is not there is refused by name, and nobody else notices that it is gone."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.features.conftest import BETAS, HELLO, HOST_KEY, KEY, PATHS, asking, post, wire

ROOT = Path(__file__).parents[2]
FEATURES = tuple(BETAS)
PLACE = {"opus": [("anthropic", "opus")]}
FORWARD = "general_settings: {forward_client_headers_to_llm_api: true}"
DROP = f"{FORWARD}, litellm_settings: {{drop_params: true}}"

OWNED = [
    ("adaptive_thinking", PATHS, {"thinking": {"type": "adaptive"}}, "thinking", "thinking: 'adaptive'"),
    ("adaptive_thinking", ["chat"], {"reasoning_effort": "low"}, "reasoning_effort", "reasoning_effort"),
    *(
        (feature, PATHS, {"context_management": {"edits": [{"type": tag}]}}, "context_management.edits", f"context_management.edits: {tag!r}")
        for feature, tag in (
            ("compaction", "compact_20260112"),
            ("context_editing", "clear_thinking_20251015"),
            ("context_editing", "clear_tool_uses_20250919"),
        )
    ),
    ("compaction", ["chat"], {"context_management": [{"type": "compaction", "compact_threshold": 60_000}]}, "context_management.edits", "context_management.edits: 'compact_20260112'"),
    ("effort", PATHS, {"output_config": {"effort": "low"}}, "output_config.effort", "output_config.effort"),
    ("fast_mode", PATHS, {"speed": "fast"}, "speed", "speed"),
    ("fast_mode", PATHS, {"speed": "standard"}, "speed", "speed"),
    ("geo_pricing", PATHS, {"inference_geo": "us"}, "inference_geo", "inference_geo"),
]  # fmt: skip
"""Feature, surfaces, what is asked, the parameter, and how a refusal speaks of it."""

CLAIMED = [
    pytest.param(feature, surface, ask, param, words, id=f"{words}-{json.dumps(ask)}-{surface}")
    for feature, surfaces, ask, param, words in OWNED
    for surface in surfaces
]


def package(feature):
    return f"gateway-feature-{feature.replace('_', '-')}"


def remedy(feature, words):
    return (
        f"{words} is served by the package {package(feature)}, which is not installed here; "
        f"the operator can add it with `pip install {package(feature)}`."
    )


@pytest.fixture(params=[False, True], ids=["not found", "not listed"])
def without(stage, request):
    """Makes a gateway that lacks a feature: because it is not installed, or because the list leaves it out."""
    return lambda feature, settings=FORWARD: stage.kept(PLACE, settings, (feature,), by_list=request.param)


def both(stage, with_it, without_it, surface, body, *betas):
    """What reaches the host through each of two gateways."""
    stage.sim.reset()
    for client in (with_it, without_it):
        assert post(client, surface, body, *betas).status == 200
    return [wire(record) for record in stage.calls(2)]


# ------------------------------------------------------------------------------------------------- what it owned


@pytest.mark.parametrize(("feature", "surface", "ask", "param", "words"), CLAIMED)
def test_its_parameter_is_refused_by_name_with_the_remedy(stage, without, feature, surface, ask, param, words):
    got = post(without(feature), surface, {"model": "opus", **HELLO, **ask})
    assert got.status == 400
    assert got.headers["gateway-error"] == "unknown_parameter"
    error = got.json["error"]
    assert (error["type"], error["message"]) == ("invalid_request_error", remedy(feature, words))
    if surface == "chat":
        assert (error["param"], error["code"]) == (param, "unknown_parameter")
    assert not stage.sim.log


@pytest.mark.parametrize("surface", PATHS)
@pytest.mark.parametrize(("feature", "token"), [(feature, token) for feature, own in BETAS.items() for token in own])
def test_the_clients_beta_for_it_is_dropped_by_name(stage, without, feature, token, surface):
    plain, with_token = {"model": "opus", **HELLO}, without(feature)
    got = post(with_token, surface, plain, token)
    assert (got.status, got.named("gateway-dropped-betas")) == (200, [token])
    post(with_token, surface, plain)
    one, other = stage.calls(2)
    assert wire(one) == wire(other)


@pytest.mark.parametrize(("feature", "surface", "ask", "param", "words"), CLAIMED)
def test_with_drop_params_field_and_beta_fall_together(stage, without, feature, surface, ask, param, words):
    client = without(feature, DROP)
    others = asking([other for other in FEATURES if other != feature])
    if isinstance(ask.get("context_management"), list):  # OpenAI's form has no words for the edits of others
        del others["context_management"]
    got = post(client, surface, beside(others, ask), *BETAS[feature], *BETAS["long_context"])
    named = words.replace(": '", "=").strip("'") if param.endswith(".edits") else param
    assert (got.status, got.named("gateway-dropped-params")) == (200, [named])
    assert got.named("gateway-dropped-betas") == list(BETAS[feature])
    post(client, surface, others, *BETAS["long_context"])
    dropped, never_there = stage.calls(2)
    assert wire(dropped) == wire(never_there)


def beside(body, ask):
    """A body that asks for something more; edits join those that are there."""
    if "context_management" not in body or "context_management" not in ask:
        return {**body, **ask}
    edits = [edit for one in (ask, body) for edit in one["context_management"]["edits"]]
    return {**body, "context_management": {"edits": edits}}


# ----------------------------------------------------------------------------------------------- everybody else


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("surface", PATHS)
@pytest.mark.parametrize("feature", FEATURES)
def test_every_other_feature_sends_the_same_bytes(stage, without, feature, surface, stream):
    with_it, without_it = stage.kept(PLACE, FORWARD), without(feature)
    others = [other for other in FEATURES if other != feature]
    for used in ([], *([other] for other in others), others):
        betas = [token for other in used for token in BETAS[other] if other == "long_context"]
        one, other = both(stage, with_it, without_it, surface, asking(used, stream=stream), *betas)
        assert one == other, used


def test_the_comparison_sees_a_difference(stage):
    """The matrix would prove nothing if two different requests compared equal."""
    client = stage.kept(PLACE, FORWARD)
    for feature in FEATURES:
        stage.sim.reset()
        post(client, "messages", asking([]))
        post(client, "messages", asking([feature]), *BETAS[feature])
        one, other = stage.calls(2)
        assert wire(one) != wire(other), feature


def test_reasoning_effort_means_thinking_alone_where_effort_is_not_there(stage, without):
    client = without("effort")
    post(client, "chat", asking([], reasoning_effort="high"))
    post(client, "chat", asking(["adaptive_thinking"]))
    effort, thinking = stage.calls(2)
    assert effort.json == thinking.json
    assert "anthropic-beta" not in {**effort.headers, **thinking.headers}


def test_a_dropped_reasoning_effort_sets_no_effort_either(stage, without):
    client = without("adaptive_thinking", DROP)
    got = post(client, "chat", asking([], reasoning_effort="high"))
    post(client, "chat", asking([]))
    dropped, plain = stage.calls(2)
    assert got.named("gateway-dropped-params") == ["reasoning_effort"]
    assert wire(dropped) == wire(plain)


# -------------------------------------------------------------------------------------------- really uninstalled

FULL = os.environ.get("GATEWAY_TEST_FULL") == "1"
CONFIG = f"{{model_list: [{{model_name: opus, params: {{model: anthropic/claude-opus-4-6}}}}], {FORWARD}}}"
SCRIPT = """
import json, os, sys
import gateway
from gateway.app import create_app
from gateway.config import load

assert gateway.__file__.startswith(sys.prefix)
client = create_app(load("config.yaml")).test_client()
for path, body, betas in json.load(sys.stdin):
    headers = {"x-api-key": os.environ["GATEWAY_MASTER_KEY"], "content-type": "application/json"}
    got = client.post(path, data=json.dumps(body), headers={**headers, **({"anthropic-beta": betas} if betas else {})})
    print(json.dumps([got.status_code, dict(got.headers), got.text]))
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not FULL, reason="builds, installs and uninstalls every package; `make test-full` does it")
def test_features_are_really_uninstalled_one_after_another(stage, tmp_path):
    scratch = Scratch(tmp_path, stage.sim)
    before = scratch.use_everything()
    assert {status for status, *_ in before.values()} == {200}
    for number, feature in enumerate(FEATURES, 1):
        scratch.uninstall(feature)
        check_explanation(scratch.explain(feature), feature)
        for (surface, used), (status, headers, text, sent) in scratch.use_everything().items():
            if used not in FEATURES[:number]:
                assert (status, sent) == (200, before[surface, used][3]), (feature, surface, used)
            elif used == "long_context":
                assert (status, sent) == (200, before[surface, ""][3])
                assert headers["gateway-dropped-betas"] == BETAS[used][0]
            else:
                assert (status, sent, json.loads(text)["error"]["message"]) == (400, None, refusal(used))


def refusal(feature):
    """What a request is told that uses a feature of ``asking`` and nothing else; its first edit is named."""
    return remedy(feature, next(words for owner, _, _, _, words in OWNED if owner == feature))


def check_explanation(told, feature):
    if feature == "long_context":
        assert [note["name"] for note in told["dropped_betas"]] == list(BETAS[feature])
    else:
        assert (told["refused"]["code"], told["refused"]["message"]) == ("unknown_parameter", refusal(feature))


class Scratch:
    """An environment of its own: every package of the tree installed from its wheel, what they need borrowed."""

    def __init__(self, folder, sim):
        self._sim = sim
        self._python = folder / "venv" / "bin" / "python"
        self._folder = folder
        (folder / "config.yaml").write_text(CONFIG)
        venv.create(folder / "venv", with_pip=False)
        self._borrow(next(folder.glob("venv/lib/python*/site-packages")))
        sources = [*map(self._copied, [ROOT, *(path.parent for path in sorted(ROOT.glob("plugins/*/setup.cfg")))])]
        pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder / "wheels", *sources)
        wheels = sorted(folder.glob("wheels/*.whl"))
        assert len(wheels) == len(sources)
        pip("--python", self._python, "install", "--no-deps", "--no-index", *wheels)

    def uninstall(self, feature):
        pip("--python", self._python, "uninstall", "--yes", package(feature))

    def explain(self, feature):
        """What ``gateway explain`` says of a request that uses a feature."""
        betas = [word for token in BETAS[feature] for word in ("--beta", token)]
        command = ["-m", "gateway", "explain", "--config", "config.yaml", "--json", *betas]
        return json.loads(self._run(command, json.dumps(asking([feature]))))

    def use_everything(self):
        """Ask for each feature by itself through each surface, and for nothing special: answer and bytes on the wire."""
        self._sim.reset()
        cells = [(surface, used) for surface in PATHS for used in ("", *FEATURES)]
        requests = [
            (PATHS[surface], asking([used] if used else []), BETAS[used][0] if used == "long_context" else "")
            for surface, used in cells
        ]
        answers = [json.loads(line) for line in self._run(["-c", SCRIPT], json.dumps(requests)).splitlines()]
        arrived = iter(self._sim.wait(sum(status == 200 for status, *_ in answers)))
        sent = [wire(next(arrived)) if status == 200 else None for status, *_ in answers]
        return {cell: (*answer, bytes_) for cell, answer, bytes_ in zip(cells, answers, sent, strict=True)}

    def _run(self, command, given):
        environ = {
            "ANTHROPIC_API_KEY": HOST_KEY,
            "ANTHROPIC_API_BASE": self._sim.url,
            "GATEWAY_MASTER_KEY": KEY,
            "PATH": os.environ["PATH"],
        }
        whole = [self._python, "-I", *command]
        done = subprocess.run(whole, input=given, capture_output=True, text=True, cwd=self._folder, env=environ)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _copied(self, source):
        """A package's sources where a build may leave its traces."""
        target = self._folder / "sources" / source.name
        others = shutil.ignore_patterns(
            "plugins", "tests", "docs", "deploy", "build", ".*", "*.egg-info", "__pycache__"
        )
        return shutil.copytree(source, target, ignore=others)

    def _borrow(self, site):
        """What others wrote, from the environment that runs the tests; of ours it must see nothing but the wheels."""
        for entry in Path(sysconfig.get_path("purelib")).iterdir():
            if not entry.name.startswith(("gateway", "__editable__")) and entry.suffix != ".pth":
                (site / entry.name).symlink_to(entry)


def pip(*words):
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
