"""Errors in OpenAI's envelope, with the codes that its clients test for.

Sources: OpenAI API reference, "Error codes"; Messages API reference, "Errors".
"""

from collections.abc import Mapping
from typing import Any

from gateway import GatewayError

_QUOTA = ("insufficient_quota", "insufficient_quota")
_INVALID = "invalid_request_error"

_BY_KIND: Mapping[str, tuple[str, str | None]] = {
    "authentication_error": (_INVALID, "invalid_api_key"),
    "billing_error": _QUOTA,
    "conflict_error": (_INVALID, None),
    "invalid_request_error": (_INVALID, None),
    "not_found_error": (_INVALID, "model_not_found"),
    "not_supported": (_INVALID, "not_supported"),
    "overloaded_error": ("server_error", "overloaded"),
    "permission_error": ("permission_error", "permission_denied"),
    "rate_limit_error": ("rate_limit_error", "rate_limit_exceeded"),
    "request_too_large": (_INVALID, "request_too_large"),
    "timeout_error": ("server_error", "timeout"),
}
"""Kinds of the Messages API to type and code; any other is a server's error without a code."""

_BY_CODE: Mapping[str, str] = {
    "unknown_parameter": "unknown_parameter",
    "unsupported_capability": "unsupported_parameter",
}
"""Our own machine words that OpenAI has a code for where the kind alone says too little."""

_TOO_LONG = "prompt is too long"


def error_object(error: GatewayError) -> dict[str, Any]:
    """The envelope; its message is the host's own wording where the host refused."""
    kind, code = _type_and_code(error)
    body: dict[str, Any] = {"message": error.message, "type": kind, "param": error.param, "code": code}
    if error.details:
        body["details"] = error.details
    return {"error": body}


def _type_and_code(error: GatewayError) -> tuple[str, str | None]:
    kind, code = _BY_KIND.get(error.kind, ("server_error", None))
    if kind == _INVALID and error.message.lower().startswith(_TOO_LONG):
        return kind, "context_length_exceeded"
    return kind, _BY_CODE.get(error.code, code)
