"""The model list: every name that a key may ask for, where it is served, what it can do there and what it costs."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, time
from typing import Any

from gateway.call import Deployment, Principal
from gateway.capability import Capabilities
from gateway.catalog import Catalog, ModelRow
from gateway.errors import InvalidRequest
from gateway.pricing import Rates
from gateway.routing import Routing

MOST = 1000
"""Models on one page at most (Models API reference, "List models")."""


class Listing:
    """Describes models in one shape that the clients of both APIs parse.

    Args:
        routing: which names there are.
        catalog: what is known of them.
        capabilities: what each deployment can do.
    """

    def __init__(self, routing: Routing, catalog: Catalog, capabilities: Capabilities) -> None:
        self._routing = routing
        self._catalog = catalog
        self._capabilities = capabilities

    def page(self, who: Principal, query: Mapping[str, str]) -> dict[str, Any]:
        """One page of what a key may ask for.

        Raises:
            InvalidRequest: the limit is no number from 1 to 1000, or an end of the page is a model that is not there.
        """
        names, more = _page([*self._names(who)], query)
        first, last = (names[0], names[-1]) if names else (None, None)
        data = [self.one(name, who) for name in names]
        return {"object": "list", "data": data, "has_more": more, "first_id": first, "last_id": last}

    def one(self, name: str, who: Principal) -> dict[str, Any]:
        """One model.

        Raises:
            UnknownModel, Forbidden: there is none of this name, or none for this key.
        """
        deployments = self._routing.deployments(name, who)
        rows = [row for row in map(self._row, deployments) if row]
        created = next((datetime.combine(row.created, time(), UTC) for row in rows if row.created), EPOCH)
        return {
            "id": name,
            "object": "model",
            "type": "model",
            "created": int(created.timestamp()),
            "created_at": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "owned_by": deployments[0].provider,
            "display_name": next((row.name for row in rows if row.name), name),
            "max_input_tokens": min((row.window for row in rows if row.window), default=None),
            "max_tokens": min((row.max_output for row in rows if row.max_output), default=None),
            "deployments": [self._place(one, who) for one in deployments],
        }

    def _names(self, who: Principal) -> Iterator[str]:
        names = dict.fromkeys([*self._routing.names, *self._through_wildcards()])
        return (name for name in names if who.permissions.allow_model(name))

    def _through_wildcards(self) -> Iterator[str]:
        """Names that a wildcard leads to a model that the catalog knows."""
        for deployment in self._routing.wildcards:
            head, _, tail = deployment.upstream.partition("*")
            for row in self._catalog.models(deployment.provider):
                upstream = _spelled(row)
                if len(upstream) > len(head + tail) and upstream.startswith(head) and upstream.endswith(tail):
                    star = upstream[len(head) : len(upstream) - len(tail)]
                    yield deployment.model_name.replace("*", star)

    def _place(self, deployment: Deployment, who: Principal) -> dict[str, Any]:
        row = self._row(deployment)
        grants = self._capabilities.grants(deployment)
        return {
            "id": deployment.id,
            "provider": deployment.provider,
            "upstream_model": deployment.shown,
            "max_input_tokens": row.window or None if row else None,
            "max_tokens": row.max_output or None if row else None,
            "capabilities": {
                name: [*grant.values] or True
                for name, grant in sorted(grants.items())
                if who.permissions.allow_capability(name)
            },
            "prices": _prices(deployment, row),
        }

    def _row(self, deployment: Deployment) -> ModelRow | None:
        return self._catalog.model(deployment.provider, deployment.priced_as)


EPOCH = datetime.fromtimestamp(0, UTC)
"""The day of a model whose day nobody knows."""


def _spelled(row: ModelRow) -> str:
    """A host's name for a model that is no pattern; its canonical id where that is one; empty when there is none."""
    spelled = [name for name in row.upstream if "*" not in name]
    if row.id in spelled or (not spelled and row.covers(row.provider, row.id)):
        return row.id
    return next(iter(spelled), "")


def _prices(deployment: Deployment, row: ModelRow | None) -> dict[str, Any] | None:
    """US dollars for a million tokens, before the factors of features; None where nobody knows."""
    if deployment.rates is not None:
        rates = Rates(deployment.priced_as, deployment.rates, source="the operator's configuration")
    elif row is not None:
        rates = row.priced()
    else:
        return None
    return {
        "currency": "USD",
        "per_million_tokens": _amounts(rates.prices),
        "above": [{"prompt_tokens": above, "per_million_tokens": _amounts(prices)} for above, prices in rates.tiers],
        "source": rates.source,
    }


def _amounts(prices: Mapping[str, Any]) -> dict[str, str]:
    return {kind: f"{price.normalize():f}" for kind, price in prices.items()}


def _page(names: Sequence[str], query: Mapping[str, str]) -> tuple[Sequence[str], bool]:
    """The Messages API's paging; without a limit everything comes at once, as OpenAI's clients expect."""
    for end in ("after_id", "before_id"):
        if end in query and query[end] not in names:
            raise InvalidRequest(f"{end}: there is no model {query[end]!r}.", param=end)
    if "after_id" in query:
        names = names[names.index(query["after_id"]) + 1 :]
    if query.get("before_id") in names:
        names = names[: names.index(query["before_id"])]
    limit = query.get("limit", "")
    if not limit:
        return names, False
    if not limit.isascii() or not limit.isdigit() or not 1 <= int(limit) <= MOST:
        raise InvalidRequest(f"limit: has to be a number from 1 to {MOST}.", param="limit")
    return names[: int(limit)], len(names) > int(limit)
