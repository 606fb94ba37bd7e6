"""The fault: what an exception of Bedrock means, whether it came as a status or as a frame of a stream. Pure.

Source: botocore service model ``bedrock-runtime`` (exceptions and statuses); AWS general reference, "Common errors".
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway import Event, Fault, strictjson

EXCEPTIONS: Mapping[str, tuple[int, str]] = {
    "ValidationException": (400, "invalid_request_error"),
    "ServiceQuotaExceededException": (429, "rate_limit_error"),
    "AccessDeniedException": (403, "permission_error"),
    "ResourceNotFoundException": (404, "not_found_error"),
    "ModelTimeoutException": (408, "timeout_error"),
    "ModelErrorException": (424, "api_error"),
    "ModelStreamErrorException": (424, "api_error"),
    "ModelNotReadyException": (429, "overloaded_error"),
    "ThrottlingException": (429, "rate_limit_error"),
    "InternalServerException": (500, "api_error"),
    "ServiceUnavailableException": (503, "overloaded_error"),
}
"""Status and type that a client sees. A quota is told as 400, but it is the account's and not the request's fault."""

CREDENTIAL = frozenset({
    "UnrecognizedClientException", "InvalidSignatureException", "SignatureDoesNotMatch", "ExpiredTokenException",
    "ExpiredToken", "InvalidClientTokenId", "MissingAuthenticationToken", "MissingAuthenticationTokenException",
    "IncompleteSignature", "IncompleteSignatureException", "RequestExpired", "NotAuthorizedException",
})  # fmt: skip
"""Exceptions that say that the host did not accept who we are."""

_KINDS: Mapping[int, str] = {408: "timeout_error", 503: "overloaded_error"}
"""Types for statuses that the Messages API does not use itself."""

FORBIDDEN = 403

_REFUSED_KEY = re.compile(
    r"api key is valid|bearer token|security token included|signature we calculated", re.IGNORECASE
)
"""Wordings of a refused credential that come under the name of another exception, or under none."""
_ON_DEMAND = re.compile(r"on-demand throughput isn.t supported", re.IGNORECASE)
_MODEL_ID = re.compile(r"\banthropic\.[\w.:-]*\w")

PERMISSION = "The operator of this gateway has to grant its AWS identity this permission, and its account this model."


def read(usual: Fault, headers: Mapping[str, str], body: bytes) -> Fault:
    """What an answer with an error's status means; ``usual`` is what can be said of its status alone."""
    told = strictjson.object_or_empty(body)
    name = _name(headers.get("x-amzn-errortype") or told.get("__type") or told.get("code"))
    status, kind = EXCEPTIONS.get(name, (usual.status, _KINDS.get(usual.status, usual.kind)))
    message = _message(told) or usual.message
    return replace(
        usual,
        status=status,
        kind=kind,
        message=_with_remedy(status, message),
        ours=usual.ours or name in CREDENTIAL or (status == FORBIDDEN and bool(_REFUSED_KEY.search(message))),
        details=_details(told),
    )


def event(name: str, payload: Mapping[str, Any]) -> Event:
    """The error event for an exception in the middle of a stream; one that nobody knows is an ``api_error``."""
    kind = EXCEPTIONS.get(name[:1].upper() + name[1:], (500, "api_error"))[1]
    message = _message(payload) or "The host ended the stream with an error."
    return Event.of({"type": "error", "error": {"type": kind, "message": message}})


def _name(value: Any) -> str:
    """The exception's bare name: without the namespace before it and the address behind it."""
    return str(value or "").partition(":")[0].rpartition("#")[2]


def _message(told: Mapping[str, Any]) -> str:
    """The host's own wording; the identity layer writes its name with a capital letter."""
    for name in ("message", "Message", "originalMessage"):
        if isinstance(told.get(name), str) and told[name].strip():
            return str(told[name])
    return ""


def _with_remedy(status: int, message: str) -> str:
    """The wording as it came, and behind it what helps where the wording does not say so."""
    if _ON_DEMAND.search(message):
        model = _MODEL_ID.search(message)
        example = f", such as global.{model[0]}" if model else ""
        return f"{message} Use an inference profile: the id with a prefix such as `us.` or `global.`{example}."
    return f"{message} {PERMISSION}" if status == FORBIDDEN else message


def _details(told: Mapping[str, Any]) -> dict[str, Any]:
    """The status that the model itself gave, where the host says so."""
    original = told.get("originalStatusCode")
    return {"original_status": original} if isinstance(original, int) else {}
