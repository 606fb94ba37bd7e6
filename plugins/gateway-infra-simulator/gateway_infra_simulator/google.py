"""Google: who gives out the tokens that Vertex AI takes, that is the token endpoint, the metadata server and STS."""

import time
from datetime import UTC, datetime
from typing import Any

from gateway_infra_simulator import account, bearer, shape
from gateway_infra_simulator.bearer import Bearer, Bearers
from gateway_infra_simulator.gate import read_object
from gateway_infra_simulator.oauth import OAuthError, fields
from gateway_infra_simulator.refusal import RefusalError
from gateway_infra_simulator.request import Request
from gateway_infra_simulator.response import Piece, Response, json_response
from gateway_infra_simulator.wire import Endpoint

Body = dict[str, Any]

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
IAM_SCOPE = "https://www.googleapis.com/auth/iam"
AUDIENCE = "https://oauth2.googleapis.com/token"
"""What google-auth names as the audience of an assertion, wherever it sends it."""

JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
EXCHANGE_GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS = "urn:ietf:params:oauth:token-type:access_token"

_FORM = "ya29.c.{}"
_SKEW = 60
_LONGEST = 3600
_METADATA = "/computeMetadata/v1/"
_ACCOUNTS = f"{_METADATA}instance/service-accounts/"
_IMPERSONATED = "/v1/projects/-/serviceAccounts/"
_FLAVOR = (("metadata-flavor", "Google"), ("server", "Metadata Server for VM"))


_WORDS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def word_of(status: int) -> str:
    """Google's word for a status."""
    return _WORDS.get(status, "UNKNOWN")


class GoogleError(RefusalError):
    """A refusal by Google itself: ``{"error": {"code", "message", "status"}}``."""

    def __init__(self, status: int, message: str, word: str = "") -> None:
        super().__init__(status, message)
        self._word = word or word_of(status)

    def body(self, _request_id: str, /) -> Body:
        """The whole error body."""
        return {"error": {"code": self.status, "message": self.message, "status": self._word}}


class Google:
    """The identity services of one project.

    Args:
        project: whose service account it is.
        bearers: where the tokens are kept.
    """

    name = "google"

    def __init__(self, project: str, bearers: Bearers) -> None:
        self._project = project
        self._bearers = bearers

    def endpoint(self, request: Request) -> Endpoint | None:
        """Who answers a request."""
        if request.method == "GET":
            return self._metadata_endpoint(request)
        if request.method != "POST":
            return None
        if request.path.startswith(_IMPERSONATED) and request.path.endswith(":generateAccessToken"):
            return self._impersonate
        return {"/token": self._assert, "/v1/token": self._exchange}.get(request.path)

    def _token(self, issued: Bearer) -> Body:
        return {"access_token": issued.value, "expires_in": int(self._bearers.lifetime), "token_type": "Bearer"}

    # ------------------------------------------------------------------------------------------------ service account

    def _assert(self, request: Request, _request_id: str) -> Response:
        sent = fields(request)
        if sent.get("grant_type") != JWT_GRANT:
            raise OAuthError("unsupported_grant_type", "Invalid grant_type")
        try:
            claims = account.claims(sent.get("assertion", ""))
        except account.InvalidAssertionError as error:
            raise OAuthError("invalid_grant", f"Invalid JWT Signature: {error}.") from error
        except RuntimeError as error:
            raise OAuthError("temporarily_unavailable", f"simulator: {error}", 501) from error
        self._check(claims, f"http://{request.headers.get('host', '')}/token")
        return json_response(200, self._token(self._bearers.issue(_FORM, *claims["scope"].split())))

    def _check(self, claims: Body, own: str) -> None:
        now = time.time()
        if claims.get("iss") != account.email(self._project):
            raise OAuthError("invalid_grant", "Invalid grant: account not found")
        if claims.get("aud") not in (AUDIENCE, own):
            raise OAuthError("invalid_grant", "Invalid JWT: Failed audience check.")
        issued, expires = claims.get("iat"), claims.get("exp")
        if not isinstance(issued, int) or not isinstance(expires, int) or issued > now + _SKEW or expires < now:
            raise OAuthError("invalid_grant", "Invalid JWT: Token must be a short-lived token and in a time frame")
        if expires - issued > _LONGEST:
            raise OAuthError("invalid_grant", "Invalid JWT: Token must live for an hour at most")
        if not isinstance(claims.get("scope"), str) or not claims["scope"].strip():
            raise OAuthError("invalid_scope", "Invalid OAuth scope or ID token audience provided.")

    # -------------------------------------------------------------------------------------------- workload identity

    def _exchange(self, request: Request, _request_id: str) -> Response:
        sent = fields(request)
        if sent.get("grant_type") != EXCHANGE_GRANT:
            raise OAuthError("unsupported_grant_type", "Invalid grant_type")
        if not sent.get("audience", "").startswith("//iam.googleapis.com/"):
            raise OAuthError("invalid_request", "Invalid value for audience")
        if sent.get("requested_token_type") != ACCESS:
            raise OAuthError("invalid_request", "Invalid requested_token_type")
        if not sent.get("subject_token") or not sent.get("subject_token_type"):
            raise OAuthError("invalid_grant", "The subject token is missing or malformed")
        if not sent.get("scope"):
            raise OAuthError("invalid_scope", "Invalid OAuth scope")
        issued = self._bearers.issue(_FORM, *sent["scope"].split())
        return json_response(200, self._token(issued) | {"issued_token_type": ACCESS})

    def _impersonate(self, request: Request, _request_id: str) -> Response:
        found = self._bearers.find(bearer.sent(request))
        if found is None or self._bearers.is_over(found) or found.scopes.isdisjoint((SCOPE, IAM_SCOPE)):
            raise GoogleError(401, "Request had invalid authentication credentials.")
        name = request.path.removeprefix(_IMPERSONATED).removesuffix(":generateAccessToken")
        if name != account.email(self._project):
            raise GoogleError(404, "Not found; Gaia id not found for this account.")
        scopes = [shape.string("scope", one) for one in shape.listing("scope", read_object(request).get("scope"))]
        issued = self._bearers.issue(_FORM, *scopes)
        until = datetime.fromtimestamp(issued.expires_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return json_response(200, {"accessToken": issued.value, "expireTime": until})

    # --------------------------------------------------------------------------------------------- metadata server

    def _metadata_endpoint(self, request: Request) -> Endpoint | None:
        asked = "metadata-flavor" in request.headers
        if request.path.startswith(_METADATA) or (asked and request.path == "/"):
            return self._metadata
        return None

    def _metadata(self, request: Request, _request_id: str) -> Response:
        if request.headers.get("metadata-flavor") != "Google":
            return _text(403, "Missing Metadata-Flavor:Google header.")
        name = account.email(self._project)
        path = request.path.replace(f"{_ACCOUNTS}default", f"{_ACCOUNTS}{name}")
        if path == f"{_ACCOUNTS}{name}/token":
            scopes = request.arguments.get("scopes", SCOPE).split(",")
            return json_response(200, self._token(self._bearers.issue(_FORM, *scopes)), _FLAVOR)
        if path == f"{_ACCOUNTS}{name}/":
            about = {"aliases": ["default"], "email": name, "scopes": [SCOPE]}
            return json_response(200, about, _FLAVOR)
        texts = {
            "/": "computeMetadata/",
            f"{_METADATA}project/project-id": self._project,
            f"{_METADATA}universe/universe-domain": "googleapis.com",
            f"{_ACCOUNTS}{name}/email": name,
        }
        return _text(200, texts[path]) if path in texts else _text(404, "Not Found")


def _text(status: int, text: str) -> Response:
    return Response(status, (("content-type", "application/text"), *_FLAVOR), (Piece(text.encode()),))
