"""Answers about keys and teams: JSON that holds no secret, and that nobody keeps."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from flask import Response

from gateway import dollars, strictjson
from gateway_infra_keys.model import Budget, Key, Limits, Team


def answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer that no cache may keep."""
    kept = {"cache-control": "no-store", **(headers or {})}
    return Response(strictjson.dumps(value), status, mimetype="application/json", headers=kept)


def listed(rows: Iterable[Mapping[str, Any]], limit: int) -> Response:
    """One page of a list that was asked for one row more than fits; ``last_id`` goes into ``after``."""
    found = list(rows)
    data = found[:limit]
    return answer({"data": data, "has_more": len(found) > limit, "last_id": data[-1]["id"] if data else None})


def key_dict(key: Key) -> dict[str, Any]:
    """A key in the words of its form, and what else is known of it."""
    return {
        "id": key.id,
        "hint": key.hint,
        "state": state(key),
        "alias": key.alias,
        "team_id": key.team_id or None,
        "tags": list(key.tags),
        "models": list(key.models),
        "capabilities": list(key.capabilities),
        "budget": _budget(key.budget),
        "limits": _limits(key.limits),
        "mode": key.mode,
        "on_outage": key.on_outage,
        "created_at": when(key.created_at),
        "expires_at": when(key.expires_at),
        "revoked_at": when(key.revoked_at),
    }


def team_dict(team: Team) -> dict[str, Any]:
    """A team in the words of its form, and what else is known of it."""
    return {
        "id": team.id,
        "state": state(team),
        "name": team.name,
        "budget": _budget(team.budget),
        "limits": _limits(team.limits),
        "created_at": when(team.created_at),
        "revoked_at": when(team.revoked_at),
    }


def state(one: Key | Team) -> str:
    """``active``, ``expired`` or ``revoked``; a key's team is not looked at."""
    if one.revoked_at is not None:
        return "revoked"
    expires = one.expires_at if isinstance(one, Key) else None
    return "expired" if expires is not None and expires <= datetime.now(UTC) else "active"


def when(moment: datetime | None) -> str | None:
    """A moment as RFC 3339."""
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _budget(budget: Budget | None) -> dict[str, str] | None:
    if budget is None:
        return None
    return {"amount": dollars(budget.amount), "window": budget.window, "time_zone": budget.time_zone}


def _limits(limits: Limits) -> dict[str, int | None]:
    return {"requests": limits.requests, "tokens": limits.tokens, "parallel": limits.parallel}
