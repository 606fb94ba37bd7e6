"""Claude on Google Cloud's Vertex AI: the model goes into the URL, the version into the body, a token signs.

Sources: Anthropic "Claude on Vertex AI"; Anthropic SDK 2.12, lib/vertex; Google Cloud "Claude models", "Web search".
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from marshmallow import Schema, ValidationError, fields
from requests import PreparedRequest
from requests.auth import AuthBase

from gateway import (
    Call,
    ConfigError,
    Deployment,
    Event,
    Fault,
    HostAnswer,
    HttpUrl,
    Outbound,
    Provider,
    Rows,
    hookimpl,
    rows,
    strictjson,
)
from gateway_provider_vertex_ai.address import GLOBAL, Address, check_location, check_path, check_project, host, place
from gateway_provider_vertex_ai.fault import meant, unwrapped
from gateway_provider_vertex_ai.identity import CredentialsField, Identities

VERSION = "vertex-2023-10-16"
"""The host's own version word, whatever version the client speaks."""

WEB_SEARCH = "web-search-2025-03-05"
"""The host knows the web search tool only with this token, and its counting refuses it (Google Cloud "Web search";
claude-code issue 12429)."""

OWN_EVENT = "vertex_event"
"""An event of the host's own, with its usage again; the Messages API has no such event (vercel/ai issue 11309)."""

UNTOLD = "project-of-the-credentials"
"""Stands for the project where a request is only explained and nobody reads credentials."""

VARIABLES: Mapping[str, Sequence[str]] = {
    "api_base": ("VERTEX_API_BASE", "VERTEXAI_API_BASE"),
    "vertex_project": ("VERTEX_PROJECT", "VERTEXAI_PROJECT", "GOOGLE_CLOUD_PROJECT", "ANTHROPIC_VERTEX_PROJECT_ID"),
    "vertex_location": ("VERTEX_LOCATION", "VERTEXAI_LOCATION", "CLOUD_ML_REGION"),
    "quota_project": ("GOOGLE_CLOUD_QUOTA_PROJECT",),
}
"""Environment variables that stand in for a setting, the first one first."""


class Settings(Schema):
    """What a deployment may say: whose project, where, with which credentials, and by which way."""

    vertex_project = fields.Str(load_default="")
    vertex_location = fields.Str(load_default="")
    vertex_credentials = CredentialsField(load_default=None)
    quota_project = fields.Str(load_default="")
    api_base = HttpUrl(load_default="")


class Signature(AuthBase):
    """Signs with the identity's token, and names the project that pays for quota if there is one."""

    def __init__(self, bearer: AuthBase, quota_project: str) -> None:
        self._bearer = bearer
        self._quota_project = quota_project

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Add both to the finished request."""
        if self._quota_project:
            request.headers["x-goog-user-project"] = self._quota_project
        return self._bearer(request)


class VertexAI(Provider):
    """Speaks to Vertex AI, or to whatever speaks like it at ``api_base``."""

    name = "vertex_ai"
    settings = Settings
    takes_urls = False

    def __init__(self) -> None:
        self._identities = Identities()

    def check(self, deployment: Deployment) -> None:
        """Credentials, project and location have to be there, and to be what they should be."""
        self._identities.of(deployment.settings["vertex_credentials"])
        base = _said(deployment, "api_base")
        try:
            HttpUrl().deserialize(base or "https://host")
        except ValidationError as error:
            raise ConfigError(f"api_base: {error.messages[0]}") from None
        check_location(place(base, _said(deployment, "vertex_location")))
        if not check_path(base, deployment.upstream):
            self._check_project(deployment)
        if quota_project := _said(deployment, "quota_project"):
            check_project(quota_project, "quota_project")

    def private(self, deployment: Deployment) -> Iterable[str]:
        """The project, the host, and who we are there."""
        base, location = _said(deployment, "api_base"), _said(deployment, "vertex_location")
        words = [host(base, location), _said(deployment, "vertex_project"), _said(deployment, "quota_project")]
        identity = self._identities.known(deployment.settings["vertex_credentials"])
        return [*words, identity.project, identity.quota_project, identity.email] if identity else words

    def auth(self, deployment: Deployment) -> AuthBase:
        """The token of the deployment's identity, which others with the same credentials share."""
        identity = self._identities.of(deployment.settings["vertex_credentials"])
        return Signature(identity.bearer, _said(deployment, "quota_project") or identity.quota_project)

    def refused(self, deployment: Deployment) -> bool:
        """A token may be revoked before its hour is over."""
        return self._identities.of(deployment.settings["vertex_credentials"]).bearer.forget()

    def encode(self, call: Call) -> Outbound:
        """The body without the model, which stands in the URL; the verb says whether it is a stream."""
        verb = "streamRawPredict" if call.stream else "rawPredict"
        body = {name: value for name, value in call.body.items() if name != "model"}
        body |= {"anthropic_version": VERSION} | ({"stream": True} if call.stream else {})
        searching = [WEB_SEARCH] if _searches(call) else []
        return self._post(call, self._address(call.host).verb(verb), body, [*call.betas, *searching])

    def encode_count(self, call: Call) -> Outbound:
        """The prompt, and the model in the body, without what follows an ``@``."""
        model = call.host.upstream.partition("@")[0]
        body = {**call.body, "model": model, "anthropic_version": VERSION}
        betas = [token for token in call.betas if token != WEB_SEARCH]
        return self._post(call, self._address(call.host).counting(), body, betas)

    def events(self, call: Call, answer: HostAnswer) -> Iterator[list[Event]]:
        """The answer's events, without the host's own."""
        for burst in super().events(call, answer):
            kept = [event for event in burst if event.name != OWN_EVENT]
            if kept:
                yield kept

    def served(self, call: Call) -> Mapping[str, str]:
        """The place, unless it is anywhere; the host says nothing of it."""
        location = place(_said(call.host, "api_base"), _said(call.host, "vertex_location"))
        return {} if location == GLOBAL else {"inference_geo": location}

    def fault(self, status: int, headers: Mapping[str, str], body: bytes) -> Fault:
        """What an error means, whoever of the two made it."""
        inner = unwrapped(body)
        return meant(super().fault(status, headers, inner), status, inner)

    def _address(self, deployment: Deployment) -> Address:
        base, location = _said(deployment, "api_base"), _said(deployment, "vertex_location")
        return Address.of(base, location, self._project(deployment) or UNTOLD, deployment.upstream)

    def _check_project(self, deployment: Deployment) -> None:
        project = self._project(deployment)
        if not project:
            raise ConfigError("it names no vertex_project, and neither does the environment nor its credentials.")
        check_project(project)

    def _project(self, deployment: Deployment) -> str:
        """The project that pays; empty while only credentials could say it that nobody has read yet."""
        identity = self._identities.known(deployment.settings["vertex_credentials"])
        return _said(deployment, "vertex_project") or (identity.project if identity else "")

    def _post(self, call: Call, url: str, body: Mapping[str, Any], betas: Sequence[str]) -> Outbound:
        headers = self.headers(call)
        if betas:
            headers["anthropic-beta"] = ",".join(dict.fromkeys(betas))
        return Outbound("POST", url, headers, strictjson.dumps(body))


class VertexAIPlugin:
    """Brings the provider and what its models cost."""

    @hookimpl
    def register_provider(self) -> Provider:
        """Vertex AI."""
        return VertexAI()

    @hookimpl
    def register_catalog(self) -> Rows:
        """Models, base rates, meters, betas and fields."""
        return rows(__package__)


def _said(deployment: Deployment, key: str) -> str:
    """A setting, or the first environment variable that stands in for it; empty when nobody says."""
    usual = (os.environ.get(name, "").strip() for name in VARIABLES[key])
    return str(deployment.settings[key] or next(filter(None, usual), "")).strip()


def _searches(call: Call) -> bool:
    """Whether the host's web search is among the tools."""
    tools = call.body.get("tools")
    kinds = (tool.get("type") for tool in tools if isinstance(tool, dict)) if isinstance(tools, list) else ()
    return any(isinstance(kind, str) and kind.startswith("web_search_") for kind in kinds)
