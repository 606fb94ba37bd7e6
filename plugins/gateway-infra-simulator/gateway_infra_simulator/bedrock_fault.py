"""Faults of Bedrock: its exceptions by name, their statuses, and the bodies and headers that carry them."""

import uuid
from typing import Any

from gateway_infra_simulator.refusal import RefusalError
from gateway_infra_simulator.response import Headers, Response, json_response

Body = dict[str, Any]

STATUSES = {
    "ValidationException": 400,
    "ServiceQuotaExceededException": 400,
    "IncompleteSignatureException": 400,
    "AccessDeniedException": 403,
    "ExpiredTokenException": 403,
    "InvalidSignatureException": 403,
    "MissingAuthenticationTokenException": 403,
    "UnrecognizedClientException": 403,
    "ResourceNotFoundException": 404,
    "UnknownOperationException": 404,
    "ModelTimeoutException": 408,
    "ModelErrorException": 424,
    "ModelStreamErrorException": 424,
    "ModelNotReadyException": 429,
    "ThrottlingException": 429,
    "InternalServerException": 500,
    "ServiceUnavailableException": 503,
}
"""Source: botocore's model of bedrock-runtime, and for the signing errors the common errors of AWS's APIs."""

NAMES = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    402: "AccessDeniedException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    413: "ValidationException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
    504: "ModelTimeoutException",
    529: "ServiceUnavailableException",
}
"""What a script's status is on this host."""

FRAMES = {
    "invalid_request_error": "validationException",
    "rate_limit_error": "throttlingException",
    "overloaded_error": "serviceUnavailableException",
    "timeout_error": "modelTimeoutException",
    "api_error": "internalServerException",
}
"""The exception frame of an error within a stream; any other kind is a ``modelStreamErrorException``."""

_SUFFIX = ":http://internal.amazon.com/coral/com.amazon.bedrock/"
"""What follows the name in the header."""


class FaultError(RefusalError):
    """A refusal by AWS itself, before the model's own rules are asked.

    Attributes:
        name: of the exception.
        key: of the text in the body; the layer that checks bearer keys writes it large.
    """

    def __init__(self, name: str, message: str, key: str = "message") -> None:
        super().__init__(STATUSES[name], message)
        self.name = name
        self.key = key


def invalid(message: str) -> FaultError:
    """A ValidationException."""
    return FaultError("ValidationException", message)


def identity(request_id: str) -> Headers:
    """The header that every answer carries."""
    return (("x-amzn-requestid", str(uuid.uuid5(uuid.NAMESPACE_URL, request_id))),)


def fault_response(fault: FaultError, request_id: str) -> Response:
    """A refusal by AWS."""
    return _response(fault.status, fault.name, {fault.key: fault.message}, identity(request_id))


def error_response(status: int, error: Body, headers: Headers) -> Response:
    """A script's error; its type may name an exception of Bedrock, else its status decides."""
    kind = str(error["type"])
    if kind.endswith("Exception"):
        name = kind[:1].upper() + kind[1:]
        return _response(STATUSES.get(name, status), name, _payload(name, error), headers)
    name = NAMES.get(status, "InternalServerException")
    return _response(STATUSES[name] if status in NAMES else status, name, _payload(name, error), headers)


def frame_name(kind: str, *, times_out: bool = True) -> str:
    """The exception frame of an error's type; converse-stream has none for a timeout."""
    name = kind if str(kind).endswith("Exception") else FRAMES.get(kind, "modelStreamErrorException")
    return name if times_out or name != "modelTimeoutException" else "modelStreamErrorException"


def payload(name: str, error: Body) -> Body:
    """The JSON of an exception frame."""
    return _payload(name[:1].upper() + name[1:], error)


def _payload(name: str, error: Body) -> Body:
    body = {"message": error["message"]}
    if name in ("ModelErrorException", "ModelStreamErrorException"):
        return body | {"originalStatusCode": 500}
    return body


def _response(status: int, name: str, body: Body, headers: Headers) -> Response:
    return json_response(status, body, (("x-amzn-errortype", f"{name}{_SUFFIX}"), *headers))
