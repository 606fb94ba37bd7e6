"""The explanation: what would become of a request, where and why, told without sending anything.

It takes a request's own way through the corridor as far as the encoded request and its price, and asks the same parts;
it decides nothing itself. Admission is left out: to ask for a budget is to take a piece of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from gateway import strictjson
from gateway.attempts import Prepared
from gateway.call import MANNERS, Call, Deployment, LeftOut, Need, Principal, new_id
from gateway.errors import GatewayError, InvalidRequest, UnsupportedCapability
from gateway.estimate import prompt_tokens
from gateway.ledger import line_dict
from gateway.pipeline import Pipeline
from gateway.pricing import dollars
from gateway.surface import Surface
from gateway.usage import Usage

LONG: Mapping[str, str] = {"messages": "turn", "system": "block", "tools": "tool"}
"""Fields that are told by their size unless everything is wanted, and what they are lists of."""

PLAIN_HEADERS = ("content-type", "accept")
"""Headers of any encoded request that every key may see, beside the dialect's own and those that it sent itself."""


def surface_of(name: str, surfaces: Iterable[Surface]) -> Surface:
    """The surface of a name.

    Raises:
        InvalidRequest: there is none; the message lists those that there are.
    """
    known = {surface.name: surface for surface in surfaces}
    if name not in known:
        raise InvalidRequest(f"surface: there is no {name!r}, only: {', '.join(sorted(known))}.", param="surface")
    return known[name]


@dataclass(frozen=True)
class Place:
    """What would become of a call at one of its deployments: ready to be sent, or why not."""

    deployment: Deployment
    ready: Prepared | None = None
    error: GatewayError | None = None


class Explanation:
    """Explains the requests of one client.

    Args:
        pipeline: the corridor that would serve them.
        surface: whose words their bodies are in.
        principal: who asks; only an operator is shown where the hosts are.
        headers: what the client sends beside the body, names in lower case.
        full: show prompts too, instead of their size.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        surface: Surface,
        principal: Principal,
        headers: Mapping[str, str],
        *,
        full: bool = False,
    ) -> None:
        self._pipeline = pipeline
        self._surface = surface
        self._principal = principal
        self._headers = headers
        self._full = full
        self._owners = pipeline.claims.owners

    def of(self, asked: dict[str, Any]) -> dict[str, Any]:
        """What would become of a body: JSON-ready, amounts as decimal strings.

        Raises:
            UnknownModel, Forbidden: there is no deployment of its model, or none for this key.
        """
        model, stream = asked.get("model"), asked.get("stream")
        head = {
            "surface": self._surface.name,
            "model": model if isinstance(model, str) else None,
            "stream": stream is True,
        }
        try:
            call = self._pipeline.describe(new_id(), self._principal, self._surface, "create", asked, self._headers)
        except GatewayError as error:
            return head | self._said(self._refusal(error), (), (), ()) | {"deployments": []}
        return head | self._way(call)

    def _way(self, described: Call) -> dict[str, Any]:
        """From a described call to all of its deployments."""
        deployments = self._pipeline.routing.deployments(described.model, self._principal)
        call, places, error = self._tried(described, deployments)
        weights = {place.deployment.id: place.deployment.weight for place in places if place.ready}
        shares = {name: round(weight / sum(weights.values()), 4) for name, weight in weights.items()}
        return {
            **self._said(self._refusal(error, described.needs), described.needs, call.left_out, call.unread),
            "deployments": [self._told(call, place, shares.get(place.deployment.id)) for place in places],
        }

    def _tried(self, call: Call, deployments: Sequence[Deployment]) -> tuple[Call, list[Place], GatewayError | None]:
        """The call as far as it gets, each of its places, and the error if it fits none of them."""
        places: list[Place] = []
        try:
            call, candidates = self._pipeline.route(call)
            while True:
                places = [self._place(call, one) for one in deployments]
                if any(place.ready for place in places):
                    return call, places, None
                here = {place.deployment.id: place.error for place in places if place.deployment in candidates}
                call = self._pipeline.attempts.relented(call, {name: one for name, one in here.items() if one})
        except GatewayError as error:
            refused = [Place(one, error=self._place(call, one).error or error) for one in deployments]
            return call, places or refused, error

    def _place(self, call: Call, deployment: Deployment) -> Place:
        try:
            return Place(deployment, self._pipeline.attempts.fit(call, deployment))
        except GatewayError as error:
            return Place(deployment, error=error)

    def _told(self, call: Call, place: Place, share: float | None) -> dict[str, Any]:
        ready, deployment = place.ready, place.deployment
        here = ready.call if ready else call
        needs = [need for need in here.needs if need not in call.needs]
        left_out = [one for one in here.left_out if one not in call.left_out]
        return {
            "deployment": deployment.id,
            "provider": deployment.provider,
            "upstream_model": deployment.shown,
            "share": share,
            **self._said(self._refusal(place.error, call.needs), needs, left_out, ()),
            "request": self._request(ready) if ready else None,
            "estimate": self._estimate(ready) if ready else None,
        }

    def _said(
        self,
        refusal: dict[str, Any] | None,
        needs: Iterable[Need],
        left_out: Iterable[LeftOut],
        unread: Iterable[str],
    ) -> dict[str, Any]:
        """What an explanation says of a request, and of each of its places."""
        gone = [*left_out]
        return {
            "refused": refusal,
            "needs": [
                {"capability": capability, "param": param, "plugin": self._owner(claim)}
                for capability, param, claim in dict.fromkeys((one.capability, one.param, one.claim) for one in needs)
            ],
            **{
                manner.replace("-", "_"): [self._note(one) for one in gone if one.manner == manner]
                for manner in MANNERS
            },
            "unread": [*unread],
        }

    def _note(self, one: LeftOut) -> dict[str, Any]:
        return {"name": one.name, "plugin": self._owner(one.claim or one.name), "reason": one.why}

    def _refusal(self, error: GatewayError | None, needs: Iterable[Need] = ()) -> dict[str, Any] | None:
        """A refusal as the client would get it, and the plugin whose claim it is about."""
        if error is None:
            return None
        named = next((one for one in needs if one.param == error.param), None)
        need = error.need if isinstance(error, UnsupportedCapability) else named
        return {
            "status": error.status,
            "code": error.code,
            "message": error.message,
            "param": error.param,
            "details": strictjson.plain(error.details),
            "plugin": self._owner(need.claim if need else error.param or ""),
        }

    def _owner(self, claim: str) -> str | None:
        """The plugin behind a claim; a bare parameter may be one of the surface's own."""
        return self._owners.get(claim) or self._owners.get(f"{self._surface.name}:{claim}")

    def _request(self, ready: Prepared) -> dict[str, Any]:
        """The encoded request, unsigned."""
        outbound = ready.outbound
        body = strictjson.loads_lenient(outbound.body)
        if not self._principal.permissions.operator:
            body = ready.redaction.without_private(body)
        return {
            "method": outbound.method,
            **({"url": _without_login(outbound.url)} if self._principal.permissions.operator else {}),
            "headers": self._visible(ready),
            "betas": [*ready.call.betas],
            "body": strictjson.plain(body if self._full else _brief(body)),
        }

    def _visible(self, ready: Prepared) -> dict[str, str]:
        """The headers; an ordinary key is not shown those that may tell an account or a project."""
        dialect = self._pipeline.claims.dialect
        seen = {*PLAIN_HEADERS, dialect.version_header, dialect.betas_header, *ready.call.headers}
        every = self._principal.permissions.operator
        return {name: value for name, value in ready.outbound.headers.items() if every or name.lower() in seen}

    def _estimate(self, ready: Prepared) -> dict[str, Any]:
        """What it would cost, and what that stands on."""
        body, host = ready.call.body, ready.call.host
        prompt, output = prompt_tokens(body), body.get("max_tokens") or 0
        usage = Usage(raw={"input_tokens": prompt, "output_tokens": output})
        bill, unpriced = self._pipeline.attempts.estimate(ready.call, usage)
        return {
            "basis": (
                f"About {prompt:,} prompt tokens, guessed from the size of the body and taken as fresh input; "
                f"as output all that max_tokens allows, {output:,}."
            ),
            "total_usd": dollars(bill.total) if bill else None,
            "reason": None if bill else f"Nobody knows a price of {host.provider}/{host.priced_as}.",
            "unpriced": [*unpriced, *dict.fromkeys(usage.left_out)],
            "book": bill.book if bill else None,
            "lines": [line_dict(line) for line in bill.lines] if bill else [],
        }


def _without_login(url: str) -> str:
    """An address without the name and password that an operator may have put into it."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _brief(body: Mapping[str, Any]) -> dict[str, Any]:
    """A body whose prompts are told by their size."""
    return {name: _size(value, LONG[name]) if name in LONG else value for name, value in body.items()}


def _size(value: Any, item: str) -> str:
    size = f"{len(strictjson.dumps_lenient(value)):,} bytes"
    return f"{len(value):,} {item}{'' if len(value) == 1 else 's'}, {size}" if isinstance(value, list) else size
