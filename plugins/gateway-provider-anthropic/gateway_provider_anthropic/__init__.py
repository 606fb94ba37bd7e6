"""The Anthropic API as a host: the dialect spoken plainly, so the envelope is thin.

Sources: Anthropic Messages API reference ("Versioning", "Errors", "Count tokens"), Anthropic SDK types 2.12.
"""

import os
from collections.abc import Mapping
from typing import Any

from marshmallow import Schema
from requests import PreparedRequest
from requests.auth import AuthBase

from gateway import (
    Call,
    ConfigError,
    Deployment,
    HttpUrl,
    Outbound,
    Provider,
    Rows,
    Secret,
    SecretField,
    hookimpl,
    rows,
    strictjson,
)

PUBLIC = "https://api.anthropic.com"
KEY_VARIABLE = "ANTHROPIC_API_KEY"


class Settings(Schema):
    """What a deployment may say: a key (else the usual variable), and where the API is."""

    api_key = SecretField(load_default=None)
    api_base = HttpUrl(load_default=None)


class ApiKey(AuthBase):
    """Signs with the deployment's key; both versions of the API take this header."""

    def __init__(self, key: Secret) -> None:
        self._key = key

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Add the key to the finished request."""
        request.headers["x-api-key"] = self._key.reveal()
        return request


class Anthropic(Provider):
    """Speaks to the Anthropic API, or to whatever speaks like it at ``api_base``."""

    name = "anthropic"
    settings = Settings
    passes_unknown_betas = True

    def check(self, deployment: Deployment) -> None:
        """A deployment without a key of its own needs the usual variable."""
        _key(deployment)

    def auth(self, deployment: Deployment) -> AuthBase:
        """The deployment's key, else the variable that Anthropic's own tools read."""
        return ApiKey(_key(deployment))

    def encode(self, call: Call) -> Outbound:
        """The body as it is, under the upstream's name for the model."""
        return self._post(call, "/v1/messages", {**call.body, "model": call.host.upstream})

    def encode_count(self, call: Call) -> Outbound:
        """The prompt, which the core has freed of what takes no part in counting."""
        return self._post(call, "/v1/messages/count_tokens", {**call.body, "model": call.host.upstream})

    def _post(self, call: Call, path: str, body: Mapping[str, Any]) -> Outbound:
        headers = {**self.headers(call), "anthropic-version": call.version}
        if call.betas:
            headers["anthropic-beta"] = ",".join(call.betas)
        return Outbound("POST", _base(call.host) + path, headers, strictjson.dumps(body))


class AnthropicPlugin:
    """Brings the provider and what its models cost."""

    @hookimpl
    def register_provider(self) -> Provider:
        """The Anthropic API."""
        return Anthropic()

    @hookimpl
    def register_catalog(self) -> Rows:
        """Models, base rates and meters."""
        return rows(__package__)


def _base(deployment: Deployment) -> str:
    """Where the API is: with or without ``/v1`` and ``/v1/messages`` at its end."""
    base = deployment.settings["api_base"] or os.environ.get("ANTHROPIC_API_BASE") or PUBLIC
    return str(base).rstrip("/").removesuffix("/messages").removesuffix("/v1")


def _key(deployment: Deployment) -> Secret:
    own: Secret | None = deployment.settings["api_key"]
    usual = os.environ.get(KEY_VARIABLE, "").strip()
    if own is None and not usual:
        raise ConfigError(f"it names no api_key, and the environment variable {KEY_VARIABLE} is not set.")
    return own or Secret(usual)
