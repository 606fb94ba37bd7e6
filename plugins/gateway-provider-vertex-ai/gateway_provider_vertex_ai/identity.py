"""The identity that Google knows us by: credentials are found once, tokens are fetched when they grow old.

google-auth does the work. It is kept from waiting for long and from following redirects.
"""

import json
import os
import re
from collections.abc import Callable, Mapping
from datetime import UTC
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, Self

import google.auth
import requests
from google.auth import aws, external_account_authorized_user, identity_pool, impersonated_credentials, pluggable
from google.auth.exceptions import GoogleAuthError, MalformedError, TransportError
from google.auth.transport.requests import Request
from google.oauth2 import credentials as user
from google.oauth2 import service_account
from marshmallow import ValidationError, fields

from gateway import Bearer, ConfigError, Secret, Token, Unidentified

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
FILE_VARIABLE = "GOOGLE_APPLICATION_CREDENTIALS"
PATIENCE = 10.0
"""Seconds that one answer of an identity service may take."""

_AWS_TOKEN = "urn:ietf:params:aws:token-type:aws4_request"  # noqa: S105 - the name of a kind of token, not a token


class CredentialsField(fields.Field[Secret]):
    """A marshmallow field for credentials: the path of a JSON file, its text, or the same as a mapping."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Secret:  # noqa: ARG002 - its signature
        if isinstance(value, Mapping):
            return Secret(json.dumps(value, sort_keys=True))
        if isinstance(value, Secret):
            return value
        if not isinstance(value, str) or not value.strip():
            raise ValidationError("Has to be the path of a JSON file, its text, or the same as a mapping.")
        return Secret(value.strip())


class Identity:
    """One credential, with the one token that all its deployments share.

    Args:
        credentials: google-auth's object.
        project: the project that it belongs to; empty when it does not say.
    """

    def __init__(self, credentials: Any, project: str = "") -> None:
        self._credentials = credentials
        self.project = project
        self.bearer = Bearer(self._fetch)

    @property
    def email(self) -> str:
        """The service account's address; empty while it is not known."""
        email = str(getattr(self._credentials, "service_account_email", None) or "")
        return email if "@" in email else ""

    @property
    def quota_project(self) -> str:
        """The project that the credential itself says pays for quota; empty when it says none."""
        return str(getattr(self._credentials, "quota_project_id", None) or "")

    def _fetch(self) -> Token:
        with _Door() as door:
            try:
                self._credentials.refresh(door)
            except Exception as error:  # noqa: BLE001 - google-auth lets through whatever an odd answer raises
                raise _unidentified(error) from None
        if not self._credentials.token:
            raise _unidentified(ValueError())
        expiry = self._credentials.expiry  # UTC, but without saying so
        return Token(self._credentials.token, expiry.replace(tzinfo=UTC).timestamp() if expiry else float("inf"))


class Identities:
    """Every credential once, however many deployments use it; safe to share between threads."""

    def __init__(self) -> None:
        self._known: dict[Secret | None, Identity] = {}
        self._lock = Lock()

    def of(self, given: Secret | None) -> Identity:
        """The identity behind a setting; without one, the environment's (application default credentials).

        Raises:
            ConfigError: there is none, or it cannot be used.
        """
        source = _source(given)
        if source not in self._known:
            with self._lock:
                if source not in self._known:
                    self._known[source] = _given(source.reveal()) if source else _default()
        return self._known[source]

    def known(self, given: Secret | None) -> Identity | None:
        """The same, if somebody has asked for it before; nothing is read for it."""
        return self._known.get(_source(given))


def _source(given: Secret | None) -> Secret | None:
    """Where the credentials are: the setting, else the file that the environment names."""
    file = os.environ.get(FILE_VARIABLE, "").strip()
    return given or (Secret(file) if file else None)


def _default() -> Identity:
    """What this machine has: gcloud's file, or the metadata server's service account."""
    with _Door() as door:
        try:
            credentials, project = google.auth.default(scopes=[SCOPE], request=door)  # type: ignore[arg-type]  # it is called, nothing else
        except GoogleAuthError:
            raise ConfigError(
                f"it names no vertex_credentials, {FILE_VARIABLE} is not set, and this machine has no application "
                "default credentials."
            ) from None
    return Identity(credentials, project or "")


def _given(text: str) -> Identity:
    info = _info(text)
    load = _KINDS.get(str(info.get("type")))
    if load is None:
        raise ConfigError(f"vertex_credentials: their type has to be one of {', '.join(_KINDS)}.")
    try:
        return Identity(load(info), str(info.get("project_id") or ""))
    except MalformedError as error:  # names the fields that are missing, no values
        raise ConfigError(f"vertex_credentials: {error.args[0]}") from None
    except Exception:  # noqa: BLE001 - google-auth's texts may quote the credential
        raise ConfigError(f"vertex_credentials: they are no {info['type']} that google-auth can use.") from None


def _info(text: str) -> dict[str, Any]:
    """The credentials' JSON, which the text is or whose path it is."""
    what = "the JSON text"
    try:
        if not text.startswith("{"):
            what = f"the file {text!r}"
            text = Path(text).read_text("utf-8")
        info = json.loads(text)
    except OSError as error:
        raise ConfigError(f"vertex_credentials: {what} cannot be read: {error.strerror}.") from None
    except ValueError:
        raise ConfigError(f"vertex_credentials: {what} is no JSON.") from None
    if not isinstance(info, dict):
        raise ConfigError(f"vertex_credentials: {what} is no JSON object.")
    return info


def _external(info: Mapping[str, Any]) -> Any:
    """Workload identity federation: a token of AWS, of a program, or from a file or URL."""
    load: Callable[..., Any] = identity_pool.Credentials.from_info
    if info.get("subject_token_type") == _AWS_TOKEN:
        load = aws.Credentials.from_info
    elif "executable" in (info.get("credential_source") or {}):
        load = pluggable.Credentials.from_info
    return load(info, scopes=[SCOPE])


_KINDS: Mapping[str, Callable[[dict[str, Any]], Any]] = {
    "service_account": partial(service_account.Credentials.from_service_account_info, scopes=[SCOPE]),
    "authorized_user": user.Credentials.from_authorized_user_info,  # its scopes were chosen when it was made
    "external_account": _external,
    "external_account_authorized_user": external_account_authorized_user.Credentials.from_info,
    "impersonated_service_account": partial(
        impersonated_credentials.Credentials.from_impersonated_service_account_info, scopes=[SCOPE]
    ),
}
"""What reads each kind of credentials. Nothing here connects to anything."""


class _Door:
    """google-auth's HTTP, with patience of our own and no redirects."""

    def __init__(self) -> None:
        self.session = requests.Session()  # google-auth looks for it
        self.session.max_redirects = 0
        self._request: Callable[..., Any] = Request(self.session)

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **more: Any,
    ) -> Any:
        return self._request(url, method, body, headers, min(timeout or PATIENCE, PATIENCE), **more)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.session.close()


def _unidentified(error: Exception) -> Unidentified:
    """What a client may know: which party failed, and the one word that OAuth has for it (RFC 6749, section 5.2)."""
    if isinstance(error, TransportError) or isinstance(error.__cause__, TransportError):
        return Unidentified(
            "Google's identity service could not be reached, so this gateway has no token for the host."
        )
    word = re.match(r"[a-z]+(_[a-z]+)+(?=:|$)", str(error.args[0]) if error.args else "")
    return Unidentified(
        f"Google's identity service gave this gateway no token{f' ({word[0]})' if word else ''}; "
        "its operator has to check the deployment's credentials.",
        retry=bool(getattr(error, "retryable", False)),
    )
