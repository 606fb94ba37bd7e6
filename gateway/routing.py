"""From a model name and what the request needs to the deployments that can serve it, best first."""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches

from gateway.call import Call, Deployment, Need, Principal
from gateway.capability import Capabilities
from gateway.errors import Forbidden, UnknownModel

LONGEST_NAME = 256
"""Characters of a model name; ARNs, the longest there are, have less."""


class Routing:
    """Knows every deployment by the name that clients ask for.

    Args:
        deployments: in the order of the configuration.
        capabilities: what each of them has.
        chance: source of randomness for the weighted choice.
    """

    def __init__(
        self,
        deployments: Sequence[Deployment],
        capabilities: Capabilities,
        chance: random.Random | None = None,
    ) -> None:
        self._capabilities = capabilities
        self._chance = chance or random.Random()  # noqa: S311 - balances load, guards nothing
        self._named: dict[str, list[Deployment]] = {}
        self._globs: list[Deployment] = []
        for deployment in deployments:
            if "*" in deployment.model_name:
                self._globs.append(deployment)
            else:
                self._named.setdefault(deployment.model_name, []).append(deployment)

    @property
    def names(self) -> Mapping[str, list[Deployment]]:
        """The names that are no wildcards, each with its deployments."""
        return self._named

    @property
    def wildcards(self) -> Sequence[Deployment]:
        """Deployments whose name holds a wildcard."""
        return self._globs

    def candidates(self, call: Call) -> list[Deployment]:
        """The deployments that can serve a call, a weighted random one first.

        Raises:
            UnknownModel: none has the name, or none that this key may see.
            Forbidden: the key may not use the model or a capability.
            UnsupportedCapability: none of them has what the call needs.
        """
        deployments = self.deployments(call.model, call.principal)
        self._capabilities.permit(call)
        return self._shuffled(self._able(call.needs, call.model, deployments))

    def deployments(self, model: str, principal: Principal) -> list[Deployment]:
        """The deployments of a model name: an exact name before a wildcard, a longer wildcard before a shorter one.

        Raises:
            UnknownModel: there are none.
            Forbidden: the key may not use the model.
        """
        if len(model) > LONGEST_NAME:
            raise UnknownModel(f"model: no name here has more than {LONGEST_NAME} characters.", param="model")
        found = self._named.get(model) or _closest(self._through_wildcards(model))
        if not found:
            raise UnknownModel(f"model: {model!r} is not served here.{self._hint(model, principal)}", param="model")
        if not principal.permissions.allow_model(model):
            raise Forbidden(f"model: this key may not use {model!r}.", param="model")
        return found

    def _able(self, needs: Iterable[Need], model: str, deployments: list[Deployment]) -> list[Deployment]:
        for need in needs:
            able = [one for one in deployments if not self._capabilities.missing([need], one)]
            if not able:
                raise self._capabilities.refusal(need, model, deployments)
            deployments = able
        return deployments

    def _through_wildcards(self, model: str) -> Iterable[Deployment]:
        for deployment in self._globs:
            head, _, tail = deployment.model_name.partition("*")
            if len(model) > len(head) + len(tail) and model.startswith(head) and model.endswith(tail):
                star = model[len(head) : len(model) - len(tail)]
                yield replace(
                    deployment,
                    id=deployment.id.replace("*", star),
                    upstream=deployment.upstream.replace("*", star),
                    public_name=deployment.public_name.replace("*", star),
                    named=False,
                )

    def _shuffled(self, deployments: list[Deployment]) -> list[Deployment]:
        """Each in turn is drawn by its weight among those that are left."""
        if len(deployments) == 1:
            return deployments
        return sorted(deployments, key=lambda one: self._chance.random() ** (1 / one.weight), reverse=True)

    def _hint(self, model: str, principal: Principal) -> str:
        visible = [name for name in self._named if principal.permissions.allow_model(name)]
        near = get_close_matches(model, visible, n=1)
        if near:
            return f" Did you mean {near[0]!r}?"
        return f" Served are: {', '.join(visible[:20])}." if visible else ""


def _closest(matches: Iterable[Deployment]) -> list[Deployment]:
    """Those whose pattern spells out most of the name; what is configured for one family is not for the rest."""
    found = list(matches)
    longest = max((len(one.model_name) for one in found), default=0)
    return [one for one in found if len(one.model_name) == longest]
