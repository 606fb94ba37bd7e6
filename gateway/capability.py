"""What a request needs against what a deployment has: the betas to send, or the reason why not."""

from collections.abc import Iterable

from gateway.call import Call, Deployment, Need
from gateway.catalog import Catalog
from gateway.errors import UnsupportedCapability
from gateway.provider import Provider


class Capabilities:
    """Answers from the catalog's grants and beta rows.

    Args:
        catalog: where the rows stand.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def missing(self, needs: Iterable[Need], deployment: Deployment) -> list[Need]:
        """The needs that a deployment cannot meet."""
        return [need for need in needs if self._catalog.grant(need.capability, *_place(deployment)) is None]

    def check(self, call: Call, provider: Provider) -> None:
        """Settle a prepared call's betas: what its needs take is added, what the host does not take is dropped.

        Raises:
            UnsupportedCapability: the deployment lacks something that the call needs.
        """
        missing = self.missing(call.needs, call.host)
        if missing:
            raise self.refusal(missing[0], call.model, [call.host])
        for need in call.needs:
            grant = self._catalog.grant(need.capability, *_place(call.host))
            call.add_betas(grant.betas if grant else ())
        self._translate_betas(call, provider)

    def max_output(self, deployment: Deployment) -> int:
        """Output tokens that the deployment's model can write; 0 when the catalog does not say."""
        row = self._catalog.model(*_place(deployment))
        return row.max_output if row else 0

    def refusal(self, need: Need, model: str, deployments: Iterable[Deployment]) -> UnsupportedCapability:
        """The refusal that names the parameter, the party and where it would work."""
        hosts = list(dict.fromkeys(deployment.provider for deployment in deployments))
        places = sorted({row.provider for row in self._catalog.granted_by(need.capability)})
        where = f"available on: {', '.join(places)}" if places else "no installed host has it"
        return UnsupportedCapability(
            f"{need.param}: {need.capability} is not available for {model} on {', '.join(hosts)}; {where}.",
            param=need.param,
            details={
                "capability": need.capability,
                "param": need.param,
                "model": model,
                "provider": hosts,
                "available_on": places,
            },
        )

    def _translate_betas(self, call: Call, provider: Provider) -> None:
        sent: list[str] = []
        for token in call.betas:
            row = self._catalog.beta(token, *_place(call.host))
            action = row.action if row else "forward" if provider.passes_unknown_betas else "drop"
            if action == "drop":
                call.dropped_betas = (*call.dropped_betas, token)
            else:
                sent.append(row.to if row and action == "rename" else token)
        call.betas = list(dict.fromkeys(sent))


def _place(deployment: Deployment) -> tuple[str, str]:
    return deployment.provider, deployment.priced_as
