"""The configuration: YAML and environment in, one frozen value out; every mistake named with file, line and key.

The YAML is the one that people bring from LiteLLM: ``model_list``, ``general_settings``, ``litellm_settings``,
``router_settings``; beside them ``plugins``, ``pricing`` and one section per plugin. A string ``os.environ/NAME``
stands for an environment variable, and an unset one stops startup.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from marshmallow import fields, validate

from gateway.address import HttpUrl
from gateway.attachment import Patience
from gateway.catalog import BOOKS
from gateway.document import Checker, Document, Place, Strict, read_yaml
from gateway.errors import ConfigError
from gateway.params import Dialect
from gateway.plugins import EVERYTHING
from gateway.secret import Secret, SecretField
from gateway.watch import Timeouts

CONFIG_VARIABLE = "GATEWAY_CONFIG"
"""The environment variable that names the configuration file where no argument does."""


@dataclass(frozen=True)
class ModelEntry:
    """One item of ``model_list``, its environment variables filled in, not yet understood by a provider.

    Attributes:
        path: where its parameters stand in the file.
    """

    index: int
    path: Place
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
        admin_address: where the operator's views are served apart from everything else; empty: beside it.
        show_upstream_details: clients see hosts, accounts and projects in what a host says.
        fetch_urls: images and documents behind a URL are fetched for hosts that take bytes only.
        fetch: how much is fetched for one request at most.
        drop_params: what a host or a missing package cannot serve is left out and named, instead of refused.
        plugins: names of plugins that are let in; ``*`` lets all in.
        book: the price book.
        sections: the section of each plugin, unchecked.
        shared: general settings that a plugin gets when it knows the key and its own section does not say.
        warnings: keys that have no effect here.
    """

    document: Document
    models: tuple[ModelEntry, ...] = ()
    master_key: Secret | None = None
    forward_headers: bool = False
    forwarded_headers: tuple[str, ...] = ()
    refuse_unknown: bool = False
    drop_params: bool = False
    show_upstream_details: bool = False
    admin_address: str = ""
    fetch_urls: bool = False
    fetch: Patience = field(default_factory=Patience)
    max_body: int = 32 * 1024 * 1024
    timeouts: Timeouts = field(default_factory=Timeouts)
    ca: str | None = None
    proxy: str | None = None
    plugins: tuple[str, ...] = (EVERYTHING,)
    book: str = BOOKS[0]
    sections: Mapping[str, Any] = field(default_factory=dict)
    shared: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class _General(Strict):
    master_key = SecretField(allow_none=True)
    forward_client_headers_to_llm_api = fields.Bool()
    forwarded_headers = fields.List(fields.Str())
    unknown_params = fields.Str(validate=validate.OneOf(["pass", "refuse"]))
    max_request_size_mb = fields.Float(validate=validate.Range(min=0, min_inclusive=False))
    ca_bundle = fields.Str()
    proxy = HttpUrl()
    database_url = SecretField()
    show_upstream_details = fields.Bool()
    admin_address = fields.Str(validate=validate.Regexp(r"^(unix:/.+|\[[0-9a-fA-F:]+\]:\d{1,5}|[\w.-]+:\d{1,5})$"))
    fetch_urls = fields.Bool()
    fetch_max_mb = fields.Float(validate=validate.Range(min=0, max=32, min_inclusive=False))
    fetch_timeout = fields.Float(validate=validate.Range(min=0, max=60, min_inclusive=False))


class _LiteLLM(Strict):
    drop_params = fields.Bool()


PATIENCE = validate.Range(min=0, max=86_400, min_inclusive=False)
"""Seconds, up to a day: what sockets can be told."""


class _Router(Strict):
    connect_timeout = fields.Float(validate=PATIENCE)
    first_byte_timeout = fields.Float(validate=PATIENCE)
    idle_timeout = fields.Float(validate=PATIENCE)
    timeout = fields.Float(validate=PATIENCE)
    write_timeout = fields.Float(validate=PATIENCE)
    keepalive_interval = fields.Float(validate=validate.Range(min=0, max=15, min_inclusive=False))


class _Pricing(Strict):
    book = fields.Str(validate=validate.OneOf(BOOKS))


class _Info(Strict):
    id = fields.Str()
    base_model = fields.Str()


class _Model(Strict):
    model_name = fields.Str(required=True, validate=validate.Length(min=1))
    litellm_params = fields.Dict(keys=fields.Str())
    params = fields.Dict(keys=fields.Str())
    model_info = fields.Dict(keys=fields.Str())


SHARED = ("database_url",)
"""General settings that are the plugins'."""

SECTIONS: Mapping[str, type[Strict]] = {
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


class _Reader:
    """Turns a document into a configuration; each section is checked on the way."""

    def __init__(self, document: Document, environ: Mapping[str, str]) -> None:
        self._document = document
        self._environ = environ
        self._check = Checker(document)

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
            admin_address=general.get("admin_address", ""),
            show_upstream_details=general.get("show_upstream_details", False),
            fetch_urls=general.get("fetch_urls", False),
            fetch=_patience(general),
            max_body=int(general.get("max_request_size_mb", 32) * 1024 * 1024),
            timeouts=_timeouts(router),
            ca=self._ca(general),
            proxy=general.get("proxy"),
            plugins=self._plugins(),
            book=sections["pricing"].get("book", BOOKS[0]),
            sections=self._plugin_sections(),
            shared={name: general[name] for name in SHARED if name in general},
            warnings=self._check.warnings(),
        )

    def _section(self, name: str, schema: type[Strict]) -> dict[str, Any]:
        value = self._document.value.get(name)
        return self._check.checked(schema, {} if value is None else value, (name,), name)

    def _models(self) -> Iterator[ModelEntry]:
        models = self._document.value.get("model_list")
        if models is None:
            return
        if not isinstance(models, list):
            raise self._document.error(("model_list",), "has to be a list.")
        for index, value in enumerate(models):
            yield self._model(index, value)

    def _model(self, index: int, value: Any) -> ModelEntry:
        path: Place = ("model_list", index)
        entry = self._check.checked(_Model, value, path, "model")
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
        info = self._check.checked(_Info, entry.get("model_info") or {}, (*path, "model_info"), "model_info")
        return ModelEntry(index, (*path, word), entry["model_name"], provider, upstream, params, info)

    def _master_key(self, general: Mapping[str, Any]) -> Secret | None:
        key = general.get("master_key")
        if isinstance(key, Secret):
            return key
        usual = (self._environ.get(name, "").strip() for name in ("GATEWAY_MASTER_KEY", "LITELLM_MASTER_KEY"))
        return next((Secret(text) for text in usual if text), None)

    def _ca(self, general: Mapping[str, Any]) -> str | None:
        path: str | None = general.get("ca_bundle")
        if path is not None and not Path(path).exists():
            raise self._document.error(("general_settings", "ca_bundle"), f"there is no file {path!r}.")
        return path

    def _forwarded(self, names: Sequence[str]) -> tuple[str, ...]:
        for position, name in enumerate(names):
            if name.lower() in OWN_HEADERS | NEVER_FORWARDED or name.lower().startswith(NEVER_FORWARDED_PREFIXES):
                raise self._document.error(
                    ("general_settings", "forwarded_headers", position), f"{name!r} is never forwarded."
                )
        return tuple(name.lower() for name in names)

    def _plugins(self) -> tuple[str, ...]:
        listed = self._document.value.get("plugins")
        if listed is None:
            return (EVERYTHING,)
        if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
            raise self._document.error(("plugins",), "has to be a list of plugin names.")
        return tuple(listed)

    def _plugin_sections(self) -> dict[str, Any]:
        known = {*SECTIONS, *_OTHER_SECTIONS}
        elsewhere = self._check.migration["sections"]
        self._check.no_effect += [name for name in self._document.value if name in elsewhere]
        return {
            name: value for name, value in self._document.value.items() if name not in known and name not in elsewhere
        }


NEVER_FORWARDED = frozenset(
    {"authorization", "x-api-key", "api-key", "x-litellm-api-key", "cookie", "forwarded", "via", "host", "te",
     "trailer", "upgrade", "connection", "expect", "content-type", "content-encoding", "content-length",
     "transfer-encoding", "accept", "accept-encoding", "keep-alive", "idempotency-key"}
)  # fmt: skip
"""Headers that no operator can let through: credentials, and what describes one hop."""

OWN_HEADERS = frozenset({Dialect.load().version_header, Dialect.load().betas_header})
"""Headers of the dialect, which travel by rules of their own."""

NEVER_FORWARDED_PREFIXES = ("x-amz", "x-goog-", "x-forwarded-", "proxy-")
"""The same, by the clouds' own prefixes and those of proxies."""


def _patience(general: Mapping[str, float]) -> Patience:
    usual = Patience()
    size, seconds = general.get("fetch_max_mb"), general.get("fetch_timeout")
    return replace(
        usual,
        size=usual.size if size is None else int(size * 1024 * 1024),
        seconds=usual.seconds if seconds is None else seconds,
    )


def _timeouts(router: Mapping[str, float]) -> Timeouts:
    defaults = Timeouts()
    return Timeouts(
        connect=router.get("connect_timeout", defaults.connect),
        first_byte=router.get("first_byte_timeout", defaults.first_byte),
        idle=router.get("idle_timeout", defaults.idle),
        total=router.get("timeout", defaults.total),
        write=router.get("write_timeout", defaults.write),
        keepalive=router.get("keepalive_interval", defaults.keepalive),
    )
