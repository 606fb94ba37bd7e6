"""What travels down the corridor: who asks, for what, and where it goes."""

import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any, Literal, get_args


@dataclass(frozen=True, slots=True)
class Permissions:
    """What a key may do; patterns are globs.

    Attributes:
        models: names of the configuration that the key may ask for.
        capabilities: capabilities that its requests may need.
        operator: may also read everybody's entries and use the operator's views.
    """

    models: tuple[str, ...] = ("*",)
    capabilities: tuple[str, ...] = ("*",)
    operator: bool = False

    def allow_model(self, name: str) -> bool:
        """Whether the key may ask for this model name."""
        return any(fnmatchcase(name, pattern) for pattern in self.models)

    def allow_capability(self, name: str) -> bool:
        """Whether the key may need this capability."""
        return any(fnmatchcase(name, pattern) for pattern in self.capabilities)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: the key behind the request, never the key itself."""

    key_id: str
    alias: str = ""
    team: str = ""
    tags: tuple[str, ...] = ()
    permissions: Permissions = Permissions()


@dataclass(frozen=True, slots=True)
class Deployment:
    """One place where a model name can be served.

    Attributes:
        id: unique in the configuration, shown to clients as ``gateway-deployment``.
        model_name: what clients ask for; may hold one ``*``.
        provider: the provider's name, as in ``provider/upstream``.
        upstream: the model's name at the host; may hold one ``*`` when ``model_name`` does.
        settings: the provider's own settings for it, validated by the provider.
        base_model: the name under which it is priced, when the upstream name does not say.
        rates: the operator's own prices per million tokens by kind; replaces the catalog's whole row.
        weight: its share of the traffic among its equals.
        named: it stands in the configuration by name, not through a wildcard.
        lacks: capabilities that it does not have, whatever the catalog says of its model.
        public_name: the upstream's name without what is private in it; empty when nothing is.
    """

    id: str
    model_name: str
    provider: str
    upstream: str
    settings: Mapping[str, Any]
    base_model: str = ""
    rates: Mapping[str, Decimal] | None = None
    weight: float = 1.0
    named: bool = True
    lacks: frozenset[str] = frozenset()
    public_name: str = ""

    @property
    def shown(self) -> str:
        """The upstream's name as clients and books see it."""
        return self.public_name or self.upstream

    @property
    def priced_as(self) -> str:
        """The name by which the catalog is asked."""
        return self.base_model or self.upstream


@dataclass(frozen=True, slots=True)
class Grant:
    """A capability that a deployment has.

    Attributes:
        betas: tokens that it takes to use it.
        values: the values that the model knows there; empty where any will do.
    """

    betas: tuple[str, ...] = ()
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Need:
    """A capability that the request needs, and the parameter that needs it.

    Attributes:
        value: the parameter's value; a text has to be one that the deployment knows.
        claim: the claim behind it, by which the parameter can be left out; empty where that cannot be.
        remedy: what to do where no deployment has it.
    """

    capability: str
    param: str
    value: Any = None
    claim: str = ""
    remedy: str = ""


Manner = Literal["dropped-params", "dropped-betas", "ignored-params"]
"""How something is left out, in the words of the headers that name it."""

MANNERS: tuple[Manner, ...] = get_args(Manner)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something of a request that does not travel.

    Attributes:
        name: the parameter or beta token.
        why: one sentence, for people.
        claim: the claim that it falls under; empty where no plugin has one.
    """

    manner: Manner
    name: str
    why: str
    claim: str = ""


def named(left_out: Iterable[LeftOut], manner: Manner) -> tuple[str, ...]:
    """The names of what was left out in one manner, each once."""
    return tuple(dict.fromkeys(one.name for one in left_out if one.manner == manner))


@dataclass(slots=True)
class Call:
    """One request on its way. Written while it is prepared for a deployment, read-only afterwards.

    Attributes:
        id: unique; the client sees it as ``gateway-call-id``.
        at: when the attempt that it describes began, UTC; prices are looked up by its day.
        surface: name of the surface that it came through.
        model: the name that the client asked for.
        asked: the client's body, read-only.
        body: the canonical body: Messages JSON as a plain dict.
        stream: whether the client wants events.
        betas: beta tokens to send, in order, each once.
        version: the API version to send to hosts that take one.
        headers: further client headers that the operator lets through.
        needs: what the body needs of a deployment.
        tied: by name, fields that travel only together with one of these beta tokens.
        unread: fields that nobody here knows; they travel.
        left_out: what does not travel, and why.
        deployment: where it goes; None until an attempt has chosen.
        grants: what that deployment can do, by capability.
    """

    id: str
    at: datetime
    principal: Principal
    surface: str
    model: str
    asked: Mapping[str, Any]
    body: dict[str, Any]
    stream: bool
    betas: list[str] = field(default_factory=list)
    version: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[Need, ...] = ()
    tied: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unread: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    deployment: Deployment | None = None
    grants: Mapping[str, Grant] = field(default_factory=dict)

    @property
    def host(self) -> Deployment:
        """The deployment that it goes to.

        Raises:
            LookupError: no attempt has chosen yet.
        """
        if self.deployment is None:
            raise LookupError("the call has no deployment yet")
        return self.deployment

    def get(self, path: str, default: Any = None) -> Any:
        """The body's value at a dotted path."""
        value: Any = self.body
        for name in path.split("."):
            if not isinstance(value, dict) or name not in value:
                return default
            value = value[name]
        return value

    def set(self, path: str, value: Any) -> None:
        """Write the body's value at a dotted path, leaving the client's own objects untouched."""
        *parents, last = path.split(".")
        target = self.body
        for name in parents:
            child = target.get(name)
            target[name] = dict(child) if isinstance(child, dict) else {}
            target = target[name]
        target[last] = value

    def remove(self, path: str) -> None:
        """Take the body's value at a dotted path out, leaving the client's own objects untouched."""
        parent, _, last = path.rpartition(".")
        values = self.get(parent) if parent else self.body
        if isinstance(values, dict) and last in values:
            kept = {name: value for name, value in values.items() if name != last}
            if parent:
                self.set(parent, kept)
            else:
                self.body = kept

    def add_betas(self, tokens: Iterable[str]) -> None:
        """Send these betas too, each once."""
        self.betas.extend(token for token in dict.fromkeys(tokens) if token not in self.betas)

    def add_need(self, need: Need) -> None:
        """Need a capability that only the deployment shows to be needed; one that lacks it is passed over."""
        self.needs = (*self.needs, need)

    def leave_out(self, manner: Manner, name: str, why: str) -> None:
        """Name something that does not travel."""
        self.left_out = (*self.left_out, LeftOut(manner, name, why))

    def ignore(self, param: str, why: str) -> None:
        """Name a parameter that has no effect at the deployment, and say why in a sentence."""
        self.leave_out("ignored-params", param, why)

    def own(self, surface: str, name: str) -> Any:
        """A parameter of a surface's own, as the client gave it; None through other surfaces, or once dropped."""
        dropped = named(self.left_out, "dropped-params")
        return self.asked.get(name) if self.surface == surface and name not in dropped else None

    def toward(self, deployment: Deployment, grants: Mapping[str, Grant] = MappingProxyType({})) -> "Call":
        """A copy of its own for one attempt."""
        return replace(
            self,
            at=datetime.now(UTC),
            deployment=deployment,
            grants=grants,
            body={**self.body},
            betas=[*self.betas],
        )


def new_id() -> str:
    """A call's id: sorted by time, unguessable in its second half."""
    return f"req_{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"
