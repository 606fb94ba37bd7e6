"""Plugins: found through entry points, let in by the list, built once, and checked before anything is served.

pluggy's own loader skips a second plugin of one name without a word and imports whatever is installed. A gateway
bills by its plugins, so here only listed ones are imported, and every doubt stops the process.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any

import pluggy
from marshmallow import Schema, ValidationError

from gateway import hookspecs
from gateway.document import first_message, meant
from gateway.errors import ConfigError, DuplicatePlugin

GROUP = "gateway"
EVERYTHING = "*"

KIND_HOOKS: Mapping[str, frozenset[str]] = {
    "provider": frozenset({"register_provider", "register_catalog"}),
    "feature": frozenset({"register_params", "register_catalog", "prepare_request", "filter_events", "adjust_cost"}),
    "surface": frozenset({"register_surface", "register_params"}),
    "infra": frozenset(
        {
            "register_views",
            "register_commands",
            "authenticate_request",
            "claim_answer",
            "admit_call",
            "start_attempt",
            "record_entry",
            "recover_entries",
            "report_health",
        }
    ),
}
"""What each kind of plugin may do. One plugin is one kind, and its distribution's name says which."""

_NAME = re.compile(r"(?:.+-)?gateway-(provider|feature|surface|infra)-([a-z0-9-]+)")


@dataclass(frozen=True)
class Loaded:
    """A plugin that is in.

    Attributes:
        name: its entry point's name; also its section in the configuration and its word in the ledger.
        kind: provider, feature, surface, infra or builtin.
        plugin: the object.
        distribution, version: where it came from.
        hooks: the hooks that it implements.
    """

    name: str
    kind: str
    plugin: object
    distribution: str
    version: str
    hooks: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """A plugin that is installed and listed, imported but not built."""

    name: str
    kind: str
    factory: type
    distribution: str
    version: str


def discover(allow: Sequence[str] = (EVERYTHING,), kinds: Iterable[str] = KIND_HOOKS) -> list[Found]:
    """Import the plugins that the list lets in, in the order of their names; of other kinds none is even imported.

    Raises:
        ConfigError: a listed plugin is missing, cannot be imported, or its names do not fit each other.
        DuplicatePlugin: two distributions offer one name.
    """
    installed: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP):
        other = installed.setdefault(point.name, point)
        if _distribution(other) != _distribution(point):
            raise DuplicatePlugin(
                f"Two distributions offer a plugin named {point.name!r}: {_distribution(other)} and "
                f"{_distribution(point)}; uninstall one."
            )
    for name in allow:
        if name != EVERYTHING and name not in installed:
            raise ConfigError(f"plugins: {name!r} is listed but not installed.{meant(name, installed)}")
    listed = [point for name, point in sorted(installed.items()) if EVERYTHING in allow or name in allow]
    return [_found(point) for point in listed if _is_of(kinds, point)]


def _is_of(kinds: Iterable[str], point: EntryPoint) -> bool:
    """Whether it may be let in by its kind; one whose name tells no kind is a mistake, and said so when it is read."""
    match = _NAME.fullmatch(_distribution(point))
    return match is None or match.group(1) in kinds


def _found(point: EntryPoint) -> Found:
    distribution = _distribution(point)
    match = _NAME.fullmatch(distribution)
    if match is None:
        raise ConfigError(
            f"plugins: {distribution} offers a plugin, but is not named gateway-<kind>-<thing> "
            f"(kinds: {', '.join(KIND_HOOKS)})."
        )
    kind, thing = match.groups()
    if point.name != thing.replace("-", "_"):
        raise ConfigError(
            f"plugins: the entry point of {distribution} is named {point.name!r}; "
            f"it has to be {thing.replace('-', '_')!r}."
        )
    try:
        factory = point.load()
    except Exception as error:
        raise ConfigError(f"plugins: {point.name} ({distribution}) cannot be imported: {error!r}") from error
    if not isinstance(factory, type):
        raise ConfigError(f"plugins: {point.name} ({distribution}) has to be a class, not {factory!r}.")
    return Found(point.name, kind, factory, distribution, point.dist.version if point.dist else "")


class Plugins:
    """The plugins that are in, and their hooks.

    Args:
        found: what ``discover`` let in.
        sections: the configuration's section of each plugin, by name.
        builtins: the core's own plugins, which come in through the same door.
        shared: settings that go to every plugin that knows the key and whose own section does not say.

    Raises:
        ConfigError: a plugin's settings, hooks or kind are wrong.
    """

    def __init__(
        self,
        found: Sequence[Found],
        sections: Mapping[str, Any],
        builtins: Mapping[str, object] | None = None,
        shared: Mapping[str, Any] | None = None,
    ) -> None:
        self._manager = pluggy.PluginManager(GROUP)
        self._manager.add_hookspecs(hookspecs)
        self.loaded: list[Loaded] = []
        for name, plugin in (builtins or {}).items():
            self._register(Found(name, "builtin", type(plugin), "gateway", ""), plugin)
        for one in found:
            self._register(one, build(one, sections.get(one.name), shared or {}))
        self._check_pending()

    @property
    def hook(self) -> pluggy.HookRelay:
        """The hooks, to be called with keyword arguments."""
        return self._manager.hook

    def has(self, hook: str) -> bool:
        """Whether anybody implements a hook."""
        return bool(getattr(self.hook, hook).get_hookimpls())

    def each(self, hook: str) -> Iterator[tuple[str, Callable[..., Any]]]:
        """Every implementation of a hook by itself, with the name of its plugin."""
        for implementation in getattr(self.hook, hook).get_hookimpls():
            yield implementation.plugin_name, _opt_in(implementation)

    def gather(self, hook: str) -> dict[str, Any]:
        """What each plugin answers to a hook without arguments."""
        return {name: call() for name, call in self.each(hook)}

    def _register(self, found: Found, plugin: object) -> None:
        try:
            self._manager.register(plugin, name=found.name)
        except (pluggy.PluginValidationError, ValueError) as error:
            raise ConfigError(f"plugins: {found.name} ({found.distribution}): {error}") from None
        callers = self._manager.get_hookcallers(plugin) or []
        hooks = tuple(sorted(caller.name for caller in callers))
        wrong = sorted(set(hooks) - KIND_HOOKS[found.kind]) if found.kind in KIND_HOOKS else []
        if wrong:
            raise ConfigError(
                f"plugins: {found.name} ({found.distribution}) is a {found.kind} and may not implement {wrong[0]}."
            )
        self.loaded.append(Loaded(found.name, found.kind, plugin, found.distribution, found.version, hooks))

    def _check_pending(self) -> None:
        try:
            self._manager.check_pending()
        except pluggy.PluginValidationError as error:
            raise ConfigError(f"plugins: {error}") from None


def build(found: Found, section: Any, shared: Mapping[str, Any] = MappingProxyType({})) -> object:
    """Build a plugin with its own section, checked by its own schema.

    Raises:
        ConfigError: the section does not fit, or the plugin takes none.
    """
    schema: type[Schema] | None = getattr(found.factory, "settings", None)
    if schema is None:
        if section is not None:
            raise ConfigError(f"{found.name}: this plugin takes no settings.")
        return found.factory()
    try:
        known = {name: value for name, value in shared.items() if name in schema().fields}
        return found.factory(schema().load({**known, **section} if isinstance(section, dict) else section or known))
    except ValidationError as error:
        raise ConfigError(f"{found.name}: {describe(error, schema)}") from None


def describe(error: ValidationError, schema: type[Schema]) -> str:
    """A validation error as one sentence that names the key."""
    name, said = first_message(error)
    if said == ["Unknown field."]:
        return f"{name}: unknown key.{meant(str(name), schema().fields)}"
    return f"{name}: {said[0] if isinstance(said, list) else said}"


def _opt_in(implementation: pluggy.HookImpl) -> Callable[..., Any]:
    """Call an implementation with the arguments that it names."""
    names = implementation.argnames

    def call(**given: Any) -> Any:
        return implementation.function(*(given[name] for name in names))

    return call


def _distribution(point: EntryPoint) -> str:
    return re.sub(r"[-_.]+", "-", point.dist.name).lower() if point.dist else "?"
