"""STS and its neighbours: temporary credentials for a role, a web identity, a container, or an instance."""

import json
import re
import uuid
from datetime import UTC, datetime
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from gateway_infra_simulator.request import Request
from gateway_infra_simulator.response import Headers, Piece, Response
from gateway_infra_simulator.sigv4 import Credential, Keyring, UnsignedError, verify
from gateway_infra_simulator.wire import Endpoint

WEB_TOKEN = "sim-web-identity-token"  # noqa: S105  # a token of the simulator is no secret
"""The one web identity that is known."""

CONTAINER = "/container/credentials"
"""For AWS_CONTAINER_CREDENTIALS_FULL_URI."""

CONTAINER_TOKEN = "sim-container-token"  # noqa: S105  # a token of the simulator is no secret
"""For AWS_CONTAINER_AUTHORIZATION_TOKEN; a request without any token is let in too."""

METADATA = "/latest/meta-data/iam/security-credentials/"
"""For AWS_EC2_METADATA_SERVICE_ENDPOINT, which is the simulator's own address."""

INSTANCE_ROLE = "simulated-instance-role"

_INSTANCE_TOKEN = "sim-instance-token"  # noqa: S105  # a token of the simulator is no secret
_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):role/([\w+=,.@/-]+)")
_SESSION = re.compile(r"[\w+=,.@-]{2,64}")
_DURATIONS = range(900, 43_201)
_CODES = {
    "UnrecognizedClientException": "InvalidClientTokenId",
    "InvalidSignatureException": "SignatureDoesNotMatch",
    "ExpiredTokenException": "ExpiredToken",
    "MissingAuthenticationTokenException": "MissingAuthenticationToken",
    "IncompleteSignatureException": "IncompleteSignature",
}
"""What a signing error is called on STS's XML wire."""

Form = dict[str, str]


class DeniedError(Exception):
    """STS does not give a credential."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


class Sts:
    """``POST /`` for AssumeRole and AssumeRoleWithWebIdentity, and the two endpoints that machines ask.

    Args:
        keyring: knows who may ask, and learns what is issued.

    Attributes:
        lifetime: seconds that a credential lives, whatever was asked for; None for what was asked, else an hour.
        roles: the roles that may be assumed; None for any.
    """

    name = "sts"

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self.lifetime: float | None = None
        self.roles: frozenset[str] | None = None
        self._endpoints: dict[str, Endpoint] = {
            "POST /": self._call,
            f"GET {CONTAINER}": self._container,
            "PUT /latest/api/token": self._instance_token,
            f"GET {METADATA}": self._role_name,
            f"GET {METADATA}{INSTANCE_ROLE}": self._instance,
        }

    def endpoint(self, request: Request) -> Endpoint | None:
        """Who answers a request."""
        return self._endpoints.get(f"{request.method} {request.path}")

    # -------------------------------------------------------------------------------------------------- the service

    def _call(self, request: Request, request_id: str) -> Response:
        try:
            return self._act(request, request_id)
        except UnsignedError as error:
            return _refused(DeniedError(403, _CODES[error.code], error.message), request_id)
        except DeniedError as error:
            return _refused(error, request_id)

    def _act(self, request: Request, request_id: str) -> Response:
        form = dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
        match form.get("Action"):
            case "AssumeRole":
                verify(request, "sts", self._keyring)
            case "AssumeRoleWithWebIdentity":
                _known(form)
            case action:
                raise DeniedError(400, "InvalidAction", f"Could not find operation {action} for version 2011-06-15")
        return _granted(form, self._assume(form), request_id)

    def _assume(self, form: Form) -> Credential:
        arn = form.get("RoleArn", "")
        if not _ROLE.fullmatch(arn):
            raise DeniedError(400, "ValidationError", f"{arn} is invalid")
        if not _SESSION.fullmatch(form.get("RoleSessionName", "")):
            raise DeniedError(400, "ValidationError", "Value at 'roleSessionName' failed to satisfy constraint")
        if self.roles is not None and arn not in self.roles:
            text = f"User: arn:aws:iam::123456789012:user/sim is not authorized to perform: sts:AssumeRole on {arn}"
            raise DeniedError(403, "AccessDenied", text)
        duration = form.get("DurationSeconds", "3600")
        if not duration.isdecimal() or int(duration) not in _DURATIONS:
            raise DeniedError(400, "ValidationError", "Value at 'durationSeconds' failed to satisfy constraint")
        return self._issue(float(duration))

    def _issue(self, lifetime: float = 3600.0) -> Credential:
        return self._keyring.issue(lifetime if self.lifetime is None else self.lifetime)

    # ------------------------------------------------------------------------------------------------- the machines

    def _container(self, request: Request, _request_id: str) -> Response:
        if request.headers.get("authorization", CONTAINER_TOKEN) != CONTAINER_TOKEN:
            return _plain(401, "Unauthorized")
        return _plain(200, _as_json(self._issue()))

    def _instance_token(self, request: Request, _request_id: str) -> Response:
        ttl = request.headers.get("x-aws-ec2-metadata-token-ttl-seconds", "")
        return _plain(200, _INSTANCE_TOKEN) if ttl.isdecimal() else _plain(400, "Bad Request")

    def _role_name(self, request: Request, _request_id: str) -> Response:
        return _plain(200, INSTANCE_ROLE) if _inside(request) else _plain(401, "Unauthorized")

    def _instance(self, request: Request, _request_id: str) -> Response:
        return _plain(200, _as_json(self._issue())) if _inside(request) else _plain(401, "Unauthorized")


def _inside(request: Request) -> bool:
    return request.headers.get("x-aws-ec2-metadata-token") == _INSTANCE_TOKEN


def _known(form: Form) -> None:
    if form.get("WebIdentityToken") != WEB_TOKEN:
        raise DeniedError(400, "InvalidIdentityToken", "The web identity token that was passed is not valid")


def _time(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _as_json(credential: Credential) -> str:
    return json.dumps(
        {
            "Code": "Success",
            "Type": "AWS-HMAC",
            "AccessKeyId": credential.access_key,
            "SecretAccessKey": credential.secret_key,
            "Token": credential.token,
            "Expiration": _time(credential.expires),
        }
    )


def _plain(status: int, text: str) -> Response:
    kind = "application/json" if text.startswith("{") else "text/plain"
    return Response(status, (("content-type", kind),), (Piece(text.encode()),))


def _granted(form: Form, credential: Credential, request_id: str) -> Response:
    role = _ROLE.fullmatch(form["RoleArn"])
    account, path = role.groups() if role else ("", "")
    session = f"{path.rpartition('/')[2]}/{form['RoleSessionName']}"
    fields = {
        "AccessKeyId": credential.access_key,
        "SecretAccessKey": credential.secret_key,
        "SessionToken": credential.token,
        "Expiration": _time(credential.expires),
    }
    given = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields.items())
    user = (
        f"<AssumedRoleUser><AssumedRoleId>AROASIMULATED:{escape(form['RoleSessionName'])}</AssumedRoleId>"
        f"<Arn>arn:aws:sts::{account}:assumed-role/{escape(session)}</Arn></AssumedRoleUser>"
    )
    action = form["Action"]
    result = f"<{action}Result><Credentials>{given}</Credentials>{user}</{action}Result>"
    return _xml(200, f"{action}Response", result, request_id)


def _refused(error: DeniedError, request_id: str) -> Response:
    text = f"<Error><Type>Sender</Type><Code>{error.code}</Code><Message>{escape(error.message)}</Message></Error>"
    return _xml(error.status, "ErrorResponse", text, request_id)


def _xml(status: int, root: str, inner: str, request_id: str) -> Response:
    known = str(uuid.uuid5(uuid.NAMESPACE_URL, request_id))
    metadata = f"<RequestId>{known}</RequestId>"
    if root != "ErrorResponse":
        metadata = f"<ResponseMetadata>{metadata}</ResponseMetadata>"
    headers: Headers = (("content-type", "text/xml"), ("x-amzn-requestid", known))
    body = f'<{root} xmlns="{_NAMESPACE}">{inner}{metadata}</{root}>'
    return Response(status, headers, (Piece(body.encode()),))
