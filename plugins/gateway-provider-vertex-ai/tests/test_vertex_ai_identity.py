"""Who the gateway is at Google: every kind of credential, one token for all, and failures that tell no secrets."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from gateway_provider_vertex_ai import Settings
from gateway_provider_vertex_ai.identity import PATIENCE, Identities, _Door
from google.auth import _exponential_backoff
from marshmallow import ValidationError
from requests import Request

from gateway import ConfigError, Secret, Unidentified

EMAIL = "robot@some-project.iam.gserviceaccount.com"


def given(value):
    """What a deployment's setting becomes."""
    return Settings().load({"vertex_credentials": value})["vertex_credentials"]


def identity(value=None):
    return Identities().of(None if value is None else given(value))


def refused(identity):
    with pytest.raises(Unidentified) as caught:
        identity.bearer.token()
    return caught.value


def test_a_service_account_signs_for_its_token(account, google):
    one = identity(account)
    assert google.requests == []
    signed = one.bearer(Request("POST", "http://host/").prepare())
    assert signed.headers["authorization"] == "Bearer ya29.token-1"
    assert (one.project, one.email) == ("some-project", EMAIL)


def test_credentials_may_be_a_path_a_text_or_a_mapping(account, tmp_path):
    path = tmp_path / "account.json"
    path.write_text(json.dumps(account))
    for value in (str(path), json.dumps(account), account):
        assert identity(value).bearer.token().startswith("ya29.token-")


def test_the_environments_file_is_the_default(account, monkeypatch, tmp_path):
    path = tmp_path / "account.json"
    path.write_text(json.dumps(account))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    identities = Identities()
    assert identities.of(None).bearer.token() == "ya29.token-1"
    assert identities.of(None) is identities.of(Secret(str(path)))


def test_a_users_credentials_are_refreshed(google):
    google.answers = [(200, google.issue())]
    info = {
        "type": "authorized_user", "client_id": "id", "client_secret": "s", "refresh_token": "r",
        "token_uri": f"{google.url}/token", "quota_project_id": "payer",
    }  # fmt: skip
    one = identity(info)
    one._credentials._token_uri = f"{google.url}/token"  # google-auth always asks Google itself
    assert one.bearer.token() == "ya29.token-1"
    assert google.requests[0][1]["refresh_token"] == "r"
    assert (one.quota_project, one.email, one.project) == ("payer", "", "")


def test_workload_identity_is_exchanged_for_a_token(google, tmp_path):
    subject = tmp_path / "subject"
    subject.write_text("token of the cluster")
    info = {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/123/locations/global/workloadIdentityPools/p/providers/q",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{google.url}/sts",
        "credential_source": {"file": str(subject)},
    }
    one = identity(info)
    assert google.requests == []
    assert one.bearer.token() == "ya29.token-1"
    subject.unlink()
    assert refused(identity(info)).should_retry is False


def test_the_other_kinds_of_workload_identity_are_known(google):
    base = {"type": "external_account", "audience": "//iam.googleapis.com/x", "token_url": f"{google.url}/sts"}
    aws = {
        "subject_token_type": "urn:ietf:params:aws:token-type:aws4_request",
        "credential_source": {
            "environment_id": "aws1",
            "regional_cred_verification_url": "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity",
        },
    }
    program = {
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "credential_source": {"executable": {"command": "/bin/true"}},
    }
    names = [type(identity(base | one)._credentials).__module__ for one in (aws, program)]
    assert names == ["google.auth.aws", "google.auth.pluggable"]


def test_an_impersonated_account_is_known(account):
    url = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/other@p.iam.gserviceaccount.com"
    info = {
        "type": "impersonated_service_account",
        "service_account_impersonation_url": f"{url}:generateAccessToken",
        "source_credentials": account,
    }
    assert identity(info).email == "other@p.iam.gserviceaccount.com"


def test_a_machine_of_googles_has_an_account_of_its_own(machine, google):
    one = identity()
    assert (one.project, one.email) == ("machine-project", "")
    assert one.bearer.token() == "ya29.token-1"
    assert one.email == EMAIL


def test_without_any_credentials_the_operator_is_told_where_to_put_them():
    with pytest.raises(ConfigError, match="names no vertex_credentials, GOOGLE_APPLICATION_CREDENTIALS is not set"):
        identity()


@pytest.mark.parametrize("value", ["", "  ", 7, []])
def test_credentials_are_no_other_thing(value):
    with pytest.raises(ValidationError):
        given(value)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("/nowhere/account.json", "the file '/nowhere/account.json' cannot be read: No such file"),
        ("{nonsense", "the JSON text is no JSON"),
        ({}, "their type has to be one of service_account, "),
        ({"type": "gdch_service_account"}, "their type has to be one of"),
        ({"type": "service_account", "private_key": "hush", "client_email": EMAIL}, "missing fields token_uri"),
        ({"type": "authorized_user"}, "they are no authorized_user"),
        ({"type": "external_account"}, "they are no external_account"),
        ({"type": "external_account_authorized_user"}, "they are no external_account_authorized_user"),
        ({"type": "impersonated_service_account"}, "they are no impersonated_service_account"),
        (
            {"type": "service_account", "private_key": "hush", "client_email": EMAIL, "token_uri": "x"},
            "they are no service_account",
        ),
    ],
)
def test_credentials_that_do_not_work_are_named_without_their_secrets(value, problem):
    with pytest.raises(ConfigError) as caught:
        identity(value)
    assert problem in caught.value.message
    assert "hush" not in caught.value.message


def test_a_file_may_hold_only_an_object(tmp_path):
    path = tmp_path / "list.json"
    path.write_text("[]")
    with pytest.raises(ConfigError, match="is no JSON object"):
        identity(str(path))


def test_credentials_do_not_show(account):
    assert "PRIVATE KEY" not in repr(given(account))


def test_one_credential_is_one_identity(account, tmp_path):
    identities = Identities()
    assert identities.of(given(account)) is identities.of(given(dict(reversed(account.items()))))
    assert identities.of(given(account)) is not identities.of(given({**account, "project_id": "another"}))


def test_looking_for_a_known_identity_reads_nothing(account):
    identities = Identities()
    assert identities.known(given("/nowhere")) is None
    assert identities.known(None) is None
    assert identities.known(given(account)) is None
    assert identities.of(given(account)) is identities.known(given(account))


def test_a_hundred_calls_at_once_fetch_one_token(account, google):
    identities, start = Identities(), threading.Barrier(100)

    def call(_number):
        start.wait()
        return identities.of(given(account)).bearer.token()

    with ThreadPoolExecutor(100) as pool:
        tokens = set(pool.map(call, range(100)))
    assert tokens == {"ya29.token-1"}
    assert len(google.requests) == 1


def test_a_token_is_renewed_early_and_others_go_on_with_the_old_one(account, google):
    google.life = 200  # less than the four minutes before the end at which the next one is fetched
    bearer = identity(account).bearer
    assert bearer.token() == "ya29.token-1"
    google.gate.clear()
    google.asked.clear()
    with ThreadPoolExecutor(1) as pool:
        renewing = pool.submit(bearer.token)
        assert google.asked.wait(10)
        assert bearer.token() == "ya29.token-1"
        google.life = 3600
        google.gate.set()
        assert renewing.result(10) == "ya29.token-2"
    assert bearer.token() == "ya29.token-2"
    assert len(google.requests) == 2


def test_a_token_that_is_young_is_kept(account, google):
    google.life = 300
    bearer = identity(account).bearer
    assert {bearer.token() for _ in range(3)} == {"ya29.token-1"}


def test_a_renewal_that_fails_does_no_harm_while_the_old_token_works(account, google):
    google.life = 200
    bearer = identity(account).bearer
    bearer.token()
    google.answers = [(400, {"error": "invalid_grant"})]
    assert bearer.token() == "ya29.token-1"
    assert len(google.requests) == 2


def test_a_refused_credential_is_the_operators_to_check(account, google):
    google.answers = [(400, {"error": "invalid_grant", "error_description": f"{EMAIL}: Invalid JWT Signature."})]
    error = refused(identity(account))
    assert (error.status, error.should_retry) == (502, False)
    assert "gave this gateway no token (invalid_grant); its operator has to check" in error.message
    assert EMAIL not in error.message
    assert "127.0.0.1" not in error.message


def test_an_endpoint_in_trouble_may_be_tried_again(account, google, monkeypatch):
    monkeypatch.setattr(_exponential_backoff.time, "sleep", lambda seconds: None)
    google.answers = [(503, {"error": "unavailable"})] * 3
    assert refused(identity(account)).should_retry is None


def test_an_endpoint_that_cannot_be_reached_may_be_tried_again(account, google):
    one = identity(account)
    google.close()
    error = refused(one)
    assert "could not be reached" in error.message
    assert (error.should_retry, error.__cause__) == (None, None)


def test_a_redirect_is_not_followed(account, google):
    google.answers = [(302, {})]
    refused(identity(account))
    assert [path for path, _ in google.requests] == ["/token"]


@pytest.mark.parametrize(
    "body", [{}, [], "<html>", {"access_token": None}, {"access_token": "t", "expires_in": "soon"}, {"expires_in": 7}]
)
def test_an_answer_that_is_no_token_is_a_failure(account, google, body):
    google.answers = [(200, body)]
    assert "gave this gateway no token; its operator" in refused(identity(account)).message


def test_a_failure_shows_nothing_of_what_was_sent(account, google):
    google.answers = [(400, {"error": "assertion eyJhbGciOi.e30.sig refused", "private_key": account["private_key"]})]
    message = refused(identity(account)).message
    assert "eyJ" not in message
    assert "PRIVATE" not in message


def test_no_answer_is_waited_for_longer_than_patience_allows(monkeypatch):
    waited = []
    with _Door() as door:
        monkeypatch.setattr(door.session, "request", lambda *_, timeout, **__: waited.append(timeout))
        for timeout in (None, 120, 3):
            door("http://127.0.0.1/", timeout=timeout)
    assert waited == [PATIENCE, PATIENCE, 3]
