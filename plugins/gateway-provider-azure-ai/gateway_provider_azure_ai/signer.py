"""Who signs for a deployment: its API key, or an identity of Microsoft Entra ID whose token is kept and renewed."""

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from requests import PreparedRequest
from requests.auth import AuthBase

from gateway import Bearer, ConfigError, Secret, Token, Unidentified

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

KEY_VARIABLE = "AZURE_AI_API_KEY"
SCOPE = "https://ai.azure.com/.default"
"""What a token has to be for (Anthropic's and Microsoft's pages on Claude in Foundry; older ones name another)."""

PATIENCE: Mapping[str, Any] = {"connection_timeout": 5, "read_timeout": 10, "retry_total": 1}
"""Seconds for each of two tries at an identity service; azure-identity would wait 300, with a client waiting."""

REMEDIES: Mapping[str, str] = {
    "client_secret": "tenant_id, client_id and client_secret",
    "workload_identity": "the federated credential of client_id, and the file that AZURE_FEDERATED_TOKEN_FILE names",
    "managed_identity": "the identity that is assigned to this machine, and client_id if there are several",
    "default": "the identities that this process finds in its environment",
}
"""What azure-identity can be told to use, and what its operator has to check when that fails."""

PASSING = frozenset({"AADSTS90006", "AADSTS90024", "AADSTS90033"})
"""Refusals by Entra that it calls transient (Microsoft Entra authentication error codes)."""


class ApiKey(AuthBase):
    """Signs with a key of the resource. The official clients send it in two headers; the endpoint reads this one."""

    def __init__(self, key: Secret) -> None:
        self._key = key

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Add the key to the finished request."""
        request.headers["x-api-key"] = self._key.reveal()
        return request


@dataclass(frozen=True, slots=True)
class Identity:
    """An identity of Microsoft Entra ID.

    Attributes:
        kind: where its proof comes from, one of ``REMEDIES``.
        tenant, client: ids; empty where azure-identity finds them by itself.
        secret: the client's secret, for that kind.
        scope: what its tokens are for.
    """

    kind: str
    tenant: str
    client: str
    secret: Secret | None
    scope: str

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "Identity | None":
        """The identity that a deployment names; None when it names none."""
        own = [settings["tenant_id"], settings["client_id"], settings["client_secret"]]
        if not settings["azure_credential"] and not any(own):
            return None
        kind = settings["azure_credential"] or "client_secret"
        tenant, client, secret = own
        if kind == "client_secret":
            tenant, client = tenant or _variable("AZURE_TENANT_ID"), client or _variable("AZURE_CLIENT_ID")
            secret = secret or Secret(_variable("AZURE_CLIENT_SECRET"))
        return cls(kind, tenant or "", client or "", secret, settings["azure_scope"])


class Signers:
    """Finds who signs for a deployment. Deployments of one identity share its token."""

    def __init__(self) -> None:
        self._bearers: dict[Identity, Bearer] = {}

    def find(self, settings: Mapping[str, Any]) -> AuthBase:
        """The signer of a deployment with these settings.

        Raises:
            ConfigError: it names none, or two, or one that cannot work.
        """
        key, token, identity = settings["api_key"], settings["azure_ad_token"], Identity.of(settings)
        if sum(way is not None for way in (key, token, identity)) > 1:
            raise ConfigError("it names more than one of api_key, azure_ad_token and an identity of Entra ID.")
        if identity is not None:
            return self._bearer(identity)
        if token is not None:
            return Bearer(lambda: Token(token.reveal(), math.inf))
        return ApiKey(key or _usual_key())

    def _bearer(self, identity: Identity) -> Bearer:
        if identity not in self._bearers:
            fetch = partial(_fetch, credential(identity), identity)
            self._bearers.setdefault(identity, Bearer(fetch))  # azure-identity renews 300 s early, before a Bearer asks
        return self._bearers[identity]


def credential(identity: Identity) -> "TokenCredential":
    """The credential of azure-identity; making it opens no connection.

    Raises:
        ConfigError: the library is missing, or something that it needs.
    """
    try:
        library = import_module("azure.identity")  # an extra, for those who use it
    except ImportError:
        raise ConfigError(
            "Entra ID needs azure-identity, which is not installed: pip install 'gateway-provider-azure-ai[entra]'."
        ) from None
    try:
        return _made(library, identity)
    except ValueError as error:
        raise ConfigError(f"azure_credential {identity.kind}: {error}") from None


def _made(library: Any, one: Identity) -> "TokenCredential":
    tenant, client = one.tenant or None, one.client or None
    # Whoever names another authority trusts it; asking the public cloud about a private one would only leak its name.
    known = {"disable_instance_discovery": True} if _variable("AZURE_AUTHORITY_HOST") else {}
    made: TokenCredential
    if one.kind == "client_secret":
        secret = one.secret.reveal() if one.secret else ""
        made = library.ClientSecretCredential(tenant, client, secret, **known, **PATIENCE)
    elif one.kind == "workload_identity":
        made = library.WorkloadIdentityCredential(tenant_id=tenant, client_id=client, **PATIENCE)
    elif one.kind == "managed_identity":
        made = library.ManagedIdentityCredential(client_id=client, **PATIENCE)
    else:
        named = {"managed_identity_client_id": client, "workload_identity_tenant_id": tenant}
        given = {name: value for name, value in named.items() if value}  # a None would switch off the environment's
        made = library.DefaultAzureCredential(**given, **known, **PATIENCE)
    return made


def _fetch(source: "TokenCredential", identity: Identity) -> Token:
    try:
        token = source.get_token(identity.scope)
    except Exception as error:  # of azure-core, of MSAL, of the token file: all mean that there is no token
        found = re.search(r"AADSTS\d+", str(error))
        code = found.group() if found else ""
        told, remedy = f" ({code})" if code else "", REMEDIES[identity.kind]
        raise Unidentified(
            f"Microsoft Entra ID gave this gateway no token{told}; its operator has to check {remedy}.",
            retry=not code or code in PASSING,
        ) from error
    return Token(token.token, token.expires_on)


def _usual_key() -> Secret:
    usual = _variable(KEY_VARIABLE)
    if not usual:
        raise ConfigError(
            f"it names no api_key and no azure_credential, and the environment variable {KEY_VARIABLE} is not set."
        )
    return Secret(usual)


def _variable(name: str) -> str:
    return os.environ.get(name, "").strip()
