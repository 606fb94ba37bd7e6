"""The command line: ``gateway serve | check | plugins | prices | explain``, and what plugins add to it."""

import json
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import wraps
from importlib.metadata import version
from typing import Any, BinaryIO

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway import config as configuration
from gateway import strictjson
from gateway.app import assemble, create_app
from gateway.auth import MASTER
from gateway.catalog import BOOKS, Catalog, ModelRow
from gateway.config import CONFIG_VARIABLE, Config
from gateway.errors import ConfigError, GatewayError
from gateway.explanation import Explanation, surface_of
from gateway.plugins import Plugins, discover
from gateway.serving import (
    KEY_VARIABLE,
    Access,
    Server,
    check_free,
    decide_access,
    is_loopback,
    parts_of,
    server_options,
)
from gateway.usage import KINDS


class Commands(click.Group):
    """The built-in commands and those of the plugins; a plugin's are looked up only when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every name."""
        return sorted({*super().list_commands(ctx), *self._of_plugins()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name."""
        return super().get_command(ctx, cmd_name) or self._of_plugins().get(cmd_name)

    def _of_plugins(self) -> dict[str, click.Command]:
        try:
            return plugin_commands(_config_of(sys.argv), set(self.commands))
        except ConfigError as error:
            raise click.ClickException(error.message) from None


def plugin_commands(config: Config, taken: set[str]) -> dict[str, click.Command]:
    """What the plugins of a configuration add.

    Raises:
        ConfigError: a plugin cannot be loaded, or a name is taken.
    """
    plugins = Plugins(discover(config.plugins), config.sections, shared=config.shared)
    found: dict[str, click.Command] = {}
    for plugin, commands in plugins.gather("register_commands").items():
        for command in commands:
            if command.name in taken | set(found):
                raise ConfigError(f"plugins: {plugin} brings a command {command.name!r}, but that name is taken.")
            found[str(command.name)] = command
    return found


def _config_of(argv: Sequence[str]) -> Config:
    """The configuration that a command line names, read early because it decides which commands there are."""
    path = os.environ.get(CONFIG_VARIABLE)
    for position, word in enumerate(argv):
        if word == "--":
            break  # what follows is another program's
        if word in ("--config", "-c") and position + 1 < len(argv):
            path = argv[position + 1]
        elif word.startswith("--config="):
            path = word.removeprefix("--config=")
    return configuration.load(path) if path else configuration.parse("")


def told(command: Callable[..., Any]) -> Callable[..., Any]:
    """A mistake in a configuration or a request as one line, not as a traceback."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except GatewayError as error:
            raise click.ClickException(error.message) from None

    return run


config_option = click.option(
    "--config",
    "-c",
    "path",
    envvar=CONFIG_VARIABLE,
    metavar="FILE",
    help=f"The configuration; also {CONFIG_VARIABLE}.",
)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("gateway"), prog_name="gateway")
def main() -> None:
    """A gateway for Claude models: one API, exact bills, everything a plugin."""
    level = os.environ.get("GATEWAY_LOG", "WARNING").upper()
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s")


@main.command()
@config_option
@click.option("--host", envvar="GATEWAY_HOST", help="Address. Default: every one with a key, loopback without.")
@click.option("--port", envvar="PORT", type=click.IntRange(1, 65535), default=4000, show_default=True)
@click.option("--workers", envvar="WEB_CONCURRENCY", type=click.IntRange(1), default=2, show_default=True)
@click.option("--threads", type=click.IntRange(1), default=64, show_default=True, help="Streams at once, per worker.")
@click.option("--no-auth", is_flag=True, help="Let everybody in, on any address.")
@told
def serve(path: str | None, host: str | None, port: int, workers: int, threads: int, no_auth: bool) -> None:
    """Serve, until a signal ends it."""
    config = _load(path)
    host = host or ("0.0.0.0" if config.master_key else "127.0.0.1")  # noqa: S104 - a key guards it
    check_free(host, port)
    if config.admin_address.rpartition(":")[2] == str(port):
        raise ConfigError(
            f"general_settings.admin_address: the port {port} is the one that clients use; choose another."
        )
    access = decide_access(config, host, no_auth=no_auth)
    app = create_app(config, master_key=access.key, anywhere=no_auth)
    _announce(config, access, host, port, parts_of(app).warnings)
    Server(app, server_options(host, port, workers, threads, config.admin_address)).run()


@main.command()
@config_option
@told
def check(path: str | None) -> None:
    """Check a configuration, and show what it would serve."""
    parts = assemble(_load(path))
    table = _table("model", "deployment", "provider", "priced as", "weight")
    for one in parts.deployments:
        table.add_row(one.model_name, one.id, one.provider, one.priced_as, f"{one.weight:g}")
    console = _console()
    console.print(table)
    for warning in parts.warnings:
        console.print(f"warning: {warning}", markup=False)
    catalog = parts.catalog
    name = parts.config.document.name
    console.print(f"{name}: fine. Price book {catalog.book!r}, catalog {catalog.digest}.", markup=False)


@main.command()
@config_option
@told
def plugins(path: str | None) -> None:
    """Show the plugins that are in."""
    table = _table("plugin", "kind", "distribution", "version", "hooks")
    for one in assemble(_load(path, needed=False)).plugins.loaded:
        table.add_row(one.name, one.kind, one.distribution, one.version, ", ".join(one.hooks))
    _console().print(table)


@main.command()
@click.argument("model", required=False)
@config_option
@click.option("--book", type=click.Choice(BOOKS), help="Default: the configuration's.")
@told
def prices(model: str | None, path: str | None, book: str | None) -> None:
    """Show base prices in US dollars per million tokens; MODEL filters by a part of provider/name."""
    config = _load(path, needed=False)
    rows = Plugins(discover(config.plugins), config.sections, shared=config.shared).gather("register_catalog")
    catalog = Catalog(rows, book or config.book)
    click.echo(f"US dollars per million tokens, book {catalog.book}")
    matching = [
        row
        for row in catalog.all_models()
        if not model or any(model in f"{row.provider}/{name}" for name in (row.id, *row.upstream))
    ]
    if not matching:
        raise click.ClickException(f"No model matches {model!r}.")
    for provider in sorted({row.provider for row in matching}):
        table = _table(provider, "input", "write 5m", "write 1h", "read", "output", "days")
        for row in sorted(matching, key=lambda row: (row.id, row.since)):
            if row.provider == provider:
                _price_rows(table, row)
        _console().print(table)


def _price_rows(table: Table, row: ModelRow) -> None:
    """A row of the table, and one more for each tier."""
    since = "" if row.since == date.min else f"from {row.since} "
    until = "" if row.until == date.max else f"before {row.until}"
    steps = [(row.id, row.rates), *((f"{row.id} > {above:,}", rates) for above, rates in reversed(row.tiers))]
    for name, rates in steps:
        table.add_row(name, *(str(rates[kind]) for kind in KINDS), since + until)


@main.command()
@click.argument("body", type=click.File("rb"), default="-", metavar="[FILE|-]")
@config_option
@click.option("--surface", default="messages", show_default=True, help="In whose words the body is.")
@click.option("--beta", "betas", multiple=True, metavar="TOKEN", help="A beta token that the client sends.")
@click.option("--full", is_flag=True, help="Show prompts too, not only their size.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, as POST /explain answers.")
@told
def explain(body: BinaryIO, path: str | None, surface: str, betas: Sequence[str], full: bool, as_json: bool) -> None:
    """Show what would become of a request: where it would go, with what, at which price. Nothing is sent.

    The body is read from FILE or standard input. It takes no credentials; variables that are not set may stay so.
    """
    environ = Unset((name, value) for name, value in os.environ.items() if value.strip())
    config = _load(path, environ=environ)
    if environ.absent:
        click.echo(f"note: not set here, so {Unset.WORD} stands in: {', '.join(environ.absent)}.", err=True)
    parts = assemble(config, sends=False)
    headers = {parts.claims.dialect.betas_header: ",".join(betas)}
    one = Explanation(parts.pipeline, surface_of(surface, parts.surfaces), MASTER, headers, full=full)
    explanation = one.of(strictjson.loads_object(body.read()))
    if as_json:
        click.echo(json.dumps(explanation, indent=2, ensure_ascii=False))
    else:
        _show(explanation)


class Unset(dict[str, str]):
    """An environment in which every variable is set: nothing is sent, so any key and any address will do.

    Attributes:
        absent: names of the variables for which the word stood in.
    """

    WORD = "http://unset.invalid"

    def __init__(self, known: Iterable[tuple[str, str]]) -> None:
        super().__init__(known)
        self.absent: list[str] = []

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ARG002 - a dict's signature
        """The variable, else the word."""
        return super().get(name, self.WORD)

    def __missing__(self, name: str) -> str:
        self.absent.append(name)
        return self.WORD


def _show(explanation: Mapping[str, Any]) -> None:
    """An explanation for people: the request, then a block for each deployment."""
    manner = "as a stream" if explanation["stream"] else "as a whole"
    _block(f"{explanation['model']} through {explanation['surface']}", manner, _fate(explanation))
    for place in explanation["deployments"]:
        share = "not served here" if place["share"] is None else f"{place['share']:.0%} of the traffic"
        sent = [*_sent(place["request"]), *_priced(place["estimate"])] if place["request"] else []
        _block(place["deployment"], share, [*_fate(place), *sent])


def _block(title: str, said: str, rows: Iterable[tuple[str, str]]) -> None:
    """A table of two columns; nothing in it is markup."""
    table = _table(Text(title), Text(said))
    for row in rows:
        table.add_row(*map(Text, row))
    _console().print(table)


def _fate(told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Why not, if not; what is needed, and what does not travel as it came."""
    if refused := told["refused"]:
        yield "refused", f"{refused['status']} {refused['code']}: {refused['message']}{_by(refused)}"
    for need in told["needs"]:
        yield "needs", f"{need['capability']}, for {need['param']}{_by(need)}"
    for what in ("dropped_params", "dropped_betas", "ignored_params"):
        for note in told[what]:
            yield what.replace("_", " ").removesuffix("s"), f"{note['name']}{_by(note)}: {note['reason']}"
    for name in told.get("unread", ()):
        yield "unread", f"{name}: nobody here knows it, and it travels"


def _by(told: Mapping[str, Any]) -> str:
    return f" (plugin {told['plugin']})" if told["plugin"] else ""


def _sent(request: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The request as it would be sent."""
    yield request["method"], request["url"]
    for name, value in request["headers"].items():
        yield "header", f"{name}: {value}"
    for name, value in request["body"].items():
        yield "body", f"{name}: {json.dumps(value, ensure_ascii=False)}"


def _priced(estimate: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The estimate, line by line; prices of tokens are for a million."""
    yield "estimate", estimate["basis"]
    for line in estimate["lines"]:
        factors = "".join(f" x {factor['reason']} {factor['times']}" for factor in line["factors"])
        yield line["kind"], f"{line['quantity']:,} x ${line['price_usd']}{factors} = ${line['amount_usd']}"
    total = estimate["total_usd"]
    yield "total", f"${total}" if total else estimate["reason"]
    for name in estimate["unpriced"]:
        yield "unpriced", name


def _console() -> Console:
    """Where the output goes to a pipe there is no edge to fold at."""
    return Console(width=None if sys.stdout.isatty() else 200)


def _table(*columns: str | Text) -> Table:
    """A plain table; only its last column folds, rather than lose text."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for position, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=position < len(columns) - 1)
    return table


def _load(path: str | None, *, needed: bool = True, environ: Mapping[str, str] = os.environ) -> Config:
    if path is None and needed:
        raise click.UsageError(f"Name a configuration with --config FILE, or in {CONFIG_VARIABLE}.")
    return configuration.load(path, environ) if path else configuration.parse("")


def _announce(config: Config, access: Access, host: str, port: int, warnings: Sequence[str]) -> None:
    """What a person wants to see first: where, at which prices, how open, and what to try."""
    address = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared, not bound
    url = f"http://{address}:{port}"
    click.echo(f"gateway {version('gateway')} listens on http://{host}:{port}, price book {config.book!r}.")
    for warning in warnings:
        click.echo(f"warning: {warning}")
    if access.warning:
        click.secho(f"\n  {access.warning}\n", fg="red" if access.key is None else "yellow", bold=True)
    if access.generated and access.key is not None:
        click.echo(f"  {KEY_VARIABLE}={access.key.reveal()}\n")
    if access.key is None and not is_loopback(host):
        click.secho("  --no-auth: this gateway is open to the network.\n", fg="red", bold=True)
    key = access.key.reveal() if access.generated and access.key else f"${KEY_VARIABLE}"
    click.echo(_curls(url, key, config.models[0].model_name if config.models else "MODEL"))


def _curls(url: str, key: str, model: str) -> str:
    """Three lines to try."""
    said = '"messages": [{"role": "user", "content": "Hello"}]'
    auth = f'-H "Authorization: Bearer {key}" -H "Content-Type: application/json"'
    short = f'"model": "{model}", "max_tokens": 100'
    return f"""Try:
  curl {url}/v1/chat/completions {auth} -d '{{"model": "{model}", {said}}}'
  curl {url}/v1/messages {auth} -d '{{{short}, {said}}}'
  curl -N {url}/v1/messages {auth} -d '{{{short}, "stream": true, {said}}}'
"""
