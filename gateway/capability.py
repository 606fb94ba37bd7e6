"""What a request needs against what a deployment has: the betas to send, or the reason why not."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gateway import content
from gateway.call import Call, Deployment, Grant, Need
from gateway.catalog import UNKNOWN, Catalog, GrantRow, Offer
from gateway.errors import Forbidden, UnsupportedCapability
from gateway.provider import Provider

ENVELOPE = frozenset({"model", "stream"})
"""Fields that every provider puts where its host wants them."""


INSIDE = "*."
"""How a row's field begins that stands inside of content, wherever there is an object of that name."""


class Capabilities:
    """Answers from the catalog's grants and beta rows.

    Args:
        catalog: where the rows stand.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def grants(self, deployment: Deployment) -> Mapping[str, Grant]:
        """What a deployment can do today, by capability."""
        grants = self._catalog.grants(Offer.of(deployment))
        if not deployment.lacks:
            return grants
        return {name: grant for name, grant in grants.items() if name not in deployment.lacks}

    def missing(self, needs: Iterable[Need], deployment: Deployment) -> list[Need]:
        """The needs that a deployment cannot meet."""
        grants = self.grants(deployment)
        return [need for need in needs if not _meets(grants.get(need.capability), need)]

    def permit(self, call: Call) -> None:
        """Raise Forbidden if the call needs a capability that its key may not use."""
        for need in call.needs:
            if not call.principal.permissions.allow_capability(need.capability):
                raise Forbidden(f"{need.param}: this key may not use {need.capability}.", param=need.param)

    def check(self, call: Call, provider: Provider) -> None:
        """Settle a prepared call's fields and betas: what its needs take is added, what the host lacks is left out.

        Raises:
            Forbidden: the key may not use what preparing the call has shown to be needed.
            UnsupportedCapability: the deployment lacks something that the call needs.
        """
        self.permit(call)
        if missing := self.missing(call.needs, call.host):
            raise self.refusal(missing[0], call.model, [call.host])
        self._check_fields(call, provider)
        granted = {token: need for need in call.needs for token in call.grants[need.capability].betas}
        call.add_betas(granted)
        self._translate_betas(call, provider, granted)

    def _check_fields(self, call: Call, provider: Provider) -> None:
        """Leave out the hints that have no effect at the host; refuse the fields that it does not take."""
        rows = self._catalog.fields(Offer.of(call.host))
        usual = "forward" if provider.passes_unknown_fields else "refuse"
        if not rows and usual == "forward":
            return
        for name, row in rows.items():
            if name.startswith(INSIDE):
                _leave_out_inside(call, name.removeprefix(INSIDE), row.note)
        for name in sorted(call.body.keys() - ENVELOPE):
            known = rows.get(name)
            action = known.action if known else usual
            if action == "refuse":
                raise _not_taken(name, known.note if known else "", call)
            if known and action == "ignore":
                call.remove(name)
                call.ignore(name, known.note)
                call.tied = {one: tokens for one, tokens in call.tied.items() if one.partition(".")[0] != name}

    def max_output(self, deployment: Deployment) -> int:
        """Output tokens that the deployment's model can write; 0 when the catalog does not say."""
        row = self._catalog.model(deployment.provider, deployment.priced_as)
        return row.max_output if row else 0

    def refusal(self, need: Need, model: str, deployments: Sequence[Deployment]) -> UnsupportedCapability:
        """The refusal that names the parameter, the party and where it would work."""
        hosts = list(dict.fromkeys(deployment.provider for deployment in deployments))
        granted = self._catalog.granted_by(need.capability)
        values = self._values(need, deployments)
        rows = [row for row in granted if not values or _meets(row.grant(), need)]
        facts: dict[str, Any] = {
            "capability": need.capability,
            "param": need.param,
            "model": model,
            "provider": hosts,
            "available_on": self._places(rows, deployments),
        }
        what, where = need.capability, _where(rows, hosts, facts["available_on"], models := _models(rows, hosts))
        if values:
            what, where = repr(need.value), f"there are: {', '.join(values)}"
            facts |= {"values": values}
        if models and not facts["available_on"]:
            facts |= {"available_for": models}
        remedy = f" {need.remedy}" if need.remedy else ""
        return UnsupportedCapability(
            f"{need.param}: {what} is not available for {model} on {', '.join(hosts)}; {where}.{remedy}",
            param=need.param,
            details=facts,
            need=need,
            betas=(token for row in granted for token in row.betas),
        )

    def _places(self, rows: Iterable[GrantRow], deployments: Iterable[Deployment]) -> list[str]:
        """Other providers on which one of the deployments' models has the capability."""
        ids = {self._catalog.id_of(Offer.of(one)) for one in deployments}
        here = {"*", *(one.provider for one in deployments)}
        return sorted({row.provider for row in rows if any(map(row.is_about, ids))} - here)

    def _values(self, need: Need, deployments: Iterable[Deployment]) -> list[str]:
        """The values that the deployments know, where the capability is there and only the value is not."""
        grants = [self.grants(one).get(need.capability) for one in deployments]
        return list(dict.fromkeys(value for grant in grants if grant for value in grant.values))

    def _translate_betas(self, call: Call, provider: Provider, granted: Mapping[str, Need]) -> None:
        sent: dict[str, str] = {}
        offer = Offer.of(call.host)
        for token in call.betas:
            row = self._catalog.beta(token, offer)
            action = row.action if row else self._usual(token, call, provider, granted)
            if action != "drop":
                sent[token] = row.to if row and action == "rename" else token
            elif token in granted:
                raise _untied(granted[token].claim, granted[token].param, (token,), call)
            else:
                call.leave_out("dropped-betas", token, f"{call.host.provider} does not take it for this model.")
        for name, tokens in call.tied.items():
            if not any(token in sent for token in tokens):
                raise _untied(name, name.partition("=")[0].removesuffix("[]"), tokens, call)
        call.betas = list(dict.fromkeys(sent.values()))
        call.left_out = tuple(one for one in call.left_out if one.manner != "dropped-betas" or one.name not in sent)

    def _usual(self, token: str, call: Call, provider: Provider, granted: Mapping[str, Need]) -> str:
        """What becomes of a token without a row: the betas of a capability go where the capability is."""
        capabilities = self._catalog.capabilities(token)
        if token in granted or any(capability in call.grants for capability in capabilities):
            return "forward"
        return "forward" if provider.passes_unknown_betas and not capabilities else "drop"


def _meets(grant: Grant | None, need: Need) -> bool:
    if grant is None:
        return False
    return not grant.values or not isinstance(need.value, str) or need.value in grant.values


def _where(rows: Sequence[GrantRow], hosts: Sequence[str], places: Sequence[str], models: Sequence[str]) -> str:
    """Where a capability would be had, as the end of a sentence."""
    if places:
        return f"available on: {', '.join(places)}"
    if models:
        return f"it is there for: {', '.join(models)}"
    if any(row.is_of(host) for row in rows for host in hosts):
        return "other deployments there may have it"
    return "no host has it for this model" if rows else "no installed host has it"


def _models(rows: Iterable[GrantRow], hosts: Sequence[str]) -> list[str]:
    """Models that have a capability on some host."""
    here = [row for row in rows if any(map(row.is_of, hosts))]
    return [
        model for model in dict.fromkeys(model for row in here for model in row.models) if model not in ("*", UNKNOWN)
    ]


def _leave_out_inside(call: Call, path: str, why: str) -> None:
    """Take a key out of content, as the host would refuse the whole request for it."""
    holder, _, name = path.partition(".")
    changed = content.without(call.body, holder, name)
    if changed:
        call.body |= changed
        call.ignore(path, why)


def _not_taken(name: str, why: str, call: Call) -> UnsupportedCapability:
    """A field that the host has no place for; it is left out where the operator wants that."""
    return UnsupportedCapability(
        f"{name}: {call.host.provider} does not take it for {call.model}.{f' {why}' if why else ''}",
        param=name,
        details={"param": name, "model": call.model, "provider": [call.host.provider]},
        need=Need(name, name, claim=name),
    )


def _untied(claim: str, param: str, tokens: Sequence[str], call: Call) -> UnsupportedCapability:
    """A field must not travel without the token that makes the host understand it."""
    return UnsupportedCapability(
        f"{param}: takes the beta {tokens[0]}, which is not available on {call.host.provider}.",
        param=param,
        details={"param": param, "model": call.model, "provider": [call.host.provider], "betas": [*tokens]},
        need=Need(tokens[0], param, claim=claim),
        betas=tokens,
    )
