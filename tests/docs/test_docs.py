"""What the documents show is what happens."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from gateway_infra_simulator import Simulator

from gateway.config import parse

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
WRITING = (ROOT / "docs" / "writing-plugins.md").read_text()
EXAMPLE = ROOT / "docs" / "examples" / "gateway-feature-audience"
FENCE = re.compile(r"^```(\S+)(?: file=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(text, kind):
    return [block for found, _, block in FENCE.findall(text) if found == kind]


def command(*words, **environ):
    told = {**os.environ, **environ}
    return subprocess.run(
        [sys.executable, "-m", *words], capture_output=True, text=True, env=told, cwd=ROOT, check=True
    )


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    from tests.integration.conftest import running

    with Simulator(keys=("sim-key",)) as sim, running(sim, tmp_path_factory.mktemp("docs")) as gateway:
        yield gateway


@pytest.mark.parametrize("block", blocks(README, "bash"), ids=range(len(blocks(README, "bash"))))
def test_the_readmes_commands_work(gateway, block):
    script = block.replace("http://127.0.0.1:4000", gateway.url)
    environ = {**os.environ, "GATEWAY_MASTER_KEY": gateway.key}
    done = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, env=environ, timeout=30)
    assert done.returncode == 0, done.stderr
    assert "[simulated]" in done.stdout or json.loads(done.stdout)["cost_usd"] > "0"
    if "stream" in block:
        assert re.search(r"^: gateway-cost-usd 0\.\d+$", done.stdout, re.MULTILINE)


def test_the_announcements_curl_works_word_for_word_without_a_key(tmp_path):
    from tests.integration.conftest import running

    config = "model_list:\n  - model_name: claude-opus-4-6\n    litellm_params:\n      model: anthropic/claude-opus-4-6\n      api_key: os.environ/ANTHROPIC_API_KEY\n"
    curl = """curl -s --location 'http://0.0.0.0:4000/chat/completions' \\
    --header 'Content-Type: application/json' \\
    --header 'Authorization: Bearer $LITELLM_KEY' \\
    --data '{
      "model": "claude-opus-4-6",
      "messages": [{"role": "user", "content": "what llm are you"}]
    }'"""
    with Simulator(keys=("sim-key",)) as sim, running(sim, tmp_path, config, key="") as gateway:
        script = curl.replace("0.0.0.0:4000", f"0.0.0.0:{gateway.port}")
        done = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, timeout=30, check=True)
        assert "[simulated]" in json.loads(done.stdout)["choices"][0]["message"]["content"]
        assert "everybody on this machine can spend" in gateway.log.read_text()


def test_the_readmes_screens_are_what_is_printed():
    for block in blocks(README, "console"):
        asked, _, shown = block.partition("\n")
        if asked.startswith("$ gateway "):
            printed = command(*asked.removeprefix("$ ").split()).stdout
            assert [line.rstrip() for line in printed.strip().splitlines()] == shown.rstrip().splitlines()


def test_the_readmes_configuration_works():
    (text,) = blocks(README, "yaml")
    config = parse(text, "README", {"ANTHROPIC_API_KEY": "x", "GATEWAY_MASTER_KEY": "y"})
    assert [entry.model_name for entry in config.models] == ["claude-opus-4-6", "anthropic/*"]
    assert not config.warnings


def test_every_link_leads_somewhere():
    for document in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("plugins/*/*.md")]:
        for target in re.findall(r"\]\((?!http)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_every_plugin_is_in_the_readme():
    for folder in (ROOT / "plugins").iterdir():
        if (folder / "setup.cfg").exists():
            assert f"(plugins/{folder.name})" in README


def test_every_command_is_in_the_readme():
    listed = re.findall(r"^  (\w+) ", command("gateway", "--help").stdout.partition("Commands:")[2], re.MULTILINE)
    for name in listed:
        assert f"`gateway {name}" in README


def test_the_shown_plugin_is_the_shipped_one():
    shown = {name: block for _, name, block in FENCE.findall(WRITING) if name}
    assert shown
    for name, block in shown.items():
        assert (ROOT / "docs" / name).read_text() == block


def test_the_example_is_under_fifty_lines():
    assert len((EXAMPLE / "gateway_feature_audience.py").read_text().splitlines()) < 50


@pytest.mark.slow
def test_the_example_builds_installs_and_runs(tmp_path):
    from tests.integration.conftest import CONFIG, running

    site = tmp_path / "site"
    quiet = ["--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    command("pip", "wheel", *quiet, "--wheel-dir", str(tmp_path), str(EXAMPLE))
    (wheel,) = tmp_path.glob("gateway_feature_audience-*.whl")
    command("pip", "install", *quiet, "--target", str(site), str(wheel))
    environ = {"PYTHONPATH": str(site)}
    assert "audience" in command("gateway", "plugins", **environ).stdout
    check = "from gateway.testing import check_feature; from gateway_feature_audience import AudiencePlugin as A; check_feature(A, bodies=[{'audience': 'partner'}])"
    subprocess.run([sys.executable, "-c", check], env={**os.environ, **environ}, check=True)
    config = CONFIG + "\naudience: {{partner_times: 1.5}}\n"
    with Simulator(keys=("sim-key",)) as sim, running(sim, tmp_path, config, environ=environ) as gateway:
        plain, partner = ask(gateway), ask(gateway, audience="partner")
        assert "audience" not in sim.log[1].json
        assert partner[0]["audience"] == "partner"
        assert float(partner[1]) == pytest.approx(float(plain[1]) * 1.5)
        assert ask(gateway, audience="nobody")[0]["error"]["message"].startswith("audience: Must be one of")


def ask(gateway, **more):
    import urllib.error
    import urllib.request

    body = {"model": "claude-opus-4-6", "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}], **more}
    headers = {"x-api-key": gateway.key, "content-type": "application/json"}
    request = urllib.request.Request(f"{gateway.url}/v1/messages", json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer), answer.headers["gateway-cost-usd"]
    except urllib.error.HTTPError as error:
        with error:
            return json.load(error), None
