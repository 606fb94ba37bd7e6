"""OAuth: the form that a token endpoint reads, and the errors that it gives, by RFC 6749."""

from typing import Any
from urllib.parse import parse_qsl

from gateway_infra_simulator.refusal import RefusalError
from gateway_infra_simulator.request import Request

Body = dict[str, Any]


class OAuthError(RefusalError):
    """A refusal by a token endpoint."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(status, description)
        self._error = error

    def body(self, _request_id: str, /) -> Body:
        """The whole error body."""
        return {"error": self._error, "error_description": self.message}


def fields(request: Request) -> dict[str, str]:
    """The fields of a form; none if the body is of another type."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        return {}
    return dict(parse_qsl(request.body.decode("utf-8", "replace")))
