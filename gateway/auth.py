"""The built-in way to know who asks: one master key from the configuration, or nobody's when there is none."""

import hmac
import secrets
from collections.abc import Mapping

from gateway.call import Permissions, Principal
from gateway.errors import Unauthenticated
from gateway.hookspecs import hookimpl
from gateway.secret import Secret

HEADERS = ("authorization", "x-api-key", "api-key", "x-litellm-api-key")
"""Headers that may carry a credential; the official clients and Claude Code use the first two."""

SAMPLE_KEYS = frozenset({"sk-1234", "sk-12345", "sk-test", "sk-master", "changeme", "change-me", "your-master-key"})
"""Keys that stand in everybody's documentation."""

MASTER = Principal("master", alias="master", permissions=Permissions(operator=True))
ANYBODY = Principal("anonymous", alias="anonymous", permissions=Permissions(operator=True))
"""Whoever asks a gateway without a key; it is the operator's own machine, or the operator's own decision."""


class MasterKey:
    """Knows the master key.

    Args:
        key: the key; None lets everybody in.
    """

    def __init__(self, key: Secret | None) -> None:
        self._key = None if key is None else key.reveal().encode()

    @hookimpl(trylast=True)
    def authenticate_request(self, credential: str | None) -> Principal | None:
        """The operator behind the master key, compared as bytes in constant time."""
        if self._key is None:
            return ANYBODY
        if credential is not None and hmac.compare_digest(credential.encode("latin-1", "replace"), self._key):
            return MASTER
        return None


def read_credential(headers: Mapping[str, str]) -> str | None:
    """The one credential of a request, wherever it stands.

    Raises:
        Unauthenticated: two headers carry different ones.
    """
    found = {_bare(headers[name]) for name in HEADERS if headers.get(name)}
    if len(found) > 1:
        raise Unauthenticated("The request carries two different keys; send one, in one header.")
    return next(iter(found), None)


def unauthenticated() -> Unauthenticated:
    """One text, whatever was wrong with the key."""
    return Unauthenticated("No valid key. Send yours as 'Authorization: Bearer KEY' or 'x-api-key: KEY'.")


def generate_key() -> Secret:
    """A new master key with 256 bits of chance."""
    return Secret("sk-" + secrets.token_urlsafe(32))


def _bare(value: str) -> str:
    """The key without its scheme; any scheme but Bearer stays, and so never matches."""
    scheme, _, key = value.strip().partition(" ")
    return key.strip() if scheme.lower() == "bearer" else value.strip()
