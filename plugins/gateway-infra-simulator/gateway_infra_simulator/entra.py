"""Entra: who gives out the tokens that Azure takes, to an application by its secret or assertion, or to an app service.

The secret of every application and of the app service is the simulator's key.
"""

import re
from collections.abc import Collection
from typing import Any

from gateway_infra_simulator import gate
from gateway_infra_simulator.bearer import Bearer, Bearers
from gateway_infra_simulator.oauth import OAuthError, fields
from gateway_infra_simulator.request import Request
from gateway_infra_simulator.response import Response, json_response
from gateway_infra_simulator.wire import Endpoint

Body = dict[str, Any]

AUDIENCES = frozenset(("https://ai.azure.com", "https://cognitiveservices.azure.com"))
"""The resources whose tokens Foundry takes."""

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

_FORM = "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJzaW11bGF0ZWQiOnRydWV9.{}"
"""What a token looks like: a JWT that says ``{"simulated": true}``."""
_PATHS = re.compile(r"/([^/]+)/(oauth2/v2\.0/token|v2\.0/\.well-known/openid-configuration|discovery/instance)")
_MSI = "/msi/token"


class Entra:
    """The identity services of every tenant.

    Args:
        keys: the secrets that are known; none knows any.
        bearers: where the tokens are kept.
    """

    name = "entra"

    def __init__(self, keys: Collection[str], bearers: Bearers) -> None:
        self._keys = keys
        self._bearers = bearers

    def endpoint(self, request: Request) -> Endpoint | None:
        """Who answers a request."""
        if request.path == _MSI:
            return self._managed if request.method == "GET" else None
        found = _PATHS.fullmatch(request.path)
        if found is None:
            return None
        word = found[2].rpartition("/")[2]
        return {
            "POST token": self._grant,
            "GET openid-configuration": _configuration,
            "GET instance": _instance,
        }.get(f"{request.method} {word}")

    def _grant(self, request: Request, _request_id: str) -> Response:
        sent = fields(request)
        if sent.get("grant_type") != "client_credentials":
            raise OAuthError("unsupported_grant_type", "AADSTS70003: The app requested an unsupported grant type.")
        if not sent.get("client_id"):
            raise OAuthError("invalid_request", "AADSTS900144: The request body must contain 'client_id'.")
        self._application(sent)
        scope = sent.get("scope", "")
        if not scope.endswith("/.default") or " " in scope:
            raise OAuthError("invalid_scope", f"AADSTS1002012: The provided value for scope {scope} is not valid.")
        issued = self._bearers.issue(_FORM, _resource(scope))
        seconds = int(self._bearers.lifetime)
        lives: Body = {"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds}
        return json_response(200, lives | {"access_token": issued.value})

    def _application(self, sent: dict[str, str]) -> None:
        if "client_assertion" in sent:
            if sent.get("client_assertion_type") != ASSERTION or not sent["client_assertion"]:
                raise OAuthError("invalid_client", "AADSTS50027: JWT token is invalid or malformed.", 401)
        elif "client_secret" not in sent:
            raise OAuthError("invalid_client", "AADSTS7000218: 'client_assertion' or 'client_secret' is missing.", 401)
        elif not gate.known(sent["client_secret"], self._keys):
            raise OAuthError("invalid_client", "AADSTS7000215: Invalid client secret provided.", 401)

    def _managed(self, request: Request, _request_id: str) -> Response:
        if not gate.known(request.headers.get("x-identity-header", ""), self._keys):
            raise OAuthError("unauthorized_client", "No valid X-IDENTITY-HEADER was sent.", 401)
        if request.arguments.get("api-version") != "2019-08-01":
            raise OAuthError("invalid_request", "The api-version is not supported: 2019-08-01 is.")
        resource = request.arguments.get("resource", "")
        if not resource:
            raise OAuthError("invalid_request", "The resource is missing.")
        issued = self._bearers.issue(_FORM, _resource(resource))
        return json_response(200, _managed_token(issued, resource))


def _managed_token(issued: Bearer, resource: str) -> Body:
    return {
        "access_token": issued.value,
        "expires_on": str(int(issued.expires_at)),
        "resource": resource,
        "token_type": "Bearer",
    }


def _resource(scope: str) -> str:
    return scope.removesuffix("/.default").rstrip("/")


def _authority(request: Request) -> str:
    # Clients insist on https here, whoever takes TLS away before the simulator.
    return f"https://{request.headers.get('host', '')}/{request.path.split('/')[1]}"


def _configuration(request: Request, _request_id: str) -> Response:
    authority = _authority(request)
    return json_response(
        200,
        {
            "issuer": f"{authority}/v2.0",
            "authorization_endpoint": f"{authority}/oauth2/v2.0/authorize",
            "token_endpoint": f"{authority}/oauth2/v2.0/token",
            "jwks_uri": f"{authority}/discovery/v2.0/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
            "response_types_supported": ["code", "token"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
        },
    )


def _instance(request: Request, _request_id: str) -> Response:
    host = request.headers.get("host", "")
    wanted = request.arguments.get("authorization_endpoint", "").removesuffix("/oauth2/v2.0/authorize")
    known = {"preferred_network": host, "preferred_cache": host, "aliases": [host]}
    discovery = f"{wanted or _authority(request)}/v2.0/.well-known/openid-configuration"
    return json_response(200, {"tenant_discovery_endpoint": discovery, "api-version": "1.1", "metadata": [known]})
