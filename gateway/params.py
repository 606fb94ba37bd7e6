"""Who owns which parameter: the dialect's own fields, what only a package may serve, and what travels unread.

``dialect.toml`` lists the fields of the Messages API. A plugin claims a parameter, a member of a tagged union or a beta
token; two claims on one name stop startup. At startup all of it becomes one table by top-level field, so that a
request pays only for the fields it has.
"""

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial
from importlib import resources
from typing import Any

import jiter
from marshmallow import Schema, ValidationError
from marshmallow.fields import Field

from gateway.call import Call, LeftOut, Need, named
from gateway.errors import ClaimConflict, InvalidRequest, UnknownParameter, UnsupportedCapability

Needs = str | Callable[[Any], str | None] | None
"""A capability by name, or a function that finds it from the value; None needs nothing."""


@dataclass(frozen=True)
class Param:
    """A claim on one parameter.

    Attributes:
        path: dotted path in the body, such as ``output_config.effort``.
        field: how its value is checked; None takes anything.
        needs: the capability that it needs of a deployment.
        surface: the surface whose own parameter it is; None means the canonical body.
        remedy: what a client can do where no deployment has the capability; ends a refusal.
    """

    path: str
    field: Field[Any] | None = None
    needs: Needs = None
    surface: str | None = None
    remedy: str = ""

    @property
    def name(self) -> str:
        """What two plugins may not both claim."""
        return self.path if self.surface is None else f"{self.surface}:{self.path}"


@dataclass(frozen=True)
class Variant:
    """A claim on one member of a tagged union, such as ``context.edits[]`` by its ``type``.

    Attributes:
        union: dotted path of the union; ``[]`` at its end means each item of a list.
        tag: value of the member's ``type``.
        schema: how the member is checked; None takes anything.
        needs: the capability that it needs of a deployment.
    """

    union: str
    tag: str
    schema: Schema | None = None
    needs: Needs = None

    @property
    def name(self) -> str:
        """What two plugins may not both claim."""
        return f"{self.union}={self.tag}"


@dataclass(frozen=True)
class Beta:
    """A claim on one beta token that clients send in a header.

    A token is a permission, not a wish: where no deployment has what it needs, it is left out by name.
    """

    token: str
    needs: Needs = None

    @property
    def name(self) -> str:
        """What two plugins may not both claim."""
        return f"{_BETA}{self.token}"


Claim = Param | Variant | Beta

_BETA = "beta "

_KINDS: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float, jiter.LosslessFloat),
    "boolean": (bool,),
    "list": (list,),
    "object": (dict,),
}


@dataclass(frozen=True)
class DialectField:
    """A row of ``dialect.toml``: a field, what it may hold, and whose it is.

    Attributes:
        package: the distribution that alone may serve it; empty for the core's own.
        beta: tokens of which one has to travel with it; the first, unless the client sends another.
        fact: where the host's usage is silent about it, the request's value counts.
        counting: it belongs to a token-counting request too.
        surface: the surface whose own parameter it is; empty for the canonical body.
    """

    name: str
    type: str = "any"
    required: bool = False
    min: float | None = None
    package: str = ""
    beta: tuple[str, ...] = ()
    fact: bool = False
    counting: bool = True
    surface: str = ""

    def check(self, value: Any) -> None:
        """Raise InvalidRequest unless the value is of the field's type and range."""
        if self.type == "any":
            return
        words = self.type.split("|")
        if not any(_is(value, word) for word in words):
            raise InvalidRequest(f"{self.name}: has to be {' or '.join(map(_article, words))}.", param=self.name)
        if self.min is not None and _number(value) < self.min:
            raise InvalidRequest(f"{self.name}: has to be at least {self.min:g}.", param=self.name)


@dataclass(frozen=True)
class Dialect:
    """The Messages API as data: fields, marked variants and tokens, header names, neutral facts."""

    fields: tuple[DialectField, ...]
    variants: Mapping[tuple[str, str], Mapping[str, str]]
    tokens: Mapping[str, str]
    version_header: str
    default_version: str
    betas_header: str
    limits_header: str
    neutral: frozenset[str]

    @classmethod
    @cache
    def load(cls) -> "Dialect":
        """Read the file that ships with the package; once, because it cannot change while we run."""
        rows = tomllib.loads(resources.files("gateway").joinpath("dialect.toml").read_text("utf-8"))
        known = set(DialectField.__dataclass_fields__)
        return cls(
            fields=tuple(
                DialectField(**{key: _field_value(key, row[key]) for key in row if key in known})
                for row in rows["field"]
            ),
            variants={(row["union"], row["tag"]): row for row in rows.get("variant", ())},
            tokens={row["token"]: row["package"] for row in rows.get("beta", ())},
            version_header=rows["headers"]["version"],
            default_version=rows["headers"]["default_version"],
            betas_header=rows["headers"]["betas"],
            limits_header=rows["headers"]["limits"],
            neutral=frozenset(rows["facts"]["neutral"]),
        )

    @property
    def facts(self) -> tuple[str, ...]:
        """Fields whose value counts where the host's usage is silent."""
        return tuple(row.name for row in self.fields if row.fact)


@dataclass
class Verdict:
    """What the claims say of one body; ``tied`` names fields that travel only with one of their beta tokens."""

    needs: list[Need] = field(default_factory=list)
    betas: list[str] = field(default_factory=list)
    tied: dict[str, tuple[str, ...]] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


Rule = Callable[[dict[str, Any], Verdict], None]


class Claims:
    """All claims and the dialect, compiled into one table by top-level field.

    Args:
        dialect: the Messages API's own fields.
        claims: what each plugin claims, by plugin name.
        refuse_unknown: answer 400 to a field that nobody knows, instead of passing it on.
        drop: leave out what a missing package would have to serve, instead of answering 400.

    Raises:
        ClaimConflict: two plugins, or a plugin and the core, own one name.
    """

    def __init__(
        self,
        dialect: Dialect,
        claims: Mapping[str, Iterable[Claim]],
        *,
        refuse_unknown: bool = False,
        drop: bool = False,
    ) -> None:
        self.dialect = dialect
        self._refuse_unknown = refuse_unknown
        self._drop = drop
        claimed = {plugin: tuple(group) for plugin, group in claims.items()}
        self.owners = _owners(dialect, claimed)
        self._claims = {claim.name: claim for group in claimed.values() for claim in group}
        self._rules: dict[str, list[Rule]] = {}
        self._surface_rules: dict[str, dict[str, list[Rule]]] = {}
        for row in dialect.fields:
            self._table(row.surface).setdefault(_top(row.name), []).append(partial(self._check_field, row))
        for claim in self._claims.values():
            if isinstance(claim, Param) and not any(_same(claim, row) for row in dialect.fields):
                row = DialectField(claim.path, surface=claim.surface or "")
                self._table(row.surface).setdefault(_top(row.name), []).append(partial(self._check_field, row))
        for union in self._unions():
            self._rules.setdefault(_top(union), []).append(partial(self._check_union, union))

    def owned_by(self, plugin: str) -> frozenset[str]:
        """Top-level fields of the body that a plugin's claims let it write."""
        names = [name.partition("=")[0] for name, owner in self.owners.items() if owner == plugin]
        return frozenset(_top(name) for name in names if " " not in name and ":" not in name)

    @property
    def uncounted(self) -> frozenset[str]:
        """Fields that a token-counting request does without."""
        return frozenset(row.name for row in self.dialect.fields if not row.counting)

    def check(
        self, surface: str, asked: dict[str, Any], body: dict[str, Any], optional: frozenset[str] = frozenset()
    ) -> Verdict:
        """Check a canonical body, and the client's own words for the surface's own parameters.

        ``body`` loses what is dropped. Nothing below it that the client sent is changed. ``optional`` names required
        fields that may be missing this time.

        Raises:
            InvalidRequest: a value of the wrong form, a missing field.
            UnknownParameter: a field whose package is not installed.
        """
        verdict = Verdict()
        for row in self.dialect.fields:
            if row.required and row.name not in optional and body.get(row.name) is None:
                raise InvalidRequest(f"{row.name}: Field required.", param=row.name)
        own = self._surface_rules.get(surface, {})
        words = {name: asked[name] for name in own if name in asked}
        for name in [*words]:
            for rule in own[name]:
                rule(words, verdict)
        for name in [*body]:
            rules = self._rules.get(name)
            if rules is None:
                self._note_unread(name, verdict)
            else:
                for rule in rules:
                    rule(body, verdict)
        return verdict

    def leave_out(self, unsupported: Mapping[str, str], verdict: Verdict) -> None:
        """What a surface could not carry over is refused, or named as dropped if the operator wants that."""
        for name, why in unsupported.items():
            if not self._drop:
                raise InvalidRequest(f"{name}: {why}", param=name)
            verdict.left_out.append(LeftOut("dropped-params", name, f"{name}: {why}"))

    def read_betas(self, tokens: Iterable[str], verdict: Verdict) -> None:
        """Sort the client's beta tokens: a marked one whose package is missing is dropped by name."""
        for token in dict.fromkeys(tokens):
            claim = self._claims.get(f"{_BETA}{token}")
            if claim is None and token in self.dialect.tokens:
                verdict.left_out.append(LeftOut("dropped-betas", token, _absent(self.dialect.tokens[token])))
                continue
            verdict.betas.append(token)
            if claim is not None:
                _note_need(claim, f"{self.dialect.betas_header}: {token}", token, verdict)

    def without(self, call: Call, error: UnsupportedCapability) -> Call:
        """The call without what no deployment can serve, and without the betas that belong to it.

        The operator decides whether that may be; a beta token alone is never worth a refusal.

        Raises:
            UnsupportedCapability: the same one, where it has to stand.
        """
        need: Need = error.need or Need("", "")
        alone = need.claim.startswith(_BETA)
        name = _spoken(need.claim)
        again = (
            need not in call.needs and need.claim not in call.tied and name in named(call.left_out, "dropped-params")
        )
        if not (alone or self._drop) or not need.claim or again:
            raise error
        fallen = [token for token in call.betas if token in {*error.betas, need.claim.removeprefix(_BETA)}]
        left = [] if alone else [LeftOut("dropped-params", name, error.message, need.claim)]
        why = error.message if alone else f"It goes with {name}."
        left += [LeftOut("dropped-betas", token, why, need.claim) for token in fallen]
        return replace(
            call,
            body=_without(call.body, need.claim),
            betas=[token for token in call.betas if token not in fallen],
            needs=tuple(one for one in call.needs if one.claim != need.claim),
            tied={field: tokens for field, tokens in call.tied.items() if field != need.claim},
            left_out=(*call.left_out, *left),
        )

    def _table(self, surface: str) -> dict[str, list[Rule]]:
        return self._surface_rules.setdefault(surface, {}) if surface else self._rules

    def _unions(self) -> list[str]:
        claimed = [claim.union for claim in self._claims.values() if isinstance(claim, Variant)]
        return [*dict.fromkeys([union for union, _ in self.dialect.variants] + claimed)]

    def _check_field(self, row: DialectField, body: dict[str, Any], verdict: Verdict) -> None:
        if row.package and _is_null(body, row.name):
            _replace(
                body, row.name, None
            )  # it asks for nothing, and a host without the feature would not know the word
        for value in _values(body, row.name):
            claim = self._claims.get(f"{row.surface}:{row.name}" if row.surface else row.name)
            if claim is None and row.package:
                self._leave_out_or_refuse(row.name, row.package, f"{row.name} is", verdict)
                _replace(body, row.name, None)
                return
            row.check(value)
            if row.beta:
                verdict.tied[row.name] = row.beta
            if isinstance(claim, Param):
                _validate(claim, value)
                _note_need(claim, claim.path, value, verdict)

    def _check_union(self, union: str, body: dict[str, Any], verdict: Verdict) -> None:
        path = union.removesuffix("[]")
        members = list(_values(body, union))
        served = [value for value in members if not self._drops_member(path, union, value, verdict)]
        if len(served) < len(members):
            _replace(body, path, served)

    def _drops_member(self, path: str, union: str, value: Any, verdict: Verdict) -> bool:
        """Check one member; whether it has to be left out for want of its package."""
        tag = value.get("type") if isinstance(value, dict) else None
        if not isinstance(tag, str):
            return False
        claim = self._claims.get(f"{union}={tag}")
        marked = self.dialect.variants.get((union, tag), {})
        if isinstance(claim, Variant):
            _validate(claim, value)
            _note_need(claim, path, value, verdict)
        elif "package" in marked:
            self._leave_out_or_refuse(
                path, marked["package"], f"{path}: {tag!r} is", verdict, _spoken(f"{union}={tag}")
            )
            return True
        elif "beta" in marked:
            verdict.tied[f"{union}={tag}"] = _tokens(marked["beta"])
        return False

    def _leave_out_or_refuse(self, path: str, package: str, what: str, verdict: Verdict, name: str = "") -> None:
        if not self._drop:
            raise UnknownParameter(
                f"{what} served by the package {package}, which is not installed here; "
                f"the operator can add it with `pip install {package}`.",
                param=path,
                details={"param": path, "package": package},
            )
        verdict.left_out.append(LeftOut("dropped-params", name or path, _absent(package)))

    def _note_unread(self, name: str, verdict: Verdict) -> None:
        if self._refuse_unknown:
            raise UnknownParameter(f"{name}: unknown parameter, and this gateway refuses those.", param=name)
        verdict.unread.append(name)


def _owners(dialect: Dialect, claims: Mapping[str, Iterable[Claim]]) -> dict[str, str]:
    """Who owns each claimed name."""
    core = {row.name for row in dialect.fields if not row.package and not row.surface}
    owners: dict[str, str] = {}
    for plugin, group in claims.items():
        for claim in group:
            owner = owners.setdefault(claim.name, plugin)
            if owner is not plugin:
                raise ClaimConflict(f"{claim.name} is claimed by two plugins: {owner} and {plugin}.")
            if claim.name in core:
                raise ClaimConflict(f"{claim.name} is claimed by {plugin}, but it belongs to the core dialect.")
    return owners


def _field_value(key: str, value: Any) -> Any:
    return _tokens(value) if key == "beta" else value


def _tokens(value: str | list[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _same(claim: Param, row: DialectField) -> bool:
    return claim.path == row.name and (claim.surface or "") == row.surface


def _top(path: str) -> str:
    return path.partition(".")[0].removesuffix("[]")


def _values(body: Mapping[str, Any], path: str) -> Iterator[Any]:
    """The values at a dotted path: none, one, or for ``[]`` each item of the list."""
    value: Any = body
    for name in path.removesuffix("[]").split("."):
        if not isinstance(value, Mapping) or name not in value:
            return
        value = value[name]
    if value is None:  # null is the wire's word for absent
        return
    if not path.endswith("[]"):
        yield value
    elif isinstance(value, list):
        yield from value


def _is_null(body: Mapping[str, Any], path: str) -> bool:
    parent, _, last = path.rpartition(".")
    holders: Iterable[Any] = _values(body, parent) if parent else (body,)
    return any(isinstance(holder, Mapping) and last in holder and holder[last] is None for holder in holders)


def _replace(body: dict[str, Any], path: str, value: Any) -> None:
    """Put a value at a dotted path, copying what is changed; what it leaves empty goes, and so does the path to it."""
    name, _, rest = path.partition(".")
    if rest:
        body[name] = dict(body[name])
        _replace(body[name], rest, value)
    else:
        body[name] = value
    if not body[name]:
        del body[name]


def _validate(claim: Param | Variant, value: Any) -> None:
    try:
        if isinstance(claim, Param) and claim.field is not None:
            claim.field.deserialize(value)
        elif isinstance(claim, Variant) and claim.schema is not None:
            claim.schema.load(value)
    except ValidationError as error:
        path = claim.path if isinstance(claim, Param) else claim.union.removesuffix("[]")
        raise InvalidRequest(f"{path}: {_first(error.messages)}", param=path) from None


def _first(messages: Any) -> str:
    """One sentence out of marshmallow's nested messages."""
    if isinstance(messages, dict):
        name, inner = next(iter(messages.items()))
        return _first(inner) if name == "_schema" else f"{name}: {_first(inner)}"
    if isinstance(messages, list):
        return _first(messages[0])
    return str(messages)


def _note_need(claim: Claim, param: str, value: Any, verdict: Verdict) -> None:
    capability = claim.needs(value) if callable(claim.needs) else claim.needs
    if capability is not None:
        remedy = claim.remedy if isinstance(claim, Param) else ""
        verdict.needs.append(Need(capability, param, value, claim.name, remedy))


def _absent(package: str) -> str:
    return f"It is served by the package {package}, which is not installed here."


def _spoken(claim: str) -> str:
    """The parameter that a claim's name speaks of, as people write it; of a list also which of its members."""
    path, _, tag = claim.partition("=")
    return f"{path[:-2]}={tag}" if path.endswith("[]") else path.rpartition(":")[2]


def _without(body: Mapping[str, Any], claim: str) -> dict[str, Any]:
    """The body without what a claim names: a field, or the members of a union that have its tag."""
    kept = dict(body)
    union, is_variant, tag = claim.partition("=")
    if not is_variant:
        if ":" not in claim and next(_values(body, claim), None) is not None:
            _replace(kept, claim, None)
        return kept
    members = [one for one in _values(body, union) if not (isinstance(one, dict) and one.get("type") == tag)]
    _replace(kept, union.removesuffix("[]"), members if union.endswith("[]") else None)
    return kept


def _is(value: Any, word: str) -> bool:
    return isinstance(value, _KINDS[word]) and (word == "boolean" or not isinstance(value, bool))


def _number(value: Any) -> float:
    return value if isinstance(value, int) else float(value)


def _article(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"
