"""A request to a view of this package: its body and its query, read strictly."""

import re
from datetime import date, datetime, timedelta
from typing import Any, NoReturn

from flask import request
from marshmallow import RAISE, Schema, fields, validate

from gateway import InvalidRequest, strictjson
from gateway.views import Limits, WsgiDoor, principal
from gateway_infra_keys.admin_form import OPERATOR, checked, moment
from gateway_infra_keys.terms import LONGEST

MAX_BODY = 256 * 1024
"""Bytes of a body; the largest form fits."""

MAX_PAGE = 1000
"""Rows of a page."""

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SHOWN = [validate.Length(1, LONGEST), validate.Regexp(r"[^\x00-\x1f\x7f]*\Z", error="Has to be printable.")]


class DayField(fields.Field[datetime]):
    """A moment with its offset, or a day in UTC; the day that ends a time belongs to it."""

    def __init__(self, *, ends: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self._ends = ends

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:  # noqa: ARG002 - marshmallow's signature
        if not isinstance(value, str) or not _DAY.fullmatch(value):
            return moment(value)
        midnight = moment(f"{value}T00:00:00Z")
        return midnight + timedelta(days=self._ends and midnight.date() < date.max)


def text_field() -> fields.String:
    """A text to look for; nothing when it is not given."""
    return fields.String(load_default="", validate=_SHOWN)


class Query(Schema):
    """A query string; a parameter that nobody declared is refused."""

    class Meta:
        """Misspelt, it would select everything."""

        unknown = RAISE


class PageQuery(Query):
    """Which page of a list."""

    limit = fields.Integer(load_default=100, validate=validate.Range(1, MAX_PAGE))
    after = text_field()


def body() -> dict[str, Any]:
    """The request's body.

    Raises:
        InvalidRequest, TooLarge, UnsupportedMedia: it is not a small JSON object.
    """
    return strictjson.loads_object(WsgiDoor(request.environ, _unused, Limits(MAX_BODY)).body())


def query(form: Query) -> dict[str, Any]:
    """The request's query by its form.

    Raises:
        InvalidRequest: a parameter is unknown, wrong or given twice.
    """
    for name, values in request.args.lists():
        if len(values) > 1:
            raise InvalidRequest(f"{name}: given twice.", param=name)
    return checked(form, request.args.to_dict())


def roles() -> frozenset[str]:
    """The roles of whoever asks."""
    return frozenset({OPERATOR} if principal().permissions.operator else ())


def actor() -> str:
    """Who asks, for the audit log."""
    return principal().key_id


def _unused(*_: Any) -> NoReturn:
    raise LookupError("this request is answered by its view")
