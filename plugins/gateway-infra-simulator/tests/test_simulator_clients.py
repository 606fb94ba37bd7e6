"""The official client, of both generations, talks to the simulator as to the API.

The scripts in ``clients/`` run in interpreters that have the client; GATEWAY_ANTHROPIC_NEW and GATEWAY_ANTHROPIC_OLD
name them.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest

CLIENTS = Path(__file__).parent / "clients"
HOSTS = {"bedrock.py": "bedrock", "foundry.py": "azure", "vertex.py": "vertex"}
"""Scripts for the new client only, which needs its extras ``bedrock`` and ``vertex``."""

GENERATIONS = {"new": "GATEWAY_ANTHROPIC_NEW", "old": "GATEWAY_ANTHROPIC_OLD"}


def interpreter_of(generation):
    variable = GENERATIONS[generation]
    if not os.environ.get(variable):
        pytest.skip(f"{variable} names no interpreter with the anthropic client")
    return os.environ[variable]


def run(generation, script, *arguments):
    done = subprocess.run(
        [interpreter_of(generation), str(CLIENTS / script), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("done\n")


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("script", sorted({path.name for path in CLIENTS.glob("*.py")} - set(HOSTS)))
def test_the_official_client_works(sim, generation, script):
    run(generation, script, sim.url, "sim-key")


@pytest.mark.parametrize(("script", "wire"), HOSTS.items())
def test_the_official_client_of_each_cloud_works(sim, script, wire):
    pytest.importorskip("botocore", reason="the extra bedrock is not installed")
    pytest.importorskip("cryptography", reason="the extra vertex is not installed")
    account = (json.dumps(sim.service_account),) if wire == "vertex" else ()
    run("new", script, sim.url, "sim-key", *account)
    assert {record.wire for record in sim.log} - {"google", "entra"} == {wire}
