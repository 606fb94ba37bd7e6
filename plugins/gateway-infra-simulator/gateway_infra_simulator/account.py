"""The service account: its key pair, the file that describes it, and its signature on an assertion.

The pair takes a moment to make; it is made when it is first needed, once for the whole process.
"""

import base64
import binascii
import json
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

Body = dict[str, Any]

KEY_ID = "51a7ed00000000000000000000000000000000ff"


class InvalidAssertionError(Exception):
    """An assertion that the account did not sign, or that is none."""


def email(project: str) -> str:
    """The name of the account."""
    return f"simulated@{project}.iam.gserviceaccount.com"


def described(project: str, url: str) -> Body:
    """The service-account file as Google's console gives it out, with the simulator at ``url`` as its token endpoint.

    Raises:
        RuntimeError: the package ``cryptography`` is missing.
    """
    return {
        "type": "service_account",
        "project_id": project,
        "private_key_id": KEY_ID,
        "private_key": _pem(),
        "client_email": email(project),
        "client_id": "100000000000000000000",
        "auth_uri": f"{url}/o/oauth2/auth",
        "token_uri": f"{url}/token",
        "universe_domain": "googleapis.com",
    }


def claims(assertion: str) -> Body:
    """What an RS256 assertion says, once its signature has been verified.

    Raises:
        InvalidAssertionError: it is malformed or signed by somebody else.
        RuntimeError: the package ``cryptography`` is missing.
    """
    signed, _, signature = assertion.rpartition(".")
    try:
        head, said = (json.loads(_decoded(part)) for part in signed.split("."))
        found = _decoded(signature)
    except ValueError as error:
        raise InvalidAssertionError("it is no JWT") from error
    if not isinstance(head, dict) or not isinstance(said, dict) or head.get("alg") != "RS256":
        raise InvalidAssertionError("it is not signed by RS256")
    _verify(found, signed.encode())
    return said


def _verify(signature: bytes, signed: bytes) -> None:
    key = _key().public_key()
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415  # an extra; _key() has found it
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415  # also of the extra
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415  # also of the extra

    try:
        key.verify(signature, signed, PKCS1v15(), SHA256())
    except InvalidSignature as error:
        raise InvalidAssertionError("the signature is not the account's") from error


def _decoded(part: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except binascii.Error as error:
        raise ValueError("no base64") from error


@cache
def _key() -> "RSAPrivateKey":
    try:
        from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415  # an extra of this package
    except ImportError as error:
        raise RuntimeError("Vertex AI takes the extra: pip install 'gateway-infra-simulator[vertex]'") from error
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def _pem() -> str:
    key = _key()
    from cryptography.hazmat.primitives import serialization as form  # noqa: PLC0415  # an extra; _key() has found it

    pem = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    return pem.decode()
