"""The official client, of both generations, talks to the simulator as to the API.

The scripts in ``clients/`` run in interpreters that have the client; GATEWAY_ANTHROPIC_NEW and GATEWAY_ANTHROPIC_OLD
name them.
"""

import os
import subprocess
from pathlib import Path

import pytest

CLIENTS = Path(__file__).parent / "clients"
GENERATIONS = {"new": "GATEWAY_ANTHROPIC_NEW", "old": "GATEWAY_ANTHROPIC_OLD"}


@pytest.fixture(params=GENERATIONS)
def interpreter(request):
    variable = GENERATIONS[request.param]
    if not os.environ.get(variable):
        pytest.skip(f"{variable} names no interpreter with the anthropic client")
    return os.environ[variable]


@pytest.mark.parametrize("script", sorted(path.name for path in CLIENTS.glob("*.py")))
def test_the_official_client_works(sim, interpreter, script):
    done = subprocess.run(
        [interpreter, str(CLIENTS / script), sim.url, "sim-key"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("done\n")
