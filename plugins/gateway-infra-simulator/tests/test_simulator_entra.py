"""Entra: tokens for an application and for an app service, and which of them Azure takes."""

from urllib.parse import urlsplit

import pytest
from gateway_infra_simulator import Simulator

GRANT = {
    "grant_type": "client_credentials",
    "client_id": "app",
    "client_secret": "sim-key",
    "scope": "https://ai.azure.com/.default",
}
ASSERTION = {
    "client_assertion": "e30.e30.e30",
    "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
}
TOKEN = "/my-tenant/oauth2/v2.0/token"
MSI = "/msi/token?api-version=2019-08-01&resource=https://ai.azure.com"


def without(name, **changes):
    return {key: value for key, value in (GRANT | changes).items() if key != name}


def ask(api, token):
    return api.azure(headers={"anthropic-version": "2023-06-01", "authorization": f"Bearer {token}"})


@pytest.mark.parametrize("grant", [GRANT, without("client_secret", **ASSERTION)], ids=["secret", "assertion"])
@pytest.mark.parametrize("resource", ["https://ai.azure.com", "https://cognitiveservices.azure.com"])
def test_an_application_gets_a_token_that_opens(api, sim, grant, resource):
    got = api.form(TOKEN, **grant | {"scope": f"{resource}/.default"})
    assert (got.status, got.json["token_type"], got.json["expires_in"]) == (200, "Bearer", 3599)
    assert got.json["access_token"].startswith("eyJ")
    assert ask(api, got.json["access_token"]).status == 200
    assert [record.wire for record in sim.log] == ["entra", "azure"]


def test_a_managed_identity_gets_a_token_that_opens(api):
    got = api.call("GET", MSI, headers={"X-IDENTITY-HEADER": "sim-key"})
    assert (got.status, got.json["resource"]) == (200, "https://ai.azure.com")
    assert int(got.json["expires_on"]) > 1_700_000_000
    assert ask(api, got.json["access_token"]).status == 200


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        (GRANT | {"grant_type": "password"}, 400, "unsupported_grant_type"),
        (without("client_id"), 400, "invalid_request"),
        (without("client_secret"), 401, "invalid_client"),
        (GRANT | {"client_secret": "other"}, 401, "invalid_client"),
        (without("client_secret", client_assertion="a.b.c"), 401, "invalid_client"),
        (without("scope"), 400, "invalid_scope"),
        (GRANT | {"scope": "https://ai.azure.com"}, 400, "invalid_scope"),
        (GRANT | {"scope": "openid https://ai.azure.com/.default"}, 400, "invalid_scope"),
    ],
)
def test_a_grant_that_is_wrong_is_refused(api, form, status, error):
    got = api.form(TOKEN, **form)
    assert (got.status, got.json["error"]) == (status, error)
    assert got.json["error_description"].startswith("AADSTS")


def test_a_grant_is_a_form(api):
    assert api.post(TOKEN, GRANT).json["error"] == "unsupported_grant_type"


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (MSI, {}, 401),
        (MSI, {"X-IDENTITY-HEADER": "other"}, 401),
        ("/msi/token?resource=x", {"X-IDENTITY-HEADER": "sim-key"}, 400),
        ("/msi/token?api-version=2019-08-01", {"X-IDENTITY-HEADER": "sim-key"}, 400),
    ],
)
def test_a_managed_identity_must_ask_as_it_should(api, path, headers, status):
    assert api.call("GET", path, headers=headers).status == status


def test_a_token_for_another_resource_does_not_open(api):
    token = api.form(TOKEN, **GRANT | {"scope": "https://graph.microsoft.com/.default"}).json["access_token"]
    got = ask(api, token)
    assert (got.status, got.error["code"]) == (401, "401")
    assert "audience" in got.error["message"]


def test_a_token_that_has_expired_does_not_open(api, sim):
    token = api.form(TOKEN, **GRANT).json["access_token"]
    sim.expire_tokens()
    assert "expired" in ask(api, token).error["message"]


def test_tokens_live_as_long_as_was_said(client_of):
    with Simulator(token_lifetime=0) as sim:
        got = client_of(sim).form(TOKEN, **GRANT)
        assert got.json["expires_in"] == 0
        assert "expired" in ask(client_of(sim), got.json["access_token"]).error["message"]


def test_a_google_token_does_not_open(api):
    assert ask(api, api.google_token()).status == 401


def test_the_documents_of_discovery_lead_to_the_token_endpoint(api):
    host = urlsplit(api.url).netloc
    query = f"api-version=1.1&authorization_endpoint=https://{host}/my-tenant/oauth2/v2.0/authorize"
    found = api.call("GET", f"/common/discovery/instance?{query}").json
    assert found["tenant_discovery_endpoint"] == f"https://{host}/my-tenant/v2.0/.well-known/openid-configuration"
    document = api.call("GET", "/my-tenant/v2.0/.well-known/openid-configuration").json
    assert document["token_endpoint"] == f"https://{host}{TOKEN}"


@pytest.fixture
def transport(sim):
    """Takes TLS away, as a proxy before the simulator would."""
    pytest.importorskip("azure.identity", reason="azure-identity is not installed")
    from azure.core.pipeline.transport import RequestsTransport

    class Plain(RequestsTransport):
        def send(self, request, **options):
            scheme, _, rest = request.url.partition("://")
            request.url = f"{scheme.removesuffix('s')}://{rest}"
            return super().send(request, **options)

    return Plain()


def test_azure_identity_gets_a_token_by_secret(api, sim, transport):
    from azure.identity import ClientSecretCredential

    credential = ClientSecretCredential(
        "my-tenant",
        "app",
        "sim-key",
        authority=sim.url.replace("http:", "https:"),
        transport=transport,
        disable_instance_discovery=True,
    )
    assert ask(api, credential.get_token("https://ai.azure.com/.default").token).status == 200
    assert {record.wire for record in sim.log} == {"entra", "azure"}


def test_azure_identity_gets_a_token_by_assertion(api, sim, transport):
    from azure.identity import ClientAssertionCredential

    credential = ClientAssertionCredential(
        "my-tenant",
        "app",
        lambda: "e30.e30.e30",
        authority=sim.url.replace("http:", "https:"),
        transport=transport,
        disable_instance_discovery=True,
    )
    assert ask(api, credential.get_token("https://ai.azure.com/.default").token).status == 200


def test_azure_identity_gets_a_token_as_an_app_service(api, sim, transport, monkeypatch):
    from azure.identity import ManagedIdentityCredential

    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{sim.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "sim-key")
    token = ManagedIdentityCredential(transport=transport).get_token("https://ai.azure.com/.default")
    assert ask(api, token.token).status == 200
