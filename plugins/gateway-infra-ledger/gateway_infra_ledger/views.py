"""``GET /calls/<id>``: what a call cost, and why."""

from flask import Blueprint, Response

from gateway import Refusal, strictjson
from gateway.views import KEY, access, principal
from gateway_infra_ledger.lookup import Lookup
from gateway_infra_ledger.record import call_dict


class UnknownCall(Refusal):
    """There is no such call, or it is another key's; one text for both."""

    status = 404
    code = "unknown_call"


def blueprint(lookup: Lookup) -> Blueprint:
    """The ledger's views."""
    views = Blueprint("ledger", __name__)

    @views.get("/calls/<call_id>")
    @access(KEY)
    def call(call_id: str) -> Response:
        who = principal()
        found = lookup.call(call_id, None if who.permissions.operator else who.key_id)
        if not found:
            raise UnknownCall("The ledger has no such call of this key.")
        body = strictjson.dumps(call_dict(call_id, found))
        return Response(body, mimetype="application/json", headers={"cache-control": "no-store"})

    return views
