"""LiteLLM's words for keys, teams and spend, for people who bring their scripts along.

Its paths and fields, our rules: what it knows and we do not is refused by name where leaving it out would let a key do
more than its maker meant, and ignored by name where nothing depends on it. A field that says nothing (null, an empty
list) is no wish. Source: LiteLLM's documentation, "Virtual Keys", "Spend Tracking" and "Budget Reset Times".
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

import jiter
from gateway_infra_ledger.amount import from_units, plain, to_units
from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate

from gateway import InvalidRequest
from gateway_infra_keys.admin_answer import when
from gateway_infra_keys.admin_form import (
    LATEST,
    MODEL,
    NAMED,
    OPERATOR,
    Form,
    matching,
    storable,
)
from gateway_infra_keys.model import Budget, Key, Limits, Team, Window
from gateway_infra_keys.terms import FASTEST, MOST

WINDOWS: Mapping[str, Window] = {
    "1d": "daily",
    "24h": "daily",
    "7d": "weekly",
    "1w": "weekly",
    "30d": "monthly",
    "1mo": "monthly",
}
"""LiteLLM resets these at midnight, on Monday and on the first of the month, as our windows do."""

DURATIONS: Mapping[Window, str] = {"daily": "1d", "weekly": "7d", "monthly": "30d"}

ALL_MODELS = frozenset({"all-proxy-models", "all-team-models"})
"""LiteLLM's names for every model; our teams have no models of their own, so a team's are all."""

IGNORED: Mapping[str, str] = {
    "user_id": "there are keys and teams, no users",
    "organization_id": "there are keys and teams, no organizations",
    "send_invite_email": "nobody is written to",
    "soft_budget": "it only sends a message",
    "allowed_cache_controls": "answers are not cached",
}
"""Fields without effect here, and why that does no harm; the answer names them in ``gateway-ignored-params``."""

REFUSED: Mapping[str, str] = {
    "aliases": "model names stand in the configuration",
    "model_aliases": "model names stand in the configuration",
    "allowed_routes": "every key may use the routes for calls, and no other",
    "auto_rotate": "rotate the key with POST /admin/keys/ID/rotate",
    "blocked": "a key is revoked for good; POST /key/delete",
    "budget_id": "there are no budgets to share; give max_budget, or the team one",
    "config": "the configuration is a file",
    "enforced_params": "there is no such rule",
    "guardrails": "there are none",
    "key": "keys are made here, of 256 random bits",
    "key_type": "every key may use the routes for calls, and no other",
    "members_with_roles": "a team has keys, no members",
    "model_max_budget": "a budget is for all models of a key; make a key for each",
    "model_rpm_limit": "a limit is for all models of a key; make a key for each",
    "model_tpm_limit": "a limit is for all models of a key; make a key for each",
    "object_permission": "there is no such rule",
    "permissions": "there is no such rule",
    "policies": "there are none",
    "prompts": "there are none",
    "rotation_interval": "rotate the key with POST /admin/keys/ID/rotate",
    "spend": "the ledger says what was spent",
    "team_id": "a team's id is made here",
    "team_member_budget": "a team has keys, no members",
    "temp_budget_expiry": "change max_budget",
    "temp_budget_increase": "change max_budget",
}
"""Fields that we do not have, and what to do instead. Ignored, they would promise what nobody keeps."""

_UNITS: Mapping[str, timedelta] = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
    "mo": timedelta(days=30),
}
_DURATION = re.compile(r"([1-9][0-9]{0,8})(s|m|h|d|w|mo)")
_FOREVER = timedelta.max
_BY_OPERATOR = {"role": OPERATOR}


class NumberField(fields.Field[Decimal]):
    """US dollars as a JSON number, read by its digits."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Decimal:  # noqa: ARG002 - marshmallow's signature
        if isinstance(value, bool) or not isinstance(value, int | jiter.LosslessFloat):
            raise ValidationError("Has to be a number of US dollars.")
        try:
            amount = storable(Decimal(str(value)))
        except (InvalidOperation, ValueError):
            raise ValidationError("Is no number that can be kept.") from None
        if amount < 0 or from_units(to_units(amount)) != amount:
            raise ValidationError("Has to be US dollars, not negative and with at most twelve places.")
        return amount


class DurationField(fields.Field[timedelta]):
    """A length of time such as ``30d``; ``-1`` is for ever."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> timedelta:  # noqa: ARG002 - marshmallow's signature
        if value == "-1":
            return _FOREVER
        found = _DURATION.fullmatch(value) if isinstance(value, str) else None
        if found is None or _UNITS[found[2]] > LATEST / int(found[1]):
            raise ValidationError("Has to be a length such as 30s, 30m, 30h, 30d or 1mo, of at most a hundred years.")
        return int(found[1]) * _UNITS[found[2]]


def _limit() -> fields.Integer:
    return fields.Integer(allow_none=True, strict=True, validate=validate.Range(1, FASTEST), metadata=_BY_OPERATOR)


def _names() -> fields.List[str]:
    return fields.List(
        fields.String(validate=NAMED), allow_none=True, validate=validate.Length(max=MOST), metadata=_BY_OPERATOR
    )


class Terms(Form):
    """What LiteLLM's keys and teams have in common."""

    max_budget = NumberField(allow_none=True, metadata=_BY_OPERATOR)
    budget_duration = fields.String(
        allow_none=True,
        validate=validate.OneOf(list(WINDOWS), error=f"Has to be one of {', '.join(WINDOWS)}; or leave it out."),
        metadata=_BY_OPERATOR,
    )
    tpm_limit = _limit()
    rpm_limit = _limit()
    max_parallel_requests = _limit()


class Metadata(Schema):
    """What is read of ``metadata``."""

    class Meta:
        """The rest is named as ignored."""

        unknown = EXCLUDE

    tags = _names()


class KeyWords(Terms):
    """A key in LiteLLM's words."""

    key_alias = fields.String(allow_none=True, validate=NAMED, metadata=_BY_OPERATOR)
    team_id = fields.String(
        allow_none=True, validate=matching(r"[A-Za-z0-9]+", "Has to be a team's id."), metadata=_BY_OPERATOR
    )
    models = fields.List(
        fields.String(validate=[*MODEL, validate.NoneOf(["no-default-models"])]),
        allow_none=True,
        validate=validate.Length(max=MOST),
        metadata=_BY_OPERATOR,
    )
    duration = DurationField(allow_none=True, metadata=_BY_OPERATOR)
    metadata = fields.Nested(Metadata, allow_none=True, metadata=_BY_OPERATOR)
    tags = _names()


class TeamWords(Terms):
    """A team in LiteLLM's words."""

    team_alias = fields.String(required=True, validate=NAMED, metadata=_BY_OPERATOR)


def wishes(form: Form, asked: Mapping[str, Any], roles: frozenset[str]) -> tuple[dict[str, Any], list[str]]:
    """What is asked in LiteLLM's words, checked, and the names of what has no effect.

    Raises:
        InvalidRequest: a field is unknown, wrong, or one that we do not have.
        Forbidden: a field is not the caller's to write.
    """
    ignored = [name for name in asked if name not in form.fields and _says_something(name, asked[name])]
    metadata = asked.get("metadata")
    if isinstance(metadata, dict):
        ignored += [f"metadata.{name}" for name in metadata if name != "tags"]
    ours = {name: value for name, value in asked.items() if name in form.fields}
    return form.read(ours, roles), ignored


def key_facts(words: Mapping[str, Any], before: Key | None = None) -> dict[str, Any]:
    """The fields of a key that these words set, in our own terms.

    Raises:
        InvalidRequest: they do not fit together.
    """
    metadata = words.get("metadata") or {}
    models, tags = words.get("models"), words.get("tags") or metadata.get("tags")
    facts = {
        "alias": words.get("key_alias"),
        "team_id": words.get("team_id"),
        "tags": None if tags is None else tuple(tags),
        "models": None if models is None else _models(models),
    }
    said = {name: value for name, value in facts.items() if value is not None}
    if (length := words.get("duration")) is not None:
        said["expires_at"] = None if length is _FOREVER else datetime.now(UTC) + length
    return said | _terms(words, before)


def team_facts(words: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a team that these words set, in our own terms.

    Raises:
        InvalidRequest: they do not fit together.
    """
    return {"name": words["team_alias"], **_terms(words, None)}


def key_words(key: Key, spent: Decimal) -> dict[str, Any]:
    """A key in LiteLLM's words; ``token`` and ``token_id`` are its id, ``key_name`` its last four characters."""
    return {
        "token": key.id,
        "token_id": key.id,
        "key_name": key.hint,
        "key_alias": key.alias or None,
        "team_id": key.team_id or None,
        "user_id": None,
        "models": [] if key.models == ("*",) else list(key.models),
        "spend": number(spent),
        **_terms_words(key),
        "metadata": {"tags": list(key.tags)} if key.tags else {},
        "tags": list(key.tags),
        "blocked": key.revoked_at is not None,
        "expires": when(key.expires_at),
        "created_at": when(key.created_at),
    }


def team_words(team: Team, spent: Decimal) -> dict[str, Any]:
    """A team in LiteLLM's words."""
    return {
        "team_id": team.id,
        "team_alias": team.name,
        "models": [],
        "spend": number(spent),
        **_terms_words(team),
        "members_with_roles": [],
        "metadata": {},
        "blocked": team.revoked_at is not None,
        "created_at": when(team.created_at),
    }


def entry_words(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry of the ledger as a spend log: ``api_key`` is the key's id, an unpriced one has ``spend`` null."""
    written = entry["cache_write_5m_tokens"] + entry["cache_write_1h_tokens"]
    prompt = entry["input_tokens"] + written + entry["cache_read_tokens"]
    return {
        "request_id": entry["call_id"],
        "api_key": entry["key_id"],
        "model": entry["model"],
        "model_group": entry["model"],
        "model_id": entry["deployment"],
        "spend": None if entry["cost"] is None else number(entry["cost"]),
        "prompt_tokens": prompt,
        "completion_tokens": entry["output_tokens"],
        "total_tokens": prompt + entry["output_tokens"],
        "startTime": when(entry["at"]),
        "status": "success" if entry["outcome"] == "complete" else "failure",
        "metadata": {
            "user_api_key_alias": entry["alias"] or None,
            "user_api_key_team_alias": entry["team"] or None,
            "attempt": entry["attempt"],
            "outcome": entry["outcome"],
            "estimated": entry["estimated"],
        },
    }


def number(amount: Decimal) -> Any:
    """An amount as a JSON number, digit by digit; LiteLLM's clients expect one."""
    return jiter.LosslessFloat(plain(amount).encode())


def _says_something(name: str, value: Any) -> bool:
    """Whether a field that we do not have is worth naming as ignored.

    Raises:
        InvalidRequest: it cannot be ignored, or nobody knows it.
    """
    if name not in IGNORED and name not in REFUSED:
        raise InvalidRequest(f"{name}: Unknown field.", param=name)
    if isinstance(value, jiter.LosslessFloat):
        value = float(value)
    if value in (None, "", [], {}, False, 0):
        return False
    if name in REFUSED:
        raise InvalidRequest(f"{name}: not supported here: {REFUSED[name]}.", param=name)
    return True


def _models(names: list[str]) -> tuple[str, ...]:
    """No name is every model, as LiteLLM has it."""
    return ("*",) if not names or ALL_MODELS & set(names) else tuple(names)


def _terms(words: Mapping[str, Any], before: Key | None) -> dict[str, Any]:
    limits = before.limits if before else Limits()
    names = {"requests": "rpm_limit", "tokens": "tpm_limit", "parallel": "max_parallel_requests"}
    given = {ours: words[theirs] for ours, theirs in names.items() if theirs in words}
    facts: dict[str, Any] = {"limits": replace(limits, **given)} if given else {}
    if "max_budget" in words or "budget_duration" in words:
        facts["budget"] = _budget(words, before.budget if before else None)
    return facts


def _budget(words: Mapping[str, Any], before: Budget | None) -> Budget | None:
    amount = words.get("max_budget") if "max_budget" in words or before is None else before.amount
    window = WINDOWS.get(words.get("budget_duration") or "", "total")
    if amount is None and window != "total":
        raise InvalidRequest("budget_duration: needs max_budget.", param="budget_duration")
    if amount is None:
        return None
    if before is None:
        return Budget(amount, window)
    return replace(before, amount=amount, window=window if "budget_duration" in words else before.window)


def _terms_words(one: Key | Team) -> dict[str, Any]:
    return {
        "max_budget": number(one.budget.amount) if one.budget else None,
        "budget_duration": DURATIONS.get(one.budget.window) if one.budget else None,
        "rpm_limit": one.limits.requests,
        "tpm_limit": one.limits.tokens,
        "max_parallel_requests": one.limits.parallel,
    }
