"""deploy/config.yaml: it is valid as it stands, and with everything in it that is commented out."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("deploy")

CONFIG = Path(__file__).parents[2] / "deploy" / "config.yaml"
KEYS = {"ANTHROPIC_API_KEY": "sk-ant-test", "GATEWAY_MASTER_KEY": "sk-deploy-tests"}


@pytest.fixture
def check(tmp_path):
    def run(text, **environ):
        (tmp_path / "config.yaml").write_text(text)
        told = {name: value for name, value in os.environ.items() if name not in KEYS}
        command = [sys.executable, "-m", "gateway", "check", "--config", "config.yaml"]
        return subprocess.run(
            command, cwd=tmp_path, env=told | environ, capture_output=True, text=True, check=False, timeout=30
        )

    return run


def test_it_is_valid(check):
    told = check(CONFIG.read_text(), **KEYS)
    assert told.returncode == 0, told.stderr
    assert "anthropic/claude-opus-4-6" in told.stdout
    assert "Price book 'announcement'" in told.stdout
    assert "warning" not in told.stdout


def test_what_is_commented_out_is_valid_too(check):
    text = CONFIG.read_text()
    for commented, plain in (
        ("  # - model_name", "  - model_name"),
        ("  #   litellm", "    litellm"),
        ("  #     ", "      "),
        ("# ledger:", "ledger:"),
        ("#   database_url: sqlite:////var/lib/gateway/", "  database_url: sqlite:///"),
    ):
        assert commented in text
        text = text.replace(commented, plain)
    told = check(text, **KEYS)
    assert told.returncode == 0, told.stderr
    assert "anthropic/*" in told.stdout


@pytest.mark.parametrize("missing", sorted(KEYS))
def test_what_is_missing_is_named(check, missing):
    told = check(CONFIG.read_text(), **{name: value for name, value in KEYS.items() if name != missing})
    assert told.returncode == 1
    assert f"environment variable {missing} is not set" in told.stderr
