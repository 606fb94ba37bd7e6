"""The model list, understood by its providers: what stands in the configuration becomes places to send calls to."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from itertools import chain, count
from typing import Any

from marshmallow import ValidationError, fields, validate

from gateway.call import Deployment
from gateway.config import Config, ModelEntry
from gateway.document import Checker, Document, Place, Strict, meant
from gateway.provider import Provider


class _Params(Strict):
    """What a deployment may say whatever its provider is."""

    model = fields.Str(required=True)
    base_model = fields.Str()
    weight = fields.Float(validate=validate.Range(min=0, min_inclusive=False))
    lacks = fields.List(fields.Str())
    input_cost_per_token = fields.Raw()
    output_cost_per_token = fields.Raw()
    cache_creation_input_token_cost = fields.Raw()
    cache_creation_input_token_cost_above_1hr = fields.Raw()
    cache_read_input_token_cost = fields.Raw()


class Deployments:
    """Reads the model list.

    Args:
        config: where it stands.
        providers: by name; each knows its own settings.

    Attributes:
        warnings: what the operator should know, though it stops nothing.
    """

    def __init__(self, config: Config, providers: Mapping[str, Provider]) -> None:
        self._config = config
        self._providers = providers
        self._check = Checker(config.document)
        self._ids: set[str] = set()
        self._assumed: list[str] = []

    def read(self) -> list[Deployment]:
        """Every deployment, in the order of the list.

        Raises:
            ConfigError: an unknown provider, a setting that its provider does not know.
        """
        return [self._deployment(entry, self._provider(entry)) for entry in self._config.models]

    @property
    def warnings(self) -> tuple[str, ...]:
        """Keys without effect, prices that had to be assumed."""
        return (*self._check.warnings(), *self._assumed)

    def _provider(self, entry: ModelEntry) -> Provider:
        provider = self._providers.get(entry.provider)
        if provider is None:
            known = ", ".join(sorted(self._providers)) or "none"
            hint = meant(entry.provider, self._providers)
            where = (*entry.path, "model")
            raise self._config.document.error(
                where, f"no provider {entry.provider!r} is installed, only: {known}.{hint}"
            )
        return provider

    def _deployment(self, entry: ModelEntry, provider: Provider) -> Deployment:
        common, own = _Params().fields, provider.settings().fields
        self._check.note_unknown({**common, **own}, entry.params, entry.path, "litellm_params")
        shared = self._check.checked(_Params, _only(entry.params, common), entry.path, "")
        try:
            settings = provider.settings().load(_only(entry.params, own))
        except ValidationError as error:
            raise self._check.invalid(error, entry.path) from None
        shown = provider.public_name(entry.upstream)
        return Deployment(
            id=self._unique(str(entry.info.get("id") or f"{entry.provider}/{shown}")),
            model_name=entry.model_name,
            provider=entry.provider,
            upstream=entry.upstream,
            settings=settings,
            base_model=str(entry.info.get("base_model") or shared.get("base_model") or ""),
            rates=self._rates(entry, shared),
            weight=shared.get("weight", 1.0),
            named="*" not in entry.model_name,
            lacks=frozenset(shared.get("lacks", ())),
            public_name=shown,
        )

    def _unique(self, name: str) -> str:
        numbered = (f"{name}#{number}" for number in count(2))
        free = next(one for one in chain([name], numbered) if one not in self._ids)
        self._ids.add(free)
        return free

    def _rates(self, entry: ModelEntry, params: Mapping[str, Any]) -> dict[str, Decimal] | None:
        """The operator's own prices, per million; a kind without one costs what fresh input costs, and that is said."""
        document = self._config.document
        given = {kind: key for kind, key in _RATE_KEYS.items() if params.get(key) is not None}
        if not given:
            return None
        for kind in ("input", "output"):
            if kind not in given:
                raise document.error(entry.path, f"own prices need {_RATE_KEYS[kind]} too.")
        prices = {kind: _price(document, (*entry.path, key), params[key]) * 1_000_000 for kind, key in given.items()}
        missing = [key for kind, key in _RATE_KEYS.items() if kind not in given]
        if missing:
            self._assumed.append(
                f"{entry.model_name}: own prices without {', '.join(missing)}; these tokens cost what input costs."
            )
        return {kind: prices.get(kind, prices["input"]) for kind in _RATE_KEYS}


def _only(params: Mapping[str, Any], names: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if name in names}


DEAREST = 1000
"""US dollars for one token; whoever says more has mistaken the unit."""

_RATE_KEYS = {
    "input": "input_cost_per_token",
    "cache_write_5m": "cache_creation_input_token_cost",
    "cache_write_1h": "cache_creation_input_token_cost_above_1hr",
    "cache_read": "cache_read_input_token_cost",
    "output": "output_cost_per_token",
}


def _price(document: Document, path: Place, value: Any) -> Decimal:
    try:
        price = Decimal(str(value))
    except InvalidOperation:
        price = Decimal(-1)
    if not price.is_finite() or not 0 <= price <= DEAREST:
        raise document.error(path, "a price has to be a number of US dollars per token, not negative.")
    return price
