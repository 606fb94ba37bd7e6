"""The configuration: YAML and environment in, one frozen value out; every mistake named with file, line and key.

The YAML is the one that people bring from LiteLLM: ``model_list``, ``general_settings``, ``litellm_settings``,
``router_settings``; beside them ``plugins``, ``pricing`` and one section per plugin. A string ``os.environ/NAME``
stands for an environment variable, and an unset one stops startup.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from importlib import resources
from itertools import chain, count
from pathlib import Path
from typing import Any, ClassVar

import yaml
from marshmallow import INCLUDE, Schema, ValidationError, fields, validate

from gateway.call import Deployment
from gateway.catalog import BOOKS
from gateway.errors import ConfigError
from gateway.plugins import EVERYTHING, first_message
from gateway.provider import Provider
from gateway.secret import Secret, SecretField
from gateway.watch import Timeouts

ENVIRONMENT = "os.environ/"

Path_ = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """A YAML text as plain values, and the line on which each of them stands."""

    name: str
    value: dict[str, Any]
    lines: Mapping[Path_, int]

    def error(self, path: Path_, text: str) -> ConfigError:
        """An error that names file, line and key."""
        line = next((self.lines[path[:end]] for end in range(len(path), -1, -1) if path[:end] in self.lines), 1)
        where = dotted(path)
        return ConfigError(f"{self.name}:{line}: {where}{': ' if where else ''}{text}")


@dataclass(frozen=True)
class ModelEntry:
    """One item of ``model_list``, its environment variables filled in, not yet understood by a provider.

    Attributes:
        path: where its parameters stand in the file.
    """

    index: int
    path: Path_
    model_name: str
    provider: str
    upstream: str
    params: Mapping[str, Any]
    info: Mapping[str, Any]


@dataclass(frozen=True)
class Config:
    """Everything that the operator says.

    Attributes:
        models: the items of ``model_list``.
        master_key: None when none is configured and the environment has none.
        forward_headers: whether the client's beta header and those in ``forwarded_headers`` travel.
        refuse_unknown: fields that nobody knows are refused instead of passed.
        drop_params: what a host or a missing package cannot serve is left out and named, instead of refused.
        plugins: names of plugins that are let in; ``*`` lets all in.
        book: the price book.
        sections: the section of each plugin, unchecked.
        warnings: keys that have no effect here.
    """

    document: Document
    models: tuple[ModelEntry, ...] = ()
    master_key: Secret | None = None
    forward_headers: bool = False
    forwarded_headers: tuple[str, ...] = ()
    refuse_unknown: bool = False
    drop_params: bool = False
    max_body: int = 32 * 1024 * 1024
    timeouts: Timeouts = field(default_factory=Timeouts)
    ca: str | None = None
    proxy: str | None = None
    plugins: tuple[str, ...] = (EVERYTHING,)
    book: str = BOOKS[0]
    sections: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class _Strict(Schema):
    """A section whose unknown keys are mistakes unless the migration list knows them."""

    class Meta:
        unknown = INCLUDE


class _General(_Strict):
    master_key = SecretField(allow_none=True)
    forward_client_headers_to_llm_api = fields.Bool()
    forwarded_headers = fields.List(fields.Str())
    unknown_params = fields.Str(validate=validate.OneOf(["pass", "refuse"]))
    max_request_size_mb = fields.Float(validate=validate.Range(min=0, min_inclusive=False))
    ca_bundle = fields.Str()
    proxy = fields.Str()


class _LiteLLM(_Strict):
    drop_params = fields.Bool()


class _Router(_Strict):
    connect_timeout = fields.Float(validate=validate.Range(min=0, min_inclusive=False))
    first_byte_timeout = fields.Float(validate=validate.Range(min=0, min_inclusive=False))
    idle_timeout = fields.Float(validate=validate.Range(min=0, min_inclusive=False))
    timeout = fields.Float(validate=validate.Range(min=0, min_inclusive=False))
    keepalive_interval = fields.Float(validate=validate.Range(min=0, max=15, min_inclusive=False))


class _Pricing(_Strict):
    book = fields.Str(validate=validate.OneOf(BOOKS))


class _Params(_Strict):
    """What a deployment may say whatever its provider is."""

    model = fields.Str(required=True)
    base_model = fields.Str()
    weight = fields.Float(validate=validate.Range(min=0, min_inclusive=False))
    input_cost_per_token = fields.Raw()
    output_cost_per_token = fields.Raw()
    cache_creation_input_token_cost = fields.Raw()
    cache_creation_input_token_cost_above_1hr = fields.Raw()
    cache_read_input_token_cost = fields.Raw()


class _Info(_Strict):
    id = fields.Str()
    base_model = fields.Str()


class _Model(_Strict):
    model_name = fields.Str(required=True, validate=validate.Length(min=1))
    litellm_params = fields.Dict(keys=fields.Str())
    params = fields.Dict(keys=fields.Str())
    model_info = fields.Dict(keys=fields.Str())


SECTIONS: Mapping[str, type[_Strict]] = {
    "general_settings": _General,
    "litellm_settings": _LiteLLM,
    "router_settings": _Router,
    "pricing": _Pricing,
}
_OTHER_SECTIONS = ("model_list", "plugins")


def load(path: str | os.PathLike[str], environ: Mapping[str, str] = os.environ) -> Config:
    """Read a configuration file.

    Raises:
        ConfigError: what is wrong with it, with file, line and key.
    """
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    return parse(text, str(path), environ)


def parse(text: str, name: str = "config", environ: Mapping[str, str] = os.environ) -> Config:
    """Read a configuration from a text; ``name`` stands for the file in errors."""
    return _Reader(read_yaml(text, name, environ), environ).config()


def read_yaml(text: str, name: str, environ: Mapping[str, str]) -> Document:
    """YAML as plain values with their lines, environment variables filled in."""
    try:
        return _Yaml(name, environ).document(yaml.compose(text, Loader=yaml.CSafeLoader))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{name}:{line}: no valid YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}:1: no valid YAML: {error}") from None
    except RecursionError:
        raise ConfigError(f"{name}:1: nested too deep, or an anchor that holds itself.") from None


@dataclass(frozen=True)
class _Unset:
    """An environment variable that is not set, kept until it is known which model wanted it."""

    name: str


class _Yaml:
    """Walks YAML's own tree, because only that knows the lines."""

    def __init__(self, name: str, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._lines: dict[Path_, int] = {}
        self._errors = Document(name, {}, self._lines)
        self._scalars = yaml.constructor.SafeConstructor()

    def document(self, node: yaml.Node | None) -> Document:
        value: Any = None
        if node is not None:
            self._refuse_twice(node, (), set())
            value = self._plain(node, ())
        value = {} if value is None else value
        if not isinstance(value, dict):
            raise self._errors.error((), "the file has to be a mapping of sections.")
        return Document(self._errors.name, value, self._lines)

    def _refuse_twice(self, node: yaml.Node, path: Path_, seen: set[int]) -> None:
        """Refuse a key that stands twice in one mapping; later on what is merged in would look the same."""
        if id(node) in seen:
            return
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self._refuse_twice(item, (*path, index), seen)
        elif isinstance(node, yaml.MappingNode):
            for key_node, value_node in node.value:
                inner = (*path, str(key_node.value))
                again = inner in self._lines
                self._lines[inner] = key_node.start_mark.line + 1
                if again:
                    raise self._errors.error(inner, "given twice.")
                self._refuse_twice(value_node, inner, seen)

    def _plain(self, node: yaml.Node, path: Path_) -> Any:
        self._lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._plain(item, (*path, index)) for index, item in enumerate(node.value)]
        try:
            value = self._scalars.construct_object(node)
        except (ValueError, KeyError, AttributeError):  # what a date of month 13 and a `!!bool maybe` raise
            raise self._errors.error(path, f"{node.value!r} cannot be read as what it claims to be.") from None
        return self._from_environment(value, path) if isinstance(value, str) else value

    def _mapping(self, node: yaml.MappingNode, path: Path_) -> dict[str, Any]:
        self._scalars.flatten_mapping(node)  # what `<<: *anchor` brings in
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            self._lines[(*path, key)] = key_node.start_mark.line + 1
            mapping[key] = self._plain(value_node, (*path, key))
        if path[:1] == ("model_list",) and len(path) == 2:  # noqa: PLR2004 - an item of the list
            self._refuse_unset(mapping, path)
        return mapping

    def _from_environment(self, value: str, path: Path_) -> Any:
        if not value.startswith(ENVIRONMENT):
            return value
        name = value.removeprefix(ENVIRONMENT)
        if self._environ.get(name, "").strip():
            return self._environ[name]
        if path[:1] == ("model_list",):
            return _Unset(name)
        raise self._errors.error(path, f"environment variable {name} is not set.")

    def _refuse_unset(self, entry: dict[str, Any], path: Path_) -> None:
        """An unset variable would silently become somebody else's account; name the model that wanted it."""
        for place, value in _leaves(entry, path):
            if isinstance(value, _Unset):
                raise self._errors.error(
                    place,
                    f"environment variable {value.name} is not set (needed by model {entry.get('model_name')!r}).",
                )


class _Reader:
    """Turns a document into a configuration; collects warnings on the way."""

    migration: ClassVar[Mapping[str, Sequence[str]]] = tomllib.loads(
        resources.files("gateway").joinpath("migration.toml").read_text("utf-8")
    )

    def __init__(self, document: Document, environ: Mapping[str, str]) -> None:
        self._document = document
        self._environ = environ
        self._no_effect: list[str] = []

    def config(self) -> Config:
        sections = {name: self._section(name, schema) for name, schema in SECTIONS.items()}
        general, router = sections["general_settings"], sections["router_settings"]
        models = tuple(self._models())
        return Config(
            document=self._document,
            models=models,
            master_key=self._master_key(general),
            forward_headers=general.get("forward_client_headers_to_llm_api", False),
            forwarded_headers=self._forwarded(general.get("forwarded_headers", ())),
            refuse_unknown=general.get("unknown_params") == "refuse",
            drop_params=sections["litellm_settings"].get("drop_params", False),
            max_body=int(general.get("max_request_size_mb", 32) * 1024 * 1024),
            timeouts=_timeouts(router),
            ca=general.get("ca_bundle"),
            proxy=general.get("proxy"),
            plugins=self._plugins(),
            book=sections["pricing"].get("book", BOOKS[0]),
            sections=self._plugin_sections(),
            warnings=self._warnings(),
        )

    def _section(self, name: str, schema: type[_Strict]) -> dict[str, Any]:
        value = self._document.value.get(name)
        return self._checked(schema, {} if value is None else value, (name,), name)

    def _checked(self, schema: type[_Strict], value: Any, path: Path_, known_as: str) -> dict[str, Any]:
        """A section by its schema; what the schema does not know is a migration key or a mistake."""
        if not isinstance(value, dict):
            raise self._document.error(path, "has to be a mapping.")
        self._note_unknown(schema().fields, value, path, known_as)
        try:
            return dict(schema().load(value))
        except ValidationError as error:
            raise self._invalid(error, path) from None

    def _invalid(self, error: ValidationError, path: Path_) -> ConfigError:
        name, said = first_message(error)
        while isinstance(said, dict):  # an item of a list
            path = (*path, name)
            name, said = next(iter(said.items()))
        return self._document.error((*path, name), str(said[0] if isinstance(said, list) else said))

    def _note_unknown(self, known: Mapping[str, Any], value: dict[str, Any], path: Path_, known_as: str) -> None:
        elsewhere = self.migration.get(known_as, ())
        for name in value:
            if name in known:
                continue
            if name not in elsewhere:
                raise self._document.error((*path, name), f"unknown key.{_meant(name, [*known, *elsewhere])}")
            self._no_effect.append(dotted((*path, name)))

    def _models(self) -> Iterator[ModelEntry]:
        models = self._document.value.get("model_list")
        if models is None:
            return
        if not isinstance(models, list):
            raise self._document.error(("model_list",), "has to be a list.")
        for index, value in enumerate(models):
            yield self._model(index, value)

    def _model(self, index: int, value: Any) -> ModelEntry:
        path: Path_ = ("model_list", index)
        entry = self._checked(_Model, value, path, "model")
        if "litellm_params" in entry and "params" in entry:
            raise self._document.error((*path, "params"), "stands beside litellm_params, which says the same.")
        word = "litellm_params" if "litellm_params" in entry else "params"
        params = entry.get(word)
        if params is None:
            raise self._document.error(path, "needs litellm_params (or params) with a model.")
        where = (*path, word, "model")
        provider, slash, upstream = str(params.get("model") or "").partition("/")
        if not (provider and slash and upstream):
            raise self._document.error(where, "has to read provider/model: who serves it, a slash, its name there.")
        if upstream.count("*") > 1 or entry["model_name"].count("*") > 1:
            raise self._document.error(where, "a name may hold one * only.")
        if "*" in upstream and "*" not in entry["model_name"]:
            raise self._document.error(where, f"holds a *, but model_name {entry['model_name']!r} has none to fill it.")
        info = self._checked(_Info, entry.get("model_info") or {}, (*path, "model_info"), "model_info")
        return ModelEntry(index, (*path, word), entry["model_name"], provider, upstream, params, info)

    def _master_key(self, general: Mapping[str, Any]) -> Secret | None:
        key = general.get("master_key")
        if isinstance(key, Secret):
            return key
        usual = (self._environ.get(name, "").strip() for name in ("GATEWAY_MASTER_KEY", "LITELLM_MASTER_KEY"))
        return next((Secret(text) for text in usual if text), None)

    def _forwarded(self, names: Sequence[str]) -> tuple[str, ...]:
        for position, name in enumerate(names):
            if name.lower() in NEVER_FORWARDED or name.lower().startswith(NEVER_FORWARDED_PREFIXES):
                raise self._document.error(
                    ("general_settings", "forwarded_headers", position), f"{name!r} is never forwarded."
                )
        return tuple(name.lower() for name in names)

    def _plugins(self) -> tuple[str, ...]:
        listed = self._document.value.get("plugins", [EVERYTHING])
        if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
            raise self._document.error(("plugins",), "has to be a list of plugin names.")
        return tuple(listed)

    def _plugin_sections(self) -> dict[str, Any]:
        known = {*SECTIONS, *_OTHER_SECTIONS}
        elsewhere = self.migration["sections"]
        self._no_effect += [name for name in self._document.value if name in elsewhere]
        return {
            name: value for name, value in self._document.value.items() if name not in known and name not in elsewhere
        }

    def _warnings(self) -> tuple[str, ...]:
        if not self._no_effect:
            return ()
        return (no_effect(self._document.name, self._no_effect),)


def no_effect(name: str, keys: Sequence[str]) -> str:
    """The one warning about keys that people bring along."""
    return f"{name}: these keys are known from LiteLLM and have no effect here: {', '.join(keys)}."


NEVER_FORWARDED = frozenset(
    {"authorization", "x-api-key", "api-key", "x-litellm-api-key", "cookie", "forwarded", "via", "host", "te",
     "trailer", "upgrade", "connection", "expect", "content-type", "content-encoding", "content-length",
     "transfer-encoding", "accept", "accept-encoding", "keep-alive", "idempotency-key"}
)  # fmt: skip
"""Headers that no operator can let through: credentials, and what describes one hop."""

NEVER_FORWARDED_PREFIXES = ("x-amz-", "x-goog-", "x-forwarded-", "proxy-")
"""The same, by the clouds' own prefixes and those of proxies."""


def deployments(config: Config, providers: Mapping[str, Provider]) -> tuple[list[Deployment], list[str]]:
    """The model list, understood by its providers; and warnings.

    Raises:
        ConfigError: an unknown provider, a setting that its provider does not know.
    """
    made: list[Deployment] = []
    idle: list[str] = []
    seen: set[str] = set()
    for entry in config.models:
        provider = providers.get(entry.provider)
        if provider is None:
            known = ", ".join(sorted(providers)) or "none is installed"
            hint = _meant(entry.provider, providers)
            where = (*entry.path, "model")
            raise config.document.error(where, f"no provider {entry.provider!r} is installed, only: {known}.{hint}")
        made.append(_deployment(config, entry, provider, seen, idle))
    return made, [no_effect(config.document.name, idle)] if idle else []


def _deployment(config: Config, entry: ModelEntry, provider: Provider, seen: set[str], idle: list[str]) -> Deployment:
    path = entry.path
    common = _Params().fields
    reader = _Reader(config.document, {})
    own = {name: value for name, value in entry.params.items() if name not in common}
    known = {**common, **provider.settings().fields}
    reader._note_unknown(known, dict(entry.params), path, "litellm_params")  # noqa: SLF001 - same module, same job
    idle += reader._no_effect  # noqa: SLF001
    shared = reader._checked(_Params, {n: v for n, v in entry.params.items() if n in common}, path, "")  # noqa: SLF001
    try:
        settings = provider.settings().load({n: v for n, v in own.items() if n in provider.settings().fields})
    except ValidationError as error:
        raise reader._invalid(error, path) from None  # noqa: SLF001
    return Deployment(
        id=_unique(str(entry.info.get("id") or f"{entry.provider}/{entry.upstream}"), seen),
        model_name=entry.model_name,
        provider=entry.provider,
        upstream=entry.upstream,
        settings=settings,
        base_model=str(entry.info.get("base_model") or shared.get("base_model") or ""),
        rates=_rates(config.document, path, shared),
        weight=shared.get("weight", 1.0),
        named="*" not in entry.model_name,
    )


def _unique(name: str, seen: set[str]) -> str:
    numbered = (f"{name}#{number}" for number in count(2))
    free = next(one for one in chain([name], numbered) if one not in seen)
    seen.add(free)
    return free


_RATE_KEYS = {
    "input": "input_cost_per_token",
    "cache_write_5m": "cache_creation_input_token_cost",
    "cache_write_1h": "cache_creation_input_token_cost_above_1hr",
    "cache_read": "cache_read_input_token_cost",
    "output": "output_cost_per_token",
}


def _rates(document: Document, path: Path_, params: Mapping[str, Any]) -> dict[str, Decimal] | None:
    """The operator's own prices, per million; a kind without a price costs what fresh input costs, never less."""
    given = {kind: key for kind, key in _RATE_KEYS.items() if params.get(key) is not None}
    if not given:
        return None
    for kind in ("input", "output"):
        if kind not in given:
            raise document.error(path, f"own prices need {_RATE_KEYS[kind]} too.")
    prices = {kind: _price(document, (*path, key), params[key]) * 1_000_000 for kind, key in given.items()}
    return {kind: prices.get(kind, prices["input"]) for kind in _RATE_KEYS}


def _price(document: Document, path: Path_, value: Any) -> Decimal:
    try:
        price = Decimal(str(value))
    except InvalidOperation:
        price = Decimal("nan")
    if not price.is_finite() or price < 0:
        raise document.error(path, "a price has to be a number of US dollars per token, not negative.")
    return price


def _timeouts(router: Mapping[str, float]) -> Timeouts:
    defaults = Timeouts()
    return Timeouts(
        connect=router.get("connect_timeout", defaults.connect),
        first_byte=router.get("first_byte_timeout", defaults.first_byte),
        idle=router.get("idle_timeout", defaults.idle),
        total=router.get("timeout", defaults.total),
        keepalive=router.get("keepalive_interval", defaults.keepalive),
    )


def _leaves(value: Any, path: Path_) -> Iterator[tuple[Path_, Any]]:
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        yield path, value
        return
    for key, item in items:
        yield from _leaves(item, (*path, key))


def dotted(path: Path_) -> str:
    """A path as people write it: ``model_list[0].litellm_params.model``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _meant(name: str, known: Any) -> str:
    near = get_close_matches(name, list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
