"""The gate: who may enter, in which version, and whether the body can be read at all."""

import hmac
import json
from collections.abc import Collection
from typing import Any

from gateway_infra_simulator.refusal import RefusalError
from gateway_infra_simulator.request import MAX_BODY, Request

VERSIONS = ("2023-06-01", "2026-10-21")

Body = dict[str, Any]


def admit(request: Request, keys: Collection[str]) -> str:
    """The API version of a request with a known key; without keys, any credential will do."""
    _key(request, keys)
    return version_of(request)


def read_object(request: Request) -> Body:
    """The body as a JSON object, read as strictly as the API reads it."""
    if request.too_large:
        raise RefusalError(413, f"Request exceeds the maximum size of {MAX_BODY} bytes")
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding != "identity":
        details = {"error_code": "request_body_encoding_unsupported"}
        raise RefusalError(400, f"content-encoding: '{encoding}' is not supported", details)
    value = read_json(request.body)
    if not isinstance(value, dict):
        raise RefusalError(400, "The request body should be a JSON object")
    return value


def read_json(body: bytes) -> Any:
    """Any JSON, but no NaN, no lone surrogate and no bottomless nesting."""
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_no_constant)
        if b"\\u" in body:
            json.dumps(value, ensure_ascii=False).encode("utf-8")  # a lone surrogate is no text
    except (ValueError, RecursionError) as error:
        raise RefusalError(400, f"The request body is not valid JSON: {error}") from error
    return value


def _key(request: Request, keys: Collection[str]) -> None:
    key = request.headers.get("x-api-key", "")
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else ""
    if not key and not bearer:
        raise RefusalError(401, "x-api-key header is required")
    if key and not known(key, keys):
        raise RefusalError(401, "invalid x-api-key")
    if not key and not known(bearer, keys):
        raise RefusalError(401, "Invalid bearer token")


def known(credential: str, keys: Collection[str]) -> bool:
    """Whether a credential is one of the keys; without keys, any is."""
    return not keys or any(hmac.compare_digest(credential.encode(), key.encode()) for key in keys)


def version_of(request: Request) -> str:
    """What its ``anthropic-version`` header says."""
    version = request.headers.get("anthropic-version")
    if version is None:
        raise RefusalError(400, "anthropic-version: header is required")
    if version not in VERSIONS:
        raise RefusalError(400, f'anthropic-version: "{version}" is not a valid version')
    return version


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
