"""What Vertex AI's errors mean: Claude's own have the Messages API's shape, Google's have Google's.

Google's is ``{"error": {"code": 429, "message": "...", "status": "RESOURCE_EXHAUSTED", "details": [...]}}``, sometimes
alone in an array. Sources: google.rpc.Code and google.rpc.RetryInfo; Google Cloud API design guide, "Errors".
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from gateway import Fault, strictjson

MEANINGS: Mapping[str, tuple[int, str]] = {
    "INVALID_ARGUMENT": (400, "invalid_request_error"),
    "FAILED_PRECONDITION": (400, "invalid_request_error"),
    "OUT_OF_RANGE": (400, "invalid_request_error"),
    "UNAUTHENTICATED": (401, "authentication_error"),
    "PERMISSION_DENIED": (403, "permission_error"),
    "NOT_FOUND": (404, "not_found_error"),
    "ABORTED": (409, "conflict_error"),
    "ALREADY_EXISTS": (409, "conflict_error"),
    "RESOURCE_EXHAUSTED": (429, "rate_limit_error"),
    "CANCELLED": (499, "api_error"),
    "UNKNOWN": (500, "api_error"),
    "INTERNAL": (500, "api_error"),
    "DATA_LOSS": (500, "api_error"),
    "UNIMPLEMENTED": (501, "not_supported"),
    "UNAVAILABLE": (503, "overloaded_error"),
    "DEADLINE_EXCEEDED": (504, "timeout_error"),
}
"""Status and error type for each of Google's words. No client can cure a denied permission."""

WORDS = {401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED"}
"""The word that is meant where only a status is there, and ours would be another."""

DENIED = (
    "The gateway's account lacks a permission on Google Cloud; its operator has to check that it has "
    "aiplatform.endpoints.predict in the project, and that the API, billing and the model are enabled there."
)


def unwrapped(body: bytes) -> bytes:
    """An error without the array that Google puts around some."""
    try:
        value = strictjson.loads_lenient(body)
    except ValueError:
        return body
    return strictjson.dumps(value[0]) if isinstance(value, list) and value else body


def meant(plain: Fault, status: int, body: bytes) -> Fault:
    """A fault as Google means it.

    Args:
        plain: the same as the Messages API would mean it.
        status: the HTTP status.
        body: the unwrapped body.
    """
    error = _error(body)
    word = error.get("status")
    if not isinstance(word, str) or word not in MEANINGS:
        word = "" if isinstance(error.get("type"), str) else WORDS.get(status, "")
    if not word:
        return plain
    seen, kind = MEANINGS[word]
    facts = {"status": word, **dict(_reasons(error))}
    delay = next(_delays(error), None) if plain.retry_after is None else plain.retry_after
    told = replace(plain, status=seen, kind=kind, ours=word == "UNAUTHENTICATED", retry_after=delay, details=facts)
    return _denied(told, error) if word == "PERMISSION_DENIED" else told


def _denied(fault: Fault, error: Mapping[str, Any]) -> Fault:
    """No client can cure it, and a retry cannot either."""
    words = f"{error['message']} {DENIED}" if isinstance(error.get("message"), str) else DENIED
    return replace(fault, message=words, should_retry=False)


def _error(body: bytes) -> Mapping[str, Any]:
    error = strictjson.object_or_empty(body).get("error")
    return error if isinstance(error, dict) else {}


def _details(error: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    details = error.get("details")
    return (one for one in details if isinstance(one, dict)) if isinstance(details, list) else iter(())


def _reasons(error: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Google's machine word for it; what stands beside it names projects."""
    return (("reason", one["reason"]) for one in _details(error) if isinstance(one.get("reason"), str))


def _delays(error: Mapping[str, Any]) -> Iterator[int]:
    """Whole seconds of a ``retryDelay`` such as ``12.5s``, rounded up."""
    for one in _details(error):
        written = re.fullmatch(r"(\d{1,6}(?:\.\d{1,9})?)s", str(one.get("retryDelay")))
        if written:
            yield math.ceil(float(written[1]))
