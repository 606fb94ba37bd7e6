"""The identity: who the gateway is to AWS, where that is found, and how a request is signed with it.

boto3 finds and refreshes credentials; botocore signs. Sources: boto3 guide, "Credentials"; AWS general reference,
"Signature Version 4"; AWS Bedrock user guide, "API keys"; LiteLLM's names of the settings.
"""

import logging
import os
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock
from typing import Any

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    AssumeRoleWithWebIdentityCredentialFetcher,
    DeferredRefreshableCredentials,
)
from botocore.exceptions import BotoCoreError, ClientError
from botocore.utils import FileWebIdentityTokenLoader
from requests import PreparedRequest
from requests.auth import AuthBase

from gateway import ConfigError, Secret, Unidentified

log = logging.getLogger(__name__)

SERVICE = "bedrock"
"""The name under which requests are signed; it is not the host's."""

KEY_VARIABLE = "AWS_BEARER_TOKEN_BEDROCK"

OWN = ("aws_access_key_id", "aws_profile_name", "aws_role_name", "aws_web_identity_token")
"""Settings by which a deployment names credentials of its own."""

NAMED = (*OWN, "aws_secret_access_key", "aws_session_token", "aws_session_name", "aws_external_id", "aws_sts_endpoint")
"""Settings that together say who it is; deployments that agree in them share what they find."""

SESSION = "gateway"
"""How an assumed role's session is named in AWS's records, unless the deployment says so."""

PAUSE = 5.0
"""Seconds for which a refusal of the identity service is believed, so that callers who waited do not each ask again."""

_PATIENCE = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 2, "mode": "standard"})
_FAILURES = (BotoCoreError, ClientError, OSError, RuntimeError, ValueError)
_SIGNED = ("content-type", "accept")
_PERMANENT = range(400, 429)
_SESSION = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/.+")


class ApiKey(AuthBase):
    """Sends a Bedrock API key, which needs no signature."""

    def __init__(self, key: Secret) -> None:
        self._key = key

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Add the key to the finished request."""
        request.headers["authorization"] = f"Bearer {self._key.reveal()}"
        return request


class Signature(AuthBase):
    """Signs the finished bytes and the path as it is encoded; covers the headers that boto3 covers."""

    def __init__(self, credentials: "Credentials", region: str) -> None:
        self._credentials = credentials
        self._region = region

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Add date, session token and signature to the finished request."""
        covered = {name: value for name, value in request.headers.items() if _is_covered(name.lower())}
        signed = AWSRequest(request.method, request.url, covered, request.body or b"")
        SigV4Auth(self._credentials.frozen(), SERVICE, self._region).add_auth(signed)
        request.headers.update(dict(signed.headers.items()))
        return request


class Credentials:
    """AWS credentials, found once and refreshed early by botocore; safe to share between threads.

    A refresh happens once: from fifteen minutes before the end one caller makes it while the others go on with the old
    ones, and in the last ten minutes, as before the first, everybody waits for it.

    Args:
        settings: what a deployment says of who it is.
        region: where the identity service is asked.
    """

    def __init__(self, settings: Mapping[str, Any], region: str) -> None:
        self._settings = settings
        self._region = region
        self._lock = Lock()
        self._found: Any = None

    def check(self) -> None:
        """Look for them without asking for a role.

        Raises:
            ConfigError: there are none.
        """
        try:
            self._find()
        except _FAILURES as error:
            raise ConfigError(f"AWS credentials: {error}") from None

    def frozen(self) -> Any:
        """A set that belongs together, refreshed when its time has come.

        Raises:
            Unidentified: there is none.
        """
        try:
            return self._find().get_frozen_credentials()
        except _FAILURES as error:
            log.warning("AWS gave no credentials: %s", error)
            raise _unidentified(error) from None

    def _find(self) -> Any:
        with self._lock:
            if self._found is None:
                self._found = self._role() if self._assumes() else self._given()
            return self._found

    def _assumes(self) -> bool:
        """Whether a role has to be assumed; one that the environment's own web identity stands for already is not."""
        role, token = self._settings["aws_role_name"], self._settings["aws_web_identity_token"]
        others = any(self._settings[name] for name in OWN if name != "aws_role_name")
        ambient = os.environ.get("AWS_WEB_IDENTITY_TOKEN_FILE") and os.environ.get("AWS_ROLE_ARN") == role
        return bool(token or (role and (others or not ambient)))

    def _given(self) -> Any:
        found = self._session().get_credentials()
        if found is None:
            raise ValueError(
                "it names none, and neither the environment, the default profile, nor a container or instance has any."
            )
        return found

    def _session(self) -> Any:
        key, secret, token = (
            value.reveal() if (value := self._settings[name]) else None
            for name in ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
        )
        profile = self._settings["aws_profile_name"]
        return boto3.Session(key, secret, token, self._region, profile_name=profile)

    def _role(self) -> Any:
        """Credentials of the role, asked for when they are first needed."""
        fetch = _Fetch(self._fetcher().fetch_credentials)
        return DeferredRefreshableCredentials(refresh_using=fetch, method="assume-role")

    def _fetcher(self) -> Any:
        settings, ask = self._settings, self._asker()
        extra = {"RoleSessionName": settings["aws_session_name"] or SESSION}
        if settings["aws_web_identity_token"]:
            token = FileWebIdentityTokenLoader(_file(settings["aws_web_identity_token"]))
            return AssumeRoleWithWebIdentityCredentialFetcher(ask, token, settings["aws_role_name"], extra)
        if settings["aws_external_id"]:
            extra["ExternalId"] = settings["aws_external_id"].reveal()
        return AssumeRoleCredentialFetcher(ask, self._given(), settings["aws_role_name"], extra)

    def _asker(self) -> Callable[..., Any]:
        """Makes clients of the identity service that are soon out of patience."""
        session, address = self._session(), self._settings["aws_sts_endpoint"]

        def ask(service: str, config: Config | None = None, **who: Any) -> Any:
            patient = _PATIENCE.merge(config) if config else _PATIENCE
            return session.client(service, region_name=self._region, endpoint_url=address, config=patient, **who)

        return ask


class Identities:
    """Every deployment's identity; those that name the same share one."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: dict[tuple[Any, ...], Credentials] = {}

    def check(self, settings: Mapping[str, Any], region: str) -> None:
        """Look at what a deployment says of who it is.

        Raises:
            ConfigError: it does not go together, or there is nothing behind it.
        """
        _check_pairs(settings)
        if _key(settings) is None:
            self._credentials(settings, region).check()

    def auth(self, settings: Mapping[str, Any], region: str) -> AuthBase:
        """Who signs: an API key, or credentials."""
        key = _key(settings)
        return ApiKey(key) if key else Signature(self._credentials(settings, region), region)

    def _credentials(self, settings: Mapping[str, Any], region: str) -> Credentials:
        names = tuple(settings[name] for name in NAMED)
        with self._lock:
            return self._known.setdefault(names, Credentials(settings, region))


class _Fetch:
    """Asks the identity service; remembers its refusal for a moment."""

    def __init__(self, ask: Callable[[], Any], clock: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._clock = clock
        self._refusal: Exception | None = None
        self._until = 0.0

    def __call__(self) -> Any:
        if self._refusal is not None and self._clock() < self._until:
            raise self._refusal.with_traceback(None)
        try:
            return self._ask()
        except _FAILURES as error:
            self._refusal, self._until = error, self._clock() + PAUSE
            raise


def _is_covered(name: str) -> bool:
    return name in _SIGNED or name.startswith("x-amzn-")


def _key(settings: Mapping[str, Any]) -> Secret | None:
    """The API key: the deployment's, else the environment's unless the deployment names credentials of its own."""
    usual = os.environ.get(KEY_VARIABLE, "").strip()
    own: Secret | None = settings["api_key"]
    return own or (Secret(usual) if usual and not any(settings[name] for name in OWN) else None)


def _check_pairs(settings: Mapping[str, Any]) -> None:
    """What goes only together, and what does not."""
    given = {name for name in (*NAMED, "api_key") if settings[name]}
    for one, other in (
        ("aws_access_key_id", "aws_secret_access_key"),
        ("aws_secret_access_key", "aws_access_key_id"),
        ("aws_session_token", "aws_access_key_id"),
        ("aws_web_identity_token", "aws_role_name"),
        ("aws_session_name", "aws_role_name"),
        ("aws_external_id", "aws_role_name"),
    ):
        if one in given and other not in given:
            raise ConfigError(f"{one} needs {other} too.")
    if settings["aws_role_name"] and not _ROLE.fullmatch(settings["aws_role_name"]):
        raise ConfigError("aws_role_name has to be a role's ARN, such as arn:aws:iam::123456789012:role/claude.")
    if settings["aws_session_name"] and not _SESSION.fullmatch(settings["aws_session_name"]):
        raise ConfigError("aws_session_name has to be 2 to 64 letters, digits and any of +=,.@_- characters.")
    sources = [name for name in ("api_key", *OWN) if name in given and ("api_key" in given or name != "aws_role_name")]
    if len(sources) > 1:
        raise ConfigError(f"it names {' and '.join(sources)}; only one of them can say who it is.")
    if settings["aws_web_identity_token"]:
        _file(settings["aws_web_identity_token"])


def _file(token: Secret) -> str:
    """The file that holds a web identity's token; it is read anew for every refresh."""
    path = token.reveal().removeprefix("oidc/file/")
    if not Path(path).is_file():
        raise ConfigError("aws_web_identity_token has to be the path of a file that holds the token.")
    return path


def _unidentified(error: Exception) -> Unidentified:
    """What a client may know of it: the kind of failure, no names."""
    response = getattr(error, "response", {})
    kind = response.get("Error", {}).get("Code") or type(error).__name__
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return Unidentified(
        f"AWS gave this gateway no credentials for the deployment ({kind}); its operator has to check them.",
        retry=status not in _PERMANENT or "Throttl" in kind,
    )
