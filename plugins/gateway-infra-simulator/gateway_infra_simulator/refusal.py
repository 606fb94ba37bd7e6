"""A refusal: the error that the real API would answer, raised wherever a request breaks one of its rules."""

from http import HTTPStatus
from typing import Any

KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""The error type that goes with a status."""

STATUSES = {kind: status for status, kind in reversed(KINDS.items())}
"""The status that goes with an error type."""


def kind_of(status: int) -> str:
    """The error type of any status, also of those that the API does not document."""
    return KINDS.get(status, "invalid_request_error" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "api_error")


class RefusalError(Exception):
    """An HTTP error in the API's own shape.

    Attributes:
        status: the HTTP status.
        message: what the client reads; clients key their recovery on its wording.
        details: machine-readable facts, such as ``{"error_code": ...}``.
    """

    def __init__(self, status: int, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.details = details

    @property
    def error(self) -> dict[str, Any]:
        """The inner object of the error body."""
        error: dict[str, Any] = {"type": kind_of(self.status), "message": self.message}
        return error if self.details is None else error | {"details": self.details}

    def body(self, request_id: str, /) -> dict[str, Any]:
        """The whole error body; refusals by the host itself have another."""
        return error_body(self.error, request_id)


def error_body(error: dict[str, Any], request_id: str) -> dict[str, Any]:
    """An error in the API's shape."""
    return {"type": "error", "error": error, "request_id": request_id}


def bad(path: str, text: str) -> RefusalError:
    """A 400 about one field, in the API's style ``path: text``."""
    return RefusalError(400, f"{path}: {text}")
