"""The command ``gateway simulate``: the simulator by itself, or around another command."""

import ipaddress
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import click

from gateway_infra_simulator import child, environment
from gateway_infra_simulator.model import ERA, eras
from gateway_infra_simulator.simulator import DEMO_KEY, Simulator

PORT = 4010
LOG_LIMIT = 1000
"""Records that are kept while it serves: bodies can be large, and nobody may come for them."""


@click.command(context_settings={"allow_interspersed_args": False})
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=int, default=None, help=f"Port; {PORT} by default, a free one around a command.")
@click.option("--key", default=DEMO_KEY, show_default=True, help="The credential that clients must send.")
@click.option(
    "--era", type=click.Choice(eras()), default=ERA, show_default=True, help="Whose rules for models to play."
)
@click.option("--i-know", is_flag=True, help="Listen on an address that is not loopback.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def simulate(host: str, port: int | None, key: str, era: str, *, i_know: bool, command: tuple[str, ...]) -> None:
    """Serve simulated answers, by itself or around COMMAND.

    `gateway simulate` serves until it is stopped. `gateway simulate -- COMMAND ...` runs COMMAND with the keys and
    addresses of Anthropic, Azure, Vertex AI and Bedrock set to a simulator that lives as long as it does.
    """
    if not i_know and not _is_loopback(host):
        raise click.UsageError(f"{host} is not loopback: the simulator knows no secrets, --i-know serves it anyway")
    wanted = PORT if port is None and not command else port or 0
    simulator = Simulator(keys=(key,), host=host, port=wanted, era=era, log_limit=LOG_LIMIT)
    if command:
        sys.exit(_around(command, simulator, key))
    _serve(simulator, key)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextmanager
def _listening(simulator: Simulator) -> Iterator[None]:
    try:
        simulator.start()
    except OSError as error:
        raise click.ClickException(f"cannot listen on {simulator.address}: {error.strerror}") from error
    with simulator:
        yield


def _around(command: tuple[str, ...], simulator: Simulator, key: str) -> int:
    with _listening(simulator), environment.credentials_file(simulator) as credentials:
        click.echo(f"Answers are simulated by {simulator.url} and cost nothing.", err=True)
        code = child.run(command, environment.simulated(os.environ, simulator, key, credentials))
    if code == child.NOT_FOUND:
        click.echo(f"could not run {command[0]}", err=True)
    return code


def _serve(simulator: Simulator, key: str) -> None:
    stop = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        with _listening(simulator), environment.credentials_file(simulator) as credentials:
            click.echo(_welcome(simulator, key, credentials))
            stop.wait()
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, before)


def _welcome(simulator: Simulator, key: str, credentials: str) -> str:
    url = simulator.url
    google = credentials or "(takes the extra: pip install 'gateway-infra-simulator[vertex]')"
    settings = environment.variables(url, key, simulator.project) | {"GOOGLE_APPLICATION_CREDENTIALS": google}
    lines = "\n".join(f"  {name}={value}" for name, value in settings.items())
    return f"""\
Anthropic, Azure, Vertex AI and Bedrock, simulated, on {url}. Answers are made up and cost nothing.

  curl {url}/v1/messages -H "x-api-key: {key}" -H "anthropic-version: 2023-06-01" \\
    -d '{{"model": "claude-opus-4-6", "max_tokens": 100, "messages": [{{"role": "user", "content": "Hello"}}]}}'

A gateway reaches it with

{lines}

"[[sim:error status=529]]" in a prompt picks an answer; {url}/_sim lists the scenarios.
Models are as the era "{simulator.era}" has them; --era chooses another. Ctrl-C stops it."""
