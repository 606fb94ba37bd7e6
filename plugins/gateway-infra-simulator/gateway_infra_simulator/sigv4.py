"""Signatures of AWS, version 4: who signed a request, recomputed by botocore's own signer over the bytes that came."""

import hashlib
import hmac
import math
import re
import secrets
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from gateway_infra_simulator.amazon import ACCESS_KEY, SECRET_KEY
from gateway_infra_simulator.request import Request

SKEW = 300.0
"""Seconds by which a signature may be early or late."""

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^,\s]+),\s*SignedHeaders=([^,\s]+),\s*Signature=([0-9a-f]{64})"
)
_STAMP = "%Y%m%dT%H%M%SZ"
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)
_UNKNOWN = "The security token included in the request is invalid."


class UnsignedError(Exception):
    """The request carries no valid signature.

    Attributes:
        code: the name that the error has on AWS's JSON wires.
        message: AWS's text.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Credential:
    """A key pair; with a session token it is temporary.

    Attributes:
        expires: unix seconds.
    """

    access_key: str
    secret_key: str
    token: str = ""
    expires: float = math.inf


DEMO = Credential(ACCESS_KEY, SECRET_KEY)
"""The lasting key pair that is known unless others are given."""


class Keyring:
    """The credentials that are known, lasting ones and those that were issued.

    Args:
        credentials: the lasting ones.
        clock: unix seconds.
    """

    def __init__(self, credentials: Collection[Credential] = (DEMO,), clock: Callable[[], float] = time.time) -> None:
        self._known = {credential.access_key: credential for credential in credentials}
        self._clock = clock
        self._lock = threading.Lock()

    @property
    def now(self) -> float:
        """Unix seconds."""
        return self._clock()

    def add(self, credential: Credential) -> None:
        """One more."""
        with self._lock:
            self._known[credential.access_key] = credential

    def issue(self, lifetime: float) -> Credential:
        """A temporary one, good for so many seconds."""
        credential = Credential(
            f"ASIA{secrets.token_hex(8).upper()}",
            secrets.token_urlsafe(30),
            secrets.token_urlsafe(120),
            self.now + lifetime,
        )
        self.add(credential)
        return credential

    def find(self, access_key: str, token: str) -> Credential:
        """The credential of a key and its session token; UnsignedError if it is unknown or has expired."""
        with self._lock:
            credential = self._known.get(access_key)
        if credential is None or not hmac.compare_digest(credential.token.encode(), token.encode()):
            raise UnsignedError("UnrecognizedClientException", _UNKNOWN)
        if credential.expires <= self.now:
            raise UnsignedError("ExpiredTokenException", "The security token included in the request is expired")
        return credential


@dataclass(frozen=True)
class Signature:
    """An Authorization header taken apart."""

    access_key: str
    date: str
    region: str
    service: str
    terminator: str
    headers: tuple[str, ...]
    digest: str


def verify(request: Request, service: str, keyring: Keyring) -> Credential:
    """The credential by which a request was signed for a service; UnsignedError if it was not, or wrongly."""
    found = _signature(request.headers.get("authorization", ""))
    credential = keyring.find(found.access_key, request.headers.get("x-amz-security-token", ""))
    stamp = request.headers.get("x-amz-date", "")
    _scoped(found, service, stamp)
    _covered(found, request)
    _fresh(stamp, keyring.now)
    _hashed(request)
    if not hmac.compare_digest(_expected(request, found, credential, stamp), found.digest):
        raise UnsignedError("InvalidSignatureException", _MISMATCH)
    return credential


def _signature(header: str) -> Signature:
    if not header:
        raise UnsignedError("MissingAuthenticationTokenException", "Missing Authentication Token")
    match = _AUTHORIZATION.fullmatch(header.strip())
    scope = match[1].split("/") if match else []
    if not match or len(scope) != len(("key", "date", "region", "service", "terminator")):
        raise UnsignedError(
            "IncompleteSignatureException",
            "Authorization header requires 'Credential', 'SignedHeaders' and 'Signature' parameters.",
        )
    access_key, date, region, service, terminator = scope
    return Signature(access_key, date, region, service, terminator, tuple(match[2].split(";")), match[3])


def _scoped(found: Signature, service: str, stamp: str) -> None:
    faults = {
        f"Credential should be scoped to correct service: '{service}'. ": found.service == service,
        "Credential should be scoped with a valid terminator: 'aws4_request'": found.terminator == "aws4_request",
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP": (
            found.date == stamp[:8]
        ),
        "Credential should be scoped to a valid region. ": bool(found.region),
    }
    for text, holds in faults.items():
        _need(text, holds=holds)


def _covered(found: Signature, request: Request) -> None:
    _need("'SignedHeaders' must be lower case and in order", holds=list(found.headers) == sorted(set(found.headers)))
    musts = ("host", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256", "content-type")
    for name in ("host", "x-amz-date", *(name for name in musts if name in request.headers)):
        _need(f"'{name}' must be a 'SignedHeader' in the AWS Authorization.", holds=name in found.headers)
    for name in found.headers:
        _need(f"'{name}' is a 'SignedHeader' but was not sent.", holds=name in request.headers)


def _fresh(stamp: str, now: float) -> None:
    try:
        signed = datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)
    except ValueError:
        raise UnsignedError("IncompleteSignatureException", f"Date must be in ISO-8601 basic format: {stamp}") from None
    read = datetime.fromtimestamp(now, UTC).strftime(_STAMP)
    _need(f"Signature expired: {stamp} is now earlier than {read} - 5 min.", holds=signed.timestamp() >= now - SKEW)
    _need(f"Signature not yet current: {stamp} is later than {read} + 5 min.", holds=signed.timestamp() <= now + SKEW)


def _hashed(request: Request) -> None:
    given = request.headers.get("x-amz-content-sha256")
    holds = given in (None, hashlib.sha256(request.body).hexdigest())
    _need("The provided 'x-amz-content-sha256' header does not match what was computed.", holds=holds)


def _need(text: str, *, holds: bool) -> None:
    if not holds:
        raise UnsignedError("InvalidSignatureException", text)


def _expected(request: Request, found: Signature, credential: Credential, stamp: str) -> str:
    """The signature that the sender must have come to; only the headers that it signed are laid before the signer."""
    headers = {name: request.headers[name] for name in found.headers}
    url = f"http://{request.headers['host']}{request.target}"
    again = AWSRequest(method=request.method, url=url, data=request.body, headers=headers)
    again.context["timestamp"] = stamp
    signer = SigV4Auth(credential, found.service, found.region)
    return str(signer.signature(signer.string_to_sign(again, signer.canonical_request(again)), again))
