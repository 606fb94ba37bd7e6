"""Claude on Microsoft Foundry as a host: Anthropic's dialect behind Azure's address, keys and identities.

Sources: Anthropic's and Microsoft's pages on Claude in Foundry; Anthropic SDK 2.12, ``lib/foundry``.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

from marshmallow import Schema, ValidationError, fields, validate
from requests.auth import AuthBase

from gateway import (
    Bearer,
    Call,
    ConfigError,
    Deployment,
    Fault,
    HttpUrl,
    Outbound,
    Provider,
    Rows,
    SecretField,
    hookimpl,
    rows,
    strictjson,
)
from gateway_provider_azure_ai import platform
from gateway_provider_azure_ai.platform import PlatformError
from gateway_provider_azure_ai.signer import REMEDIES, SCOPE, Signers

BASE_VARIABLE = "AZURE_AI_API_BASE"
FORBIDDEN = 403
FAST = "claude-*-fast"
"""Names of models whose deployments are fast without being asked (LiteLLM price list)."""


class Settings(Schema):
    """What a deployment may say: where the resource is, and who signs. LiteLLM's names where it has one."""

    api_key = SecretField(load_default=None)
    api_base = HttpUrl(load_default=None)
    azure_ad_token = SecretField(load_default=None)
    azure_credential = fields.Str(load_default=None, validate=validate.OneOf(list(REMEDIES)))
    tenant_id = fields.Str(load_default=None)
    client_id = fields.Str(load_default=None)
    client_secret = SecretField(load_default=None)
    azure_scope = fields.Str(load_default=SCOPE)
    data_zone = fields.Str(load_default=None, validate=validate.OneOf(["us"]))


class AzureAi(Provider):
    """Speaks to the Claude deployments of a Foundry resource."""

    name = "azure_ai"
    settings = Settings
    passes_unknown_betas = True

    def __init__(self) -> None:
        self._signers = Signers()

    def check(self, deployment: Deployment) -> None:
        """A deployment needs an address and somebody who signs, of its own or from the usual variables."""
        _base(deployment)
        self.auth(deployment)

    def auth(self, deployment: Deployment) -> AuthBase:
        """The deployment's key or identity, else the key in the variable that LiteLLM reads."""
        return self._signers.find(deployment.settings)

    def refused(self, deployment: Deployment) -> bool:
        """A token may be revoked before its hour is over; a key stays what it is."""
        signer = self.auth(deployment)
        return isinstance(signer, Bearer) and signer.forget()

    def private(self, deployment: Deployment) -> Iterable[str]:
        """The resource's host and name, and the ids of the identity."""
        settings, host = deployment.settings, urlsplit(_base(deployment)).hostname or ""
        resource = host.partition(".")[0] if host.endswith(".azure.com") else ""
        return [word for word in (host, resource, settings["tenant_id"], settings["client_id"]) if word]

    def encode(self, call: Call) -> Outbound:
        """The body as it is, under the deployment's name in Foundry."""
        return self._post(call, "/v1/messages")

    def encode_count(self, call: Call) -> Outbound:
        """The prompt, which the core has freed of what takes no part in counting."""
        return self._post(call, "/v1/messages/count_tokens")

    def served(self, call: Call) -> Mapping[str, str]:
        """What the type of the deployment decides and no answer tells: the place, and the speed."""
        zone = call.host.settings["data_zone"]
        place = {"inference_geo": zone} if zone else {}
        return place | ({"speed": "fast"} if fnmatchcase(call.host.priced_as, FAST) else {})

    def request_id(self, headers: Mapping[str, str]) -> str:
        """Claude's own id; the platform's where the request did not get that far."""
        names = ("request-id", "apim-request-id", "x-ms-request-id")
        return next((headers[name] for name in names if headers.get(name)), "")

    def fault(self, status: int, headers: Mapping[str, str], body: bytes) -> Fault:
        """Claude's errors as they are; the platform's in its words, under the kind that the status has."""
        error = PlatformError.read(body)
        fault = super().fault(status, _timed(headers), b"" if error else body)
        if error is None:
            return fault
        return replace(
            fault,
            kind=platform.KINDS.get(status, fault.kind),
            message=error.told(status),
            should_retry=False if status == FORBIDDEN else fault.should_retry,  # no client can cure it
            details=error.details,
        )

    def _post(self, call: Call, path: str) -> Outbound:
        headers = {**self.headers(call), "anthropic-version": call.version}
        if call.betas:
            headers["anthropic-beta"] = ",".join(call.betas)
        body: dict[str, Any] = {**call.body, "model": call.host.upstream}
        return Outbound("POST", _base(call.host) + path, headers, strictjson.dumps(body))


class AzureAiPlugin:
    """Brings the provider and what its models cost."""

    @hookimpl
    def register_provider(self) -> Provider:
        """Claude on Microsoft Foundry."""
        return AzureAi()

    @hookimpl
    def register_catalog(self) -> Rows:
        """Models, base rates, meters, and what the host does with betas and fields."""
        return rows(__package__)


def _base(deployment: Deployment) -> str:
    """Where the API is, up to ``/v1``: the resource or a proxy, to which ``/anthropic`` is added where it lacks.

    An address that ends in ``/v1`` or ``/v1/messages`` below a path of its own names the API whole: nothing is added.

    Raises:
        ConfigError: nobody says where.
    """
    given = deployment.settings["api_base"] or _usual_base()
    base = given.rstrip("/")
    stem = base.removesuffix("/v1/messages").removesuffix("/v1").rstrip("/")
    whole = stem.endswith("/anthropic") or (stem != base and urlsplit(stem).path)
    return stem if whole else f"{stem}/anthropic"


def _usual_base() -> str:
    usual = os.environ.get(BASE_VARIABLE, "").strip()
    if not usual:
        raise ConfigError(f"it names no api_base, and the environment variable {BASE_VARIABLE} is not set.")
    try:
        return str(HttpUrl().deserialize(usual))
    except ValidationError as error:
        raise ConfigError(f"{BASE_VARIABLE}: {error.messages[0]}") from None


def _timed(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that a fault is read from; milliseconds, where the platform gives them, in place of whole seconds."""
    told = {name: headers.get(name, "") for name in ("retry-after", "x-should-retry")}
    try:
        return {**told, "retry-after": str(float(headers["retry-after-ms"]) / 1000)}
    except (KeyError, ValueError):
        return told
