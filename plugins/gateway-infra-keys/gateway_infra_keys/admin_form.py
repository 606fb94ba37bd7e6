"""Forms: what may be written to a key or a team over HTTP, field by field, and by whom.

A field that no form has is refused by name, and so is one whose role the caller lacks. An object inside of a form is
given whole: a change replaces it, so that two changes at once never mix.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from gateway_infra_ledger.amount import LARGEST, from_units
from marshmallow import RAISE, Schema, ValidationError, fields, post_load, validate

from gateway import Forbidden, InvalidRequest
from gateway.document import dotted
from gateway_infra_keys.model import Budget, Limits
from gateway_infra_keys.terms import FASTEST, LONGEST, MOST

OPERATOR = "operator"
"""The only role that writes so far: whoever holds the operator's key."""

LATEST = timedelta(days=365 * 100)
"""How far ahead a key may expire."""

NAME = r"\w[\w .@:/+=-]*"
"""How people name things. It begins with a letter or a digit, so no spreadsheet takes it for a formula."""

_AMOUNT = re.compile(r"[0-9]{1,7}(\.[0-9]{1,12})?")
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_ZONE = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*")


def matching(pattern: str, form: str, longest: int = LONGEST) -> list[validate.Validator]:
    """Checks of a text: its length and its characters; ``form`` says in words what it may look like."""
    return [validate.Length(1, longest), validate.Regexp(rf"(?:{pattern})\Z", error=form)]


NAMED = matching(NAME, "Has to begin with a letter or a digit, and to hold only those, spaces and . @ : / + = - _.")
MODEL = matching(r"[\w*?][\w*?.:/@+-]*", "Has to be a model name; * and ? stand for anything.", 200)
_CAPABILITY = matching(r"[a-z0-9_*?]+", "Has to be the name of a capability; * and ? stand for anything.")
_BY_OPERATOR = {"role": OPERATOR}


class AmountField(fields.Field[Decimal]):
    """US dollars as a decimal string, because JSON's numbers are floats to most who read them."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Decimal:  # noqa: ARG002 - marshmallow's signature
        if not isinstance(value, str) or not _AMOUNT.fullmatch(value):
            raise ValidationError('Has to be US dollars in a string, such as "12.50": not negative, no exponent.')
        return storable(Decimal(value))


class ZoneField(fields.Field[str]):
    """The IANA name of a time zone that exists."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:  # noqa: ARG002 - marshmallow's signature
        if isinstance(value, str) and len(value) <= LONGEST and _ZONE.fullmatch(value):
            try:
                return ZoneInfo(value).key
            except (ValueError, LookupError, OSError):  # unknown, or a folder of the time zones' own
                pass
        raise ValidationError("Has to be the name of a time zone, such as Europe/Berlin.")


class MomentField(fields.Field[datetime]):
    """A moment that is still to come, with its offset from UTC."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:  # noqa: ARG002 - marshmallow's signature
        found = moment(value)
        if not datetime.now(UTC) < found < datetime.now(UTC) + LATEST:
            raise ValidationError("Has to lie in the future, and not further than a hundred years.")
        return found


class Form(Schema):
    """A schema whose every field says who may write it; one that does not is a mistake in the program."""

    class Meta:
        """What nobody declared is refused."""

        unknown = RAISE

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        """Refuse a field without a role."""
        if isinstance(field_obj.parent, Schema) and "role" not in field_obj.metadata:
            raise TypeError(f"{type(self).__name__}.{field_name} does not say who may write it")

    def read(self, given: Mapping[str, Any], roles: frozenset[str], *, change: bool = False) -> dict[str, Any]:
        """What a caller with these roles writes, checked; a change needs no field, but may not be empty.

        Raises:
            InvalidRequest: a field is unknown, missing or wrong. The field is named, its value is not.
            Forbidden: a field is not the caller's to write.
        """
        for name in given:
            if name in self.fields and self.fields[name].metadata["role"] not in roles:
                raise Forbidden(f"{name}: this key may not write it.", param=name)
        if not change:
            return checked(self, given)
        if not given:
            raise InvalidRequest("The body names nothing to change.")
        self._refuse_parts(given)
        return checked(self, given, partial=tuple(self.fields))

    def _refuse_parts(self, given: Mapping[str, Any]) -> None:
        """Half an object would take away what it leaves out, a limit for example."""
        for name, field in self.fields.items():
            value = given.get(name)
            if isinstance(field, fields.Nested) and isinstance(value, dict):
                for inner in field.schema.fields:
                    if inner not in value:
                        where = f"{name}.{inner}"
                        raise InvalidRequest(f"{where}: Missing; a change replaces the whole {name}.", param=where)


class BudgetForm(Form):
    """Money, and how long it has to last."""

    amount = AmountField(required=True, metadata=_BY_OPERATOR)
    window = fields.String(
        load_default="total", validate=validate.OneOf(["total", "daily", "weekly", "monthly"]), metadata=_BY_OPERATOR
    )
    time_zone = ZoneField(load_default="UTC", metadata=_BY_OPERATOR)

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Budget:
        return Budget(**data)


def _limit() -> fields.Integer:
    return fields.Integer(
        load_default=None, allow_none=True, strict=True, validate=validate.Range(1, FASTEST), metadata=_BY_OPERATOR
    )


class LimitsForm(Form):
    """Requests and tokens per minute, and calls at once; null is no limit."""

    requests = _limit()
    tokens = _limit()
    parallel = _limit()

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Limits:
        return Limits(**data)


class TeamForm(Form):
    """A team."""

    name = fields.String(required=True, validate=NAMED, metadata=_BY_OPERATOR)
    budget = fields.Nested(BudgetForm, allow_none=True, metadata=_BY_OPERATOR)
    limits = fields.Nested(LimitsForm, metadata=_BY_OPERATOR)


def _list(member: Sequence[validate.Validator], least: int = 0) -> fields.List[str]:
    return fields.List(fields.String(validate=member), validate=validate.Length(least, MOST), metadata=_BY_OPERATOR)


class KeyForm(Form):
    """A key. An empty list of models would be mistaken for all of them, so it is refused."""

    alias = fields.String(validate=NAMED, allow_none=True, metadata=_BY_OPERATOR)
    team_id = fields.String(
        validate=matching(r"[A-Za-z0-9]+", "Has to be a team's id."), allow_none=True, metadata=_BY_OPERATOR
    )
    tags = _list(NAMED)
    models = _list(MODEL, 1)
    capabilities = _list(_CAPABILITY)
    budget = fields.Nested(BudgetForm, allow_none=True, metadata=_BY_OPERATOR)
    limits = fields.Nested(LimitsForm, metadata=_BY_OPERATOR)
    mode = fields.String(validate=validate.OneOf(["strict", "soft"]), metadata=_BY_OPERATOR)
    on_outage = fields.String(validate=validate.OneOf(["closed", "open"]), metadata=_BY_OPERATOR)
    expires_at = MomentField(allow_none=True, metadata=_BY_OPERATOR)

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        for name in ("alias", "team_id"):
            if name in data:
                data[name] = data[name] or ""
        return {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}


def checked(schema: Schema, given: Mapping[str, Any], **options: Any) -> dict[str, Any]:
    """What a schema makes of the given.

    Raises:
        InvalidRequest: names the first parameter at fault and quotes no value.
    """
    try:
        return dict(schema.load(given, **options))
    except ValidationError as error:
        path, said = _first(error.messages)
        raise InvalidRequest(f"{path}: {said}", param=path) from None


def moment(value: Any) -> datetime:
    """A moment in UTC.

    Raises:
        ValidationError: it is none, or does not say how far from UTC it is.
    """
    if isinstance(value, str) and _MOMENT.fullmatch(value):  # Python's own parser stops at a NUL
        try:
            return datetime.fromisoformat(value).astimezone(UTC)
        except (ValueError, OverflowError):  # the 30th of February; an hour before the first year
            pass
    raise ValidationError("Has to be a moment with its offset, such as 2026-12-31T23:00:00Z.")


def storable(amount: Decimal) -> Decimal:
    """The amount itself.

    Raises:
        ValidationError: it is more than the database holds.
    """
    if amount > from_units(LARGEST):
        raise ValidationError(f"Has to be at most {int(from_units(LARGEST))} US dollars.")
    return amount


def _first(messages: Any) -> tuple[str, str]:
    """The place of the first complaint, and what it says."""
    place: list[str | int] = []
    while isinstance(messages, dict):
        name, messages = next(iter(messages.items()))
        place += [] if name == "_schema" else [name]
    return dotted(tuple(place)), str(messages[0] if isinstance(messages, list) else messages)
