"""Google: tokens for a service account, on a machine and for a workload elsewhere, and which of them Vertex AI takes."""

import base64
import json
import time

import pytest
from gateway_infra_simulator import account
from gateway_infra_simulator.google import EXCHANGE_GRANT, JWT_GRANT, SCOPE

pytest.importorskip("cryptography", reason="the extra vertex is not installed")

EMAIL = "simulated@sim-project.iam.gserviceaccount.com"
EXCHANGE = {
    "grant_type": EXCHANGE_GRANT,
    "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x",
    "scope": SCOPE,
    "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
    "subject_token": "e30.e30.e30",
    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
}
FLAVOR = {"Metadata-Flavor": "Google"}


def encoded(value):
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(alg="RS256", **changes):
    """An assertion, signed with the key of the service-account file."""
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    now = int(time.time())
    claims = {"iss": EMAIL, "aud": "https://oauth2.googleapis.com/token", "scope": SCOPE, "iat": now, "exp": now + 3600}
    text = f"{encoded({'alg': alg})}.{encoded(claims | changes)}"
    key = load_pem_private_key(account.described("sim-project", "")["private_key"].encode(), None)
    return f"{text}.{encoded(key.sign(text.encode(), PKCS1v15(), SHA256()))}"


def granted(api, assertion):
    return api.form("/token", grant_type=JWT_GRANT, assertion=assertion)


def test_the_file_leads_back_to_the_simulator(sim):
    file = sim.service_account
    assert (file["type"], file["project_id"], file["client_email"]) == ("service_account", "sim-project", EMAIL)
    assert file["token_uri"] == f"{sim.url}/token"
    assert file["private_key"].startswith("-----BEGIN PRIVATE KEY-----")


def test_the_key_is_made_once_for_the_process(sim, client_of):
    from gateway_infra_simulator import Simulator

    with Simulator() as other:
        assert other.service_account["private_key"] == sim.service_account["private_key"]


def test_a_service_account_gets_a_token_that_opens(api, sim):
    got = granted(api, signed())
    assert (got.status, got.json["token_type"], got.json["expires_in"]) == (200, "Bearer", 3599)
    assert got.json["access_token"].startswith("ya29.")
    assert api.vertex(token=got.json["access_token"]).status == 200
    assert [record.wire for record in sim.log] == ["google", "vertex"]


def test_the_token_endpoint_is_an_audience_too(api):
    assert granted(api, signed(aud=f"{api.url}/token")).status == 200


LATER = 4_000_000_000  # in 2096; a time by the clock would be another one in each of the workers that run the tests


@pytest.mark.parametrize(
    ("claims", "error"),
    [
        ({"alg": "HS256"}, "invalid_grant"),
        ({"iss": "other@sim-project.iam.gserviceaccount.com"}, "invalid_grant"),
        ({"aud": "https://example.com/token"}, "invalid_grant"),
        ({"exp": 1_700_000_000, "iat": 1_699_999_000}, "invalid_grant"),
        ({"iat": LATER}, "invalid_grant"),
        ({"exp": LATER}, "invalid_grant"),
        ({"exp": None}, "invalid_grant"),
        ({"scope": ""}, "invalid_scope"),
    ],
    ids=str,
)
def test_an_assertion_that_says_the_wrong_things_is_refused(api, claims, error):
    got = granted(api, signed(**claims))
    assert (got.status, got.json["error"]) == (400, error)


def test_an_assertion_that_was_changed_is_refused(api):
    head, claims, signature = signed().split(".")
    other = encoded({"iss": EMAIL})
    for forged in (f"{head}.{other}.{signature}", f"{head}.{claims}.{encoded(b'x' * 256)}", "e30.e30", "", "a.b.c.d"):
        got = granted(api, forged)
        assert (got.status, got.json["error"]) == (400, "invalid_grant")


def test_another_grant_is_not_supported(api):
    assert api.form("/token", grant_type="refresh_token").json["error"] == "unsupported_grant_type"


def test_the_metadata_server_knows_its_machine(api):
    assert api.call("GET", "/", headers=FLAVOR).headers["metadata-flavor"] == "Google"
    root = "/computeMetadata/v1"
    assert api.call("GET", f"{root}/project/project-id", headers=FLAVOR).body == b"sim-project"
    about = api.call("GET", f"{root}/instance/service-accounts/default/?recursive=true", headers=FLAVOR).json
    assert about["email"] == EMAIL
    token = api.call("GET", f"{root}/instance/service-accounts/{EMAIL}/token", headers=FLAVOR).json
    assert api.vertex(token=token["access_token"]).status == 200


def test_the_metadata_server_asks_for_its_header_and_knows_no_other_path(api):
    assert api.call("GET", "/computeMetadata/v1/project/project-id").status == 403
    assert api.call("GET", "/computeMetadata/v1/nonsense", headers=FLAVOR).status == 404
    assert api.call("GET", "/").status == 404


def test_a_workload_elsewhere_gets_a_token_that_opens(api):
    got = api.form("/v1/token", **EXCHANGE)
    assert got.json["issued_token_type"] == EXCHANGE["requested_token_type"]
    assert api.vertex(token=got.json["access_token"]).status == 200


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("grant_type", JWT_GRANT, "unsupported_grant_type"),
        ("audience", "https://example.com", "invalid_request"),
        ("requested_token_type", "urn:other", "invalid_request"),
        ("subject_token", "", "invalid_grant"),
        ("subject_token_type", "", "invalid_grant"),
        ("scope", "", "invalid_scope"),
    ],
)
def test_an_exchange_that_is_wrong_is_refused(api, field, value, error):
    got = api.form("/v1/token", **EXCHANGE | {field: value})
    assert (got.status, got.json["error"]) == (400, error)


def test_a_workload_may_act_as_the_service_account(api):
    token = api.form("/v1/token", **EXCHANGE).json["access_token"]
    path = "/v1/projects/-/serviceAccounts/{}:generateAccessToken"
    bearer = {"authorization": f"Bearer {token}"}
    got = api.post(path.format(EMAIL), {"scope": [SCOPE]}, **bearer)
    assert got.json["expireTime"].endswith("Z")
    assert api.vertex(token=got.json["accessToken"]).status == 200
    assert api.post(path.format(EMAIL), {"scope": SCOPE}, **bearer).status == 400
    assert api.post(path.format("other"), {"scope": [SCOPE]}, **bearer).json["error"]["status"] == "NOT_FOUND"
    assert api.post(path.format(EMAIL), {"scope": [SCOPE]}).json["error"]["status"] == "UNAUTHENTICATED"


# ------------------------------------------------------------------------------------------------------- google-auth


@pytest.fixture
def request_of():
    pytest.importorskip("google.auth", reason="google-auth is not installed")
    from google.auth.transport.requests import Request

    return Request()


def test_google_auth_gets_a_token_by_the_file(api, sim, request_of):
    from google.oauth2.service_account import Credentials

    credentials = Credentials.from_service_account_info(sim.service_account, scopes=[SCOPE])
    credentials.refresh(request_of)
    assert api.vertex(token=credentials.token).status == 200


def test_google_auth_gets_a_token_by_federation(api, sim, request_of, tmp_path):
    from google.auth.identity_pool import Credentials

    subject = tmp_path / "subject"
    subject.write_text("e30.e30.e30")
    name = "simulated@sim-project.iam.gserviceaccount.com"
    info = {
        "type": "external_account",
        "audience": EXCHANGE["audience"],
        "subject_token_type": EXCHANGE["subject_token_type"],
        "token_url": f"{sim.url}/v1/token",
        "credential_source": {"file": str(subject)},
    }
    acting = {
        "service_account_impersonation_url": f"{sim.url}/v1/projects/-/serviceAccounts/{name}:generateAccessToken"
    }
    for configured in (info, info | acting):
        credentials = Credentials.from_info(configured, scopes=[SCOPE])
        credentials.refresh(request_of)
        assert api.vertex(token=credentials.token).status == 200


def test_google_auth_gets_a_token_on_a_machine(api, sim, request_of, monkeypatch):
    from google.auth.compute_engine import Credentials, _metadata

    monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", sim.url.removeprefix("http://"))
    credentials = Credentials(scopes=[SCOPE])
    credentials.refresh(request_of)
    assert credentials.service_account_email == EMAIL
    assert api.vertex(token=credentials.token).status == 200
