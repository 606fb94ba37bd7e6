"""Keys, tokens and identities of Entra ID: who signs, when a token is fetched, and what happens when there is none."""

import json
import ssl
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Barrier, Thread
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import pytest
import trustme
from azure.core.credentials import AccessToken
from gateway_provider_azure_ai import AzureAi, signer
from requests import Request

from gateway import Bearer, ConfigError, Unidentified
from gateway.testing import make_deployment

BASE = "https://contoso.services.ai.azure.com"
TENANT, CLIENT = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
PRINCIPAL = {"tenant_id": TENANT, "client_id": CLIENT, "client_secret": "entra-secret"}


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    for name in ("AZURE_AI_API_KEY", "IDENTITY_ENDPOINT", "IDENTITY_HEADER", "MSI_ENDPOINT", "AZURE_AUTHORITY_HOST",
                 "AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)


def deployment(**settings):
    loaded = AzureAi.settings().load({"api_base": BASE, **settings})
    return make_deployment(provider="azure_ai", upstream="claude-opus-4-6", settings=loaded)


def headers(auth):
    return Request("POST", BASE, auth=auth).prepare().headers


class Source:
    """A credential of azure-identity, as far as it is used."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.scopes = []

    def get_token(self, *scopes):
        self.scopes.append(scopes)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def source(monkeypatch):
    """A source of tokens in place of azure-identity's."""
    source = Source()
    monkeypatch.setattr(signer, "credential", lambda identity: source)
    return source


# ------------------------------------------------------------------------------------------------- who signs


def test_a_key_of_the_deployment_wins_over_the_usual_one(monkeypatch):
    monkeypatch.setenv("AZURE_AI_API_KEY", "usual")
    assert headers(AzureAi().auth(deployment(api_key="own")))["x-api-key"] == "own"


def test_a_token_that_stands_still_is_sent_as_it_is():
    signed = headers(AzureAi().auth(deployment(azure_ad_token="entra-token")))
    assert signed["authorization"] == "Bearer entra-token"
    assert "x-api-key" not in signed


def test_an_identity_wins_over_the_usual_key(monkeypatch, source):
    monkeypatch.setenv("AZURE_AI_API_KEY", "usual")
    source.answers = [AccessToken("entra", time.time() + 3600)]
    signed = headers(AzureAi().auth(deployment(azure_credential="managed_identity")))
    assert signed["authorization"] == "Bearer entra"
    assert "x-api-key" not in signed


@pytest.mark.parametrize(
    "settings",
    [
        {"api_key": "k", "azure_ad_token": "t"},
        {"api_key": "k", "azure_credential": "default"},
        {"azure_ad_token": "t", **PRINCIPAL},
    ],
)
def test_two_ways_to_sign_stop_startup(settings):
    with pytest.raises(ConfigError, match="more than one of api_key, azure_ad_token and an identity"):
        AzureAi().check(deployment(**settings))


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({}, None),
        (PRINCIPAL, "client_secret"),
        ({"azure_credential": "client_secret"}, "client_secret"),
        ({"client_id": CLIENT, "azure_credential": "managed_identity"}, "managed_identity"),
        ({"azure_credential": "default"}, "default"),
    ],
)
def test_the_kind_of_identity_is_named_or_follows_from_the_ids(settings, kind):
    identity = signer.Identity.of(deployment(**settings).settings)
    assert (identity and identity.kind) == kind


def test_a_service_principal_may_stand_in_the_environment(monkeypatch):
    for name, value in PRINCIPAL.items():
        monkeypatch.setenv(f"AZURE_{name.upper()}", value)
    identity = signer.Identity.of(deployment(azure_credential="client_secret").settings)
    assert (identity.tenant, identity.client, identity.secret.reveal()) == (TENANT, CLIENT, "entra-secret")


@pytest.mark.parametrize("name", ["tenant_id", "client_id", "client_secret"])
def test_a_service_principal_that_lacks_something_stops_startup(name):
    settings = {key: value for key, value in PRINCIPAL.items() if key != name}
    with pytest.raises(ConfigError, match="azure_credential client_secret"):
        AzureAi().check(deployment(**settings))


def test_a_workload_without_its_token_file_stops_startup():
    with pytest.raises(ConfigError, match="azure_credential workload_identity: .*token_file_path"):
        AzureAi().check(deployment(azure_credential="workload_identity", tenant_id=TENANT, client_id=CLIENT))


@pytest.mark.parametrize("kind", ["client_secret", "managed_identity", "default"])
def test_a_missing_library_stops_startup_and_says_what_to_install(kind, monkeypatch):
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    with pytest.raises(ConfigError, match=r"pip install 'gateway-provider-azure-ai\[entra\]'"):
        AzureAi().check(deployment(azure_credential=kind))


def test_a_key_needs_no_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    AzureAi().check(deployment(api_key="k"))


@pytest.mark.parametrize("kind", ["client_secret", "workload_identity", "managed_identity", "default"])
def test_startup_opens_no_connection(kind, monkeypatch, tmp_path):
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("connected"))
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: pytest.fail("looked a name up"))
    secret = {"client_secret": "s"} if kind == "client_secret" else {}
    AzureAi().check(deployment(azure_credential=kind, tenant_id=TENANT, client_id=CLIENT, **secret))


# ------------------------------------------------------------------------------------------- keeping a token


def test_a_hundred_calls_at_once_fetch_one_token(source):
    provider, start = AzureAi(), Barrier(100)
    source.answers = [AccessToken("entra", time.time() + 3600)]

    def call(_):
        start.wait()
        return headers(provider.auth(deployment(azure_credential="managed_identity")))["authorization"]

    with ThreadPoolExecutor(100) as threads:
        assert set(threads.map(call, range(100))) == {"Bearer entra"}
    assert source.scopes == [("https://ai.azure.com/.default",)]


def test_a_hundred_calls_during_a_renewal_wait_for_nobody_and_fetch_one(source):
    provider, start = AzureAi(), Barrier(100)
    old, new = AccessToken("old", time.time() + 60), AccessToken("new", time.time() + 3600)
    source.answers = [old, new]
    host = deployment(azure_credential="managed_identity")
    assert headers(provider.auth(host))["authorization"] == "Bearer old"

    def call(_):
        start.wait()
        return headers(provider.auth(host))["authorization"]

    with ThreadPoolExecutor(100) as threads:
        assert set(threads.map(call, range(100))) <= {"Bearer old", "Bearer new"}
    assert len(source.scopes) == 2
    assert headers(provider.auth(host))["authorization"] == "Bearer new"


def test_deployments_of_one_identity_share_its_token_and_others_do_not(source):
    provider = AzureAi()
    one = provider.auth(deployment(azure_credential="managed_identity"))
    assert provider.auth(deployment(azure_credential="managed_identity")) is one
    assert provider.auth(deployment(azure_credential="managed_identity", client_id=CLIENT)) is not one
    assert provider.auth(deployment(azure_credential="managed_identity", azure_scope="https://x/.default")) is not one
    assert isinstance(one, Bearer)


def test_a_scope_of_ones_own_is_asked_for(source):
    source.answers = [AccessToken("entra", time.time() + 3600)]
    headers(
        AzureAi().auth(
            deployment(azure_credential="default", azure_scope="https://cognitiveservices.azure.us/.default")
        )
    )
    assert source.scopes == [("https://cognitiveservices.azure.us/.default",)]


@pytest.mark.parametrize(
    ("error", "told", "retry"),
    [
        (RuntimeError("AADSTS7000215: Invalid client secret for app 'x' of tenant 'y'"), "(AADSTS7000215)", False),
        (RuntimeError("AADSTS90033: A transient error has occurred"), "(AADSTS90033)", None),
        (FileNotFoundError("/var/run/secrets/token"), "no token;", None),
    ],
)
def test_no_token_is_an_error_that_names_the_remedy_and_nothing_else(source, error, told, retry):
    source.answers = [error]
    with pytest.raises(Unidentified) as raised:
        headers(AzureAi().auth(deployment(**PRINCIPAL)))
    message = raised.value.message
    assert told in message
    assert "tenant_id, client_id and client_secret" in message
    assert raised.value.should_retry is retry
    assert not any(word in message for word in ("'x'", "'y'", "/var", "entra-secret", CLIENT, TENANT))


# ------------------------------------------------------------------------- azure-identity, against local services


class Service(BaseHTTPRequestHandler):
    """Answers as the server's script says: ``(method, path)`` to a status and an object."""

    def _answer(self):
        length = int(self.headers["content-length"] or 0)
        parts = urlsplit(self.path)
        form = parse_qs(self.rfile.read(length).decode() or parts.query)
        self.server.asked.append(SimpleNamespace(path=parts.path, form=form, headers=self.headers))
        status, body = self.server.script(parts.path)
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = _answer  # noqa: N815 - the library's names

    def log_message(self, *_):
        pass


@pytest.fixture
def serve():
    servers = []

    def start(script, *, certificate=None):
        server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
        server.script, server.asked = script, []
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(context)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        servers.append(server)
        Thread(target=partial(server.serve_forever, poll_interval=0.01), daemon=True).start()
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def app_service(serve, monkeypatch):
    """The token endpoint of an App Service, as its environment tells of it."""

    def start(status, body):
        server = serve(lambda _: (status, body))
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{server.server_port}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "header-secret")
        return server

    return start


@pytest.mark.parametrize("client", [{}, {"client_id": CLIENT}])
def test_a_managed_identity_gets_its_token_from_the_service_beside_it(app_service, client):
    expires = int(time.time()) + 86_400
    server = app_service(
        200,
        {
            "access_token": "managed",
            "expires_on": str(expires),
            "resource": "https://ai.azure.com",
            "token_type": "Bearer",
        },
    )
    provider, host = AzureAi(), deployment(azure_credential="managed_identity", **client)
    for _ in range(3):
        assert headers(provider.auth(host))["authorization"] == "Bearer managed"
    (asked,) = server.asked
    assert asked.headers["x-identity-header"] == "header-secret"
    assert asked.form["resource"] == ["https://ai.azure.com"]
    assert asked.form.get("client_id") == ([CLIENT] if client else None)


def test_a_managed_identity_that_is_refused_gives_no_token(app_service):
    app_service(400, {"statusCode": 400, "message": "No identity was found for client 2222"})
    with pytest.raises(Unidentified, match="identity that is assigned to this machine") as raised:
        headers(AzureAi().auth(deployment(azure_credential="managed_identity")))
    assert "2222" not in raised.value.message


AUTHORITY = trustme.CA()


@pytest.fixture
def entra(serve, monkeypatch, tmp_path):
    """Entra ID on loopback, with a certificate of a private authority."""

    def start(status=200, body=None):
        body = body or {"access_token": "entra", "expires_in": 3600, "token_type": "Bearer"}

        def script(path):
            if not path.endswith("openid-configuration"):
                return status, body
            root = f"https://127.0.0.1:{server.server_port}/{TENANT}"
            return 200, {
                "token_endpoint": f"{root}/oauth2/v2.0/token",
                "authorization_endpoint": f"{root}/oauth2/v2.0/authorize",
                "issuer": f"{root}/v2.0",
            }

        server = serve(script, certificate=AUTHORITY.issue_cert("127.0.0.1"))
        AUTHORITY.cert_pem.write_to_path(tmp_path / "ca.pem")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
        monkeypatch.setenv("AZURE_AUTHORITY_HOST", f"https://127.0.0.1:{server.server_port}")
        return server

    return start


def test_a_service_principal_gets_its_token_from_entra(entra):
    server, provider, host = entra(), AzureAi(), deployment(**PRINCIPAL)
    for _ in range(3):
        assert headers(provider.auth(host))["authorization"] == "Bearer entra"
    (asked,) = [one for one in server.asked if one.path.endswith("/token")]
    assert asked.path == f"/{TENANT}/oauth2/v2.0/token"
    assert asked.form["client_id"] == [CLIENT]
    assert asked.form["client_secret"] == ["entra-secret"]
    assert asked.form["grant_type"] == ["client_credentials"]
    assert "https://ai.azure.com/.default" in asked.form["scope"][0]


def test_a_workload_shows_the_token_of_its_service_account(entra, monkeypatch, tmp_path):
    (tmp_path / "token").write_text("service-account-token")
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AZURE_TENANT_ID", TENANT)
    monkeypatch.setenv("AZURE_CLIENT_ID", CLIENT)
    server = entra()
    assert headers(AzureAi().auth(deployment(azure_credential="workload_identity")))["authorization"] == "Bearer entra"
    (asked,) = server.asked
    assert asked.form["client_assertion"] == ["service-account-token"]
    assert asked.form["client_id"] == [CLIENT]


def test_the_usual_chain_finds_a_service_principal_in_the_environment(entra, monkeypatch):
    for name, value in PRINCIPAL.items():
        monkeypatch.setenv(f"AZURE_{name.upper()}", value)
    entra()
    assert headers(AzureAi().auth(deployment(azure_credential="default")))["authorization"] == "Bearer entra"


def test_a_secret_that_entra_refuses_is_named_by_its_code_and_not_tried_again(entra):
    entra(
        401, {"error": "invalid_client", "error_description": f"AADSTS7000215: Invalid client secret for '{CLIENT}'."}
    )
    with pytest.raises(Unidentified, match=r"\(AADSTS7000215\)") as raised:
        headers(AzureAi().auth(deployment(**PRINCIPAL)))
    assert raised.value.should_retry is False
    assert CLIENT not in raised.value.message


def test_an_authority_with_an_unknown_certificate_gets_no_secret(entra, monkeypatch):
    server = entra()
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    monkeypatch.setattr(signer, "PATIENCE", {**signer.PATIENCE, "retry_total": 0})
    with pytest.raises(Unidentified):
        headers(AzureAi().auth(deployment(**PRINCIPAL)))
    assert not server.asked
