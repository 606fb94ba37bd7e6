"""create_app: load the plugins, freeze the tables, build the corridor, mount the views."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from flask import Flask

from gateway import config as configuration
from gateway.attachment import Attachments
from gateway.attempts import Attempts
from gateway.auth import MasterKey
from gateway.call import Call, Deployment, Principal
from gateway.capability import Capabilities
from gateway.catalog import Catalog
from gateway.config import Config
from gateway.deployments import Deployments
from gateway.document import meant
from gateway.drain import Drain
from gateway.errors import ConfigError, DuplicatePlugin, GatewayError, UnpricedDeployment
from gateway.hold import Hold, release, spared
from gateway.hookspecs import hookimpl
from gateway.ledger import Entry, Settlement
from gateway.listing import Listing
from gateway.params import Claims, Dialect
from gateway.pipeline import Admit, Pipeline
from gateway.plugins import Found, Plugins, discover
from gateway.pricing import Bill, Factor
from gateway.provider import Provider
from gateway.recovery import Recovery
from gateway.relay import Filter, disjoint
from gateway.replay import Claim
from gateway.routing import Routing
from gateway.secret import Secret
from gateway.surface import Messages, Surface
from gateway.transport import Transport, is_public
from gateway.usage import Pass
from gateway.views import Limits, listens_at, mount

log = logging.getLogger(__name__)


class MessagesSurface:
    """The built-in surface, which comes in through the plugins' door."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    @hookimpl
    def register_surface(self) -> Surface:
        """The Messages API."""
        return Messages(self._dialect.version_header, self._dialect.limits_header)


@dataclass(frozen=True)
class Parts:
    """What startup made, for whoever wants to look: the command line, tests, the SDK.

    Attributes:
        warnings: what the operator should know, though it stops nothing.
    """

    config: Config
    plugins: Plugins
    catalog: Catalog
    claims: Claims
    providers: Mapping[str, Provider]
    deployments: Sequence[Deployment]
    pipeline: Pipeline
    settlement: Settlement
    recovery: Recovery
    health: Callable[[], list[str]]
    surfaces: Sequence[Surface]
    transport: Transport
    drain: Drain
    warnings: tuple[str, ...]


def create_app(
    config: Config,
    *,
    master_key: Secret | None = None,
    anywhere: bool = False,
    found: Sequence[Found] | None = None,
) -> Flask:
    """The WSGI application.

    Args:
        config: the operator's configuration.
        master_key: the operator's key; without one in ``config`` either, everybody is let in.
        anywhere: without a key, serve under any name, because the operator said so.
        found: plugins to use instead of the installed ones, for tests.

    Raises:
        ConfigError: anything that makes the configuration, the plugins or the catalog unfit to serve.
    """
    parts = assemble(config, master_key=master_key, anywhere=anywhere, found=found)
    app = Flask("gateway", static_folder=None)
    app.json.sort_keys = False  # type: ignore[attr-defined]  # Flask's default provider has it
    app.url_map.strict_slashes = False
    app.extensions["gateway"] = parts
    blueprints = parts.plugins.gather("register_views").values()
    limits = Limits(config.max_body, config.timeouts.write)
    listing = Listing(parts.pipeline.routing, parts.catalog, Capabilities(parts.catalog))
    mount(
        app, parts.pipeline, parts.surfaces, blueprints, listing, limits, parts.health, listens_at(config.admin_address)
    )
    return app


def assemble(
    config: Config,
    *,
    master_key: Secret | None = None,
    anywhere: bool = False,
    found: Sequence[Found] | None = None,
    sends: bool = True,
) -> Parts:
    """Build everything but the web application; see ``create_app``.

    Without ``sends``, whoever asks will never send anything: deployments are not asked for their credentials.
    """
    dialect = Dialect.load()
    found = discover(config.plugins) if found is None else found
    _check_sections(config, found)
    builtins = {
        "master_key": MasterKey(master_key or config.master_key, anywhere=anywhere),
        "messages": MessagesSurface(dialect),
    }
    plugins = Plugins(found, config.sections, builtins, config.shared)
    providers = _by_name("provider", plugins.gather("register_provider"))
    catalog = Catalog(plugins.gather("register_catalog"), config.book)
    claims = Claims(
        dialect,
        plugins.gather("register_params"),
        refuse_unknown=config.refuse_unknown,
        drop=config.drop_params,
    )
    models = Deployments(config, providers)
    deployments = models.read()
    if sends:
        _check_deployments(config, providers, deployments)
    _check_prices(config, catalog, deployments)
    _check_lacks(config, catalog, deployments)
    transport = Transport(ca=config.ca, proxy=config.proxy)
    drain = Drain()
    surfaces = _surfaces(plugins)
    settlement = _settlement(plugins, catalog, dialect)
    return Parts(
        config=config,
        plugins=plugins,
        catalog=catalog,
        claims=claims,
        providers=providers,
        deployments=deployments,
        pipeline=_pipeline(config, plugins, catalog, claims, deployments, providers, settlement, transport, drain),
        settlement=settlement,
        recovery=_recovery(plugins, settlement),
        health=_health(plugins),
        drain=drain,
        surfaces=surfaces,
        transport=transport,
        warnings=(*config.warnings, *models.warnings),
    )


def _settlement(plugins: Plugins, catalog: Catalog, dialect: Dialect) -> Settlement:
    recorders = dict(_recorders(plugins))
    return Settlement(catalog, _adjust(plugins), recorders, neutral=dialect.neutral, asked_facts=dialect.facts)


def _pipeline(
    config: Config,
    plugins: Plugins,
    catalog: Catalog,
    claims: Claims,
    deployments: Sequence[Deployment],
    providers: Mapping[str, Provider],
    settlement: Settlement,
    transport: Transport,
    drain: Drain,
) -> Pipeline:
    capabilities = Capabilities(catalog)
    attempts = Attempts(
        providers,
        transport,
        capabilities,
        prepare=_prepare(plugins, claims),
        relent=claims.without,
        filters=_filters(plugins),
        settlement=settlement,
        timeouts=config.timeouts,
        drain=drain,
        attachments=_attachments(config),
        redacts=not config.show_upstream_details,
        start=_start(plugins),
    )
    return Pipeline(
        authenticate=_authenticate(plugins),
        claims=claims,
        routing=Routing(deployments, capabilities),
        admit=_admit(plugins, attempts),
        claim=_claim(plugins),
        attempts=attempts,
        forward_betas=config.forward_headers,
        forwarded_headers=config.forwarded_headers if config.forward_headers else (),
    )


def _attachments(config: Config) -> Attachments:
    """Fetching knows neither the proxy nor the private authority: those are for the operator's hosts."""
    transport = Transport(public=is_public) if config.fetch_urls else None
    return Attachments(transport, config.fetch)


def _authenticate(plugins: Plugins) -> Callable[[str | None, Mapping[str, str]], Principal | None]:
    hook = plugins.hook.authenticate_request
    return lambda credential, headers: hook(credential=credential, headers=headers)


def _prepare(plugins: Plugins, claims: Claims) -> Callable[[Call], None]:
    """Let every feature write what it claims; one that writes anything else stops the call, or order would matter.

    They write in the order of their names: what they write commutes, but a body has its keys in some order.
    """
    steps = [(name, step, claims.owned_by(name)) for name, step in sorted(plugins.each("prepare_request"))]

    def prepare(call: Call) -> None:
        for name, step, own in steps:
            before = dict(call.body)
            step(call=call)
            foreign = _rewritten(before, call.body) - own
            if foreign:
                raise GatewayError(f"The plugin {name} wrote {', '.join(sorted(foreign))}, which it does not claim.")

    return prepare


def _rewritten(before: Mapping[str, Any], after: Mapping[str, Any]) -> set[str]:
    """Top-level fields that are there no more, are new, or hold another object."""
    missing = object()
    return {name for name in {*before, *after} if before.get(name, missing) is not after.get(name, missing)}


def _claim(plugins: Plugins) -> Callable[[Call, str], Claim | None]:
    hook = plugins.hook.claim_answer
    return lambda call, key: hook(call=call, key=key)


def _start(plugins: Plugins) -> Callable[[Entry], None] | None:
    """Each is told by itself; one that cannot write it down stops the call, whatever the others did."""
    steps = [step for _, step in plugins.each("start_attempt")]

    def start(entry: Entry) -> None:
        for step in steps:
            step(entry=entry)

    return start if steps else None


def _recovery(plugins: Plugins, settlement: Settlement) -> Recovery:
    """What one plugin cannot find stops no other."""
    searches = list(plugins.each("recover_entries"))

    def recover() -> Iterator[Entry]:
        for name, search in searches:
            with spared(f"{name} could not look for entries of dead processes"):
                yield from search()

    return Recovery(recover, settlement.record)


def _health(plugins: Plugins) -> Callable[[], list[str]]:
    """Reasons to get no traffic; whoever cannot say how it is, is not well."""
    checks = list(plugins.each("report_health"))

    def health() -> list[str]:
        reasons = []
        for name, check in checks:
            try:
                reason = check()
            except Exception:  # a check that fails is an answer too
                log.exception("%s could not report its health", name)
                reason = "its check failed"
            reasons += [f"{name}: {reason}"] if reason else []
        return reasons

    return health


def _filters(plugins: Plugins) -> Callable[[Call], Sequence[Filter]]:
    if not plugins.has("filter_events"):
        return lambda _call: ()
    hook = plugins.hook.filter_events
    return lambda call: disjoint(hook(call=call))


def _adjust(plugins: Plugins) -> Callable[[Call, Pass, Mapping[str, str]], Iterable[Factor | str]]:
    if not plugins.has("adjust_cost"):
        return lambda _call, _usage, _served: ()
    hook = plugins.hook.adjust_cost

    def adjust(call: Call, usage: Pass, served: Mapping[str, str]) -> Iterable[Factor | str]:
        for given in hook(call=call, usage=usage, served=served):
            yield from [given] if isinstance(given, Factor | str) else given

    return adjust


def _recorders(plugins: Plugins) -> Iterable[tuple[str, Callable[[Any], None]]]:
    for name, record in plugins.each("record_entry"):
        yield name, partial(_record, record)


def _record(record: Callable[..., Any], entry: Entry) -> None:
    record(entry=entry)


def _admit(plugins: Plugins, attempts: Attempts) -> Admit:
    """Take the holds; if one plugin refuses, give back what others hold."""
    admissions = list(plugins.each("admit_call"))

    def most(call: Call, deployment: Deployment) -> Bill | None:
        there = call.toward(deployment)
        bill, unpriced = attempts.estimate(there, attempts.most(there))
        return None if unpriced else bill  # what nobody can price is not held too cheaply

    def admit(call: Call, candidates: Sequence[Deployment]) -> list[Hold]:
        holds: list[Hold] = []
        if not admissions:
            return holds
        bills = [most(call, one) for one in candidates]
        known = [bill for bill in bills if bill is not None]
        estimate = max(known, key=lambda bill: bill.total) if len(known) == len(bills) else None
        try:
            for _, ask in admissions:
                hold = ask(call=call, estimate=estimate)
                holds += [] if hold is None else [hold]
        except BaseException:
            release(holds)
            raise
        return holds

    return admit


def _surfaces(plugins: Plugins) -> list[Surface]:
    surfaces = _by_name("surface", plugins.gather("register_surface"))
    owners: dict[str, str] = {}
    for surface in surfaces.values():
        for path in surface.paths:
            owner = owners.setdefault(path, surface.name)
            if owner != surface.name:
                raise DuplicatePlugin(f"The path {path} is served by two surfaces: {owner} and {surface.name}.")
    return list(surfaces.values())


def _by_name(what: str, made: Mapping[str, Any]) -> dict[str, Any]:
    """Objects by their own name; two of one name stop startup."""
    owners: dict[str, str] = {}
    for plugin, thing in made.items():
        owner = owners.setdefault(thing.name, plugin)
        if owner != plugin:
            raise DuplicatePlugin(f"Two plugins bring a {what} named {thing.name!r}: {owner} and {plugin}.")
    return {thing.name: thing for thing in made.values()}


def _check_sections(config: Config, found: Sequence[Found]) -> None:
    """A section that belongs to nobody is a mistake."""
    names = [one.name for one in found]
    known = [*configuration.SECTIONS, "model_list", "plugins", *names]
    for section in config.sections:
        if section not in names:
            hint = meant(section, known) or f" There are: {', '.join(known)}."
            raise config.document.error((section,), f"unknown section.{hint}")


def _check_deployments(config: Config, providers: Mapping[str, Provider], deployments: Sequence[Deployment]) -> None:
    """Let each provider look at its deployments before anybody depends on them."""
    for entry, deployment in zip(config.models, deployments, strict=True):
        try:
            providers[deployment.provider].check(deployment)
        except ConfigError as error:
            where = ("model_list", entry.index)
            raise config.document.error(where, f"model {entry.model_name!r}: {error.message}") from None


def _check_lacks(config: Config, catalog: Catalog, deployments: Sequence[Deployment]) -> None:
    """A capability that no package knows cannot be lacked; the word is misspelt, and would switch nothing off."""
    for entry, deployment in zip(config.models, deployments, strict=True):
        for name in sorted(deployment.lacks):
            if name not in catalog.capability_names:
                hint = meant(name, catalog.capability_names)
                raise config.document.error((*entry.path, "lacks"), f"no package knows a capability {name!r}.{hint}")


def _check_prices(config: Config, catalog: Catalog, deployments: Sequence[Deployment]) -> None:
    """A deployment that stands in the configuration by name has to have a price."""
    for entry, deployment in zip(config.models, deployments, strict=True):
        priced = deployment.rates or catalog.model(deployment.provider, deployment.priced_as)
        if deployment.named and not priced:
            where = (*entry.path, "model")
            raise UnpricedDeployment(
                config.document.error(
                    where,
                    f"{deployment.provider}/{deployment.priced_as} has no price in book {catalog.book!r}; name a known "
                    "model as base_model, or give input_cost_per_token and output_cost_per_token.",
                ).message
            )
