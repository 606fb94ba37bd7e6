"""The built-in way to know who asks: one master key from the configuration, or nobody's when there is none."""

import hmac
import secrets
from collections.abc import Mapping
from ipaddress import ip_address

from gateway.call import Permissions, Principal
from gateway.errors import Forbidden, Unauthenticated
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
        anywhere: without a key, other names than this machine's are fine too, because the operator said so.
    """

    def __init__(self, key: Secret | None, *, anywhere: bool = False) -> None:
        self._key = None if key is None else key.reveal().encode()
        self._anywhere = anywhere

    @hookimpl(trylast=True)
    def authenticate_request(self, credential: str | None, headers: Mapping[str, str]) -> Principal | None:
        """The operator behind the master key, compared as bytes in constant time."""
        if self._key is None:
            self._refuse_web_pages(headers)
            return ANYBODY
        if credential is not None and hmac.compare_digest(credential.encode("latin-1", "replace"), self._key):
            return MASTER
        return None

    def _refuse_web_pages(self, headers: Mapping[str, str]) -> None:
        """Without a key, a page in the operator's browser could spend, by its own name or by one that points here."""
        foreign = headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
        named = headers.get("host", "") and not is_numeric(headers["host"])
        if foreign or "origin" in headers or (named and not self._anywhere):
            raise Forbidden("This gateway has no key, so it serves no web pages and only this machine's own names.")


def is_numeric(host: str) -> bool:
    """Whether a host, with or without its port, is an address or this machine's own name, not a name from the DNS."""
    name = host.rsplit(":", 1)[0] if host.count(":") == 1 else host.partition("]")[0]
    if name.lower() == "localhost":
        return True
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


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
