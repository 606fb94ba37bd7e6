"""Who the gateway is to AWS: where credentials are found, how often they are fetched, and what is signed with them."""

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Barrier, Lock, Thread
from urllib.parse import parse_qs

import boto3
import pytest
from botocore.config import Config
from gateway_provider_bedrock import BedrockPlugin
from requests import Request

from gateway import ConfigError, Unidentified
from gateway.testing import make_call, make_deployment

KEYS = {"aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": "top-secret", "aws_region_name": "us-east-1"}
ROLE = "arn:aws:iam::123456789012:role/claude"
MODEL = "us.anthropic.claude-opus-4-6-v1"
IDS = [
    "anthropic.claude-opus-4-6-v1",
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-opus-4-6-v1",
    "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6",
]


def deployment(provider, upstream=MODEL, **settings):
    return make_deployment(provider="bedrock", upstream=upstream, settings=provider.settings().load(settings))


def fresh():
    return BedrockPlugin().register_provider()


def signed(provider, host, **facts):
    outbound = provider.encode(make_call(facts.pop("body", {}), deployment=host, **facts))
    auth = provider.auth(host)
    return Request("POST", outbound.url, headers=dict(outbound.headers), data=outbound.body, auth=auth).prepare()


def plain(headers):
    return {name.lower(): value.decode() if isinstance(value, bytes) else value for name, value in headers.items()}


# ------------------------------------------------------------------------------------------------- signatures


class Sent(Exception):
    pass


def sent_by_boto3(send, region="us-east-1", token="session-token", **where):
    client = boto3.Session("AKIAEXAMPLE", "top-secret", token, region).client(
        "bedrock-runtime", config=Config(retries={"total_max_attempts": 1}), **where
    )
    caught = []

    def stop(request, **_):
        caught.append(request)
        raise Sent

    client.meta.events.register("before-send.bedrock-runtime.*", stop)
    with pytest.raises(Sent):
        send(client)
    return caught[0]


@pytest.fixture
def frozen(monkeypatch):
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: datetime(2026, 11, 25, 12, 0, 0))  # noqa: DTZ001 - as botocore's


@pytest.mark.parametrize("token", ["session-token", None])
@pytest.mark.parametrize("upstream", IDS)
def test_the_signature_is_the_one_that_boto3_makes(frozen, upstream, token):
    provider = fresh()
    host = deployment(provider, upstream, **KEYS, **({"aws_session_token": token} if token else {}))
    ours = signed(provider, host)
    theirs = sent_by_boto3(
        lambda client: client.invoke_model(
            modelId=upstream, body=ours.body, contentType="application/json", accept="application/json"
        ),
        token=token,
    )
    assert ours.url == theirs.url
    for name in ("authorization", "x-amz-date", "x-amz-security-token", "accept", "content-type"):
        assert plain(ours.headers).get(name) == plain(theirs.headers).get(name), name


def test_streams_guardrails_and_private_endpoints_are_signed_like_boto3s(frozen):
    provider, base = fresh(), "http://127.0.0.1:9/bedrock"
    guard = {"guardrail_identifier": "g1", "guardrail_version": "2"}
    host = deployment(provider, **KEYS, aws_session_token="session-token", api_base=base, **guard)
    ours = signed(provider, host, stream=True)
    theirs = sent_by_boto3(
        lambda client: client.invoke_model_with_response_stream(
            modelId=MODEL, body=ours.body, contentType="application/json", accept="application/json",
            guardrailIdentifier="g1", guardrailVersion="2",
        ),
        endpoint_url=base,
    )  # fmt: skip
    assert ours.url == theirs.url == f"{base}/model/{MODEL}/invoke-with-response-stream"
    assert plain(ours.headers)["authorization"] == plain(theirs.headers)["authorization"]


@pytest.mark.parametrize(
    ("upstream", "stream", "send"),
    [
        ("converse/" + IDS[1], False, lambda client: client.converse(modelId=IDS[1], messages=[])),
        ("converse/" + IDS[3], True, lambda client: client.converse_stream(modelId=IDS[3], messages=[])),
        (IDS[2], True, lambda client: client.invoke_model_with_response_stream(modelId=IDS[2], body=b"{}")),
    ],
)
def test_paths_are_boto3s(upstream, stream, send):
    provider = fresh()
    assert signed(provider, deployment(provider, upstream, **KEYS), stream=stream).url == sent_by_boto3(send).url


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", "us-gov-west-1", "cn-north-1", "ap-northeast-1"])
def test_addresses_are_boto3s(region):
    provider = fresh()
    host = deployment(provider, **{**KEYS, "aws_region_name": region})
    theirs = sent_by_boto3(lambda client: client.invoke_model(modelId=MODEL, body=b"{}"), region=region)
    assert signed(provider, host).url == theirs.url


def test_headers_that_a_proxy_may_change_are_not_signed():
    provider = fresh()
    host = deployment(provider, **KEYS)
    request = signed(provider, host, headers={"x-tenant": "t", "anthropic-beta": "b"})
    assert "SignedHeaders=accept;content-type;host;x-amz-date," in request.headers["authorization"]
    assert request.headers["x-tenant"] == "t"


def test_the_secret_itself_never_travels():
    provider = fresh()
    request = signed(provider, deployment(provider, **KEYS))
    assert "top-secret" not in str(request.headers)
    assert "AKIAEXAMPLE" in request.headers["authorization"]


# --------------------------------------------------------------------------------------------------- API keys


def test_an_api_key_is_a_bearer_and_nothing_is_signed():
    provider = fresh()
    request = signed(provider, deployment(provider, api_key="bedrock-key", aws_region_name="us-east-1"))
    assert request.headers["authorization"] == "Bearer bedrock-key"
    assert "x-amz-date" not in request.headers


def test_the_environments_api_key_yields_to_the_deployments_own_credentials(monkeypatch):
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "ambient-key")
    provider = fresh()
    assert (
        signed(provider, deployment(provider, aws_region_name="us-east-1")).headers["authorization"]
        == "Bearer ambient-key"
    )
    own = signed(provider, deployment(provider, **KEYS)).headers["authorization"]
    assert own.startswith("AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/")


# --------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"aws_access_key_id": "AKIA1"}, "aws_access_key_id needs aws_secret_access_key too"),
        ({"aws_secret_access_key": "s"}, "aws_secret_access_key needs aws_access_key_id too"),
        ({"aws_session_token": "t"}, "aws_session_token needs aws_access_key_id too"),
        ({"aws_session_name": "n"}, "aws_session_name needs aws_role_name too"),
        ({"aws_external_id": "e"}, "aws_external_id needs aws_role_name too"),
        ({"aws_web_identity_token": "/none"}, "aws_web_identity_token needs aws_role_name too"),
        ({"aws_web_identity_token": "/none", "aws_role_name": ROLE}, "path of a file"),
        ({"aws_role_name": "claude"}, "aws_role_name has to be a role's ARN"),
        ({"aws_profile_name": "nobody"}, "nobody"),
        ({"api_key": "k", "aws_profile_name": "p"}, "names api_key and aws_profile_name"),
        ({"api_key": "k", "aws_role_name": ROLE}, "names api_key and aws_role_name"),
        ({}, "names none, and neither the environment"),
    ],
)
def test_credentials_that_cannot_work_stop_the_start(settings, message):
    provider = fresh()
    with pytest.raises(ConfigError, match=message) as error:
        provider.check(deployment(provider, aws_region_name="us-east-1", **settings))
    assert "top-secret" not in error.value.message


@pytest.mark.parametrize("source", ["settings", "environment", "profile"])
def test_credentials_of_every_usual_place_are_found(source, monkeypatch, tmp_path):
    (tmp_path / "credentials").write_text(
        "[work]\naws_access_key_id = AKIAPROFILE\naws_secret_access_key = s\naws_session_token = t\n"
    )
    settings, key = {
        "settings": ({**KEYS}, "AKIAEXAMPLE"),
        "environment": ({"aws_region_name": "us-east-1"}, "AKIAENV"),
        "profile": ({"aws_region_name": "us-east-1", "aws_profile_name": "work"}, "AKIAPROFILE"),
    }[source]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    provider = fresh()
    host = deployment(provider, **settings)
    provider.check(host)
    assert f"Credential={key}/" in signed(provider, host).headers["authorization"]


# -------------------------------------------------------------------------------------- the identity service


class Service:
    """An identity service, a container's and an instance's, on loopback."""

    def __init__(self):
        self.asked, self.lifetime, self.refuses = [], 3600, ()
        self._lock = Lock()
        service = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_POST(self):
                form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
                self.answer(*service.role({name: value[0] for name, value in form.items()}, self.headers))

            def do_PUT(self):
                self.answer(200, b"imds-token")

            def do_GET(self):
                self.answer(*service.metadata(self.path, self.headers))

            def answer(self, status, body):
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                if self.command == "PUT":
                    self.send_header("x-aws-ec2-metadata-token-ttl-seconds", "300")
                self.end_headers()
                self.wfile.write(body)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def ends(self):
        return (datetime.now(UTC) + timedelta(seconds=self.lifetime)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def role(self, form, headers):
        with self._lock:
            self.asked.append({**form, "authorization": headers.get("authorization", "")})
            number = len(self.asked)
        if self.refuses:
            status, code = self.refuses
            return (
                status,
                f"<ErrorResponse><Error><Code>{code}</Code><Message>not for {ROLE}</Message></Error></ErrorResponse>".encode(),
            )
        action = form["Action"]
        return 200, (
            f"<{action}Response><{action}Result><Credentials><AccessKeyId>ASIAROLE{number}</AccessKeyId>"
            f"<SecretAccessKey>role-secret</SecretAccessKey><SessionToken>role-token-{number}</SessionToken>"
            f"<Expiration>{self.ends()}</Expiration></Credentials></{action}Result></{action}Response>"
        ).encode()  # fmt: skip

    def metadata(self, path, headers):
        self.asked.append({"path": path, "authorization": headers.get("authorization", "")})
        if path.endswith("/security-credentials/"):
            return 200, b"instance-role"
        return 200, json.dumps({
            "Code": "Success", "AccessKeyId": "ASIAMETA", "SecretAccessKey": "meta-secret", "Token": "meta-token",
            "Expiration": self.ends(), "LastUpdated": "2026-11-25T00:00:00Z", "Type": "AWS-HMAC",
        }).encode()  # fmt: skip

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def service():
    service = Service()
    yield service
    service.close()


def role(service, **more):
    return {**KEYS, "aws_role_name": ROLE, "aws_sts_endpoint": service.url, **more}


def key_of(request):
    return request.headers["authorization"].partition("Credential=")[2].partition("/")[0]


def at_once(number, work):
    gate = Barrier(number)

    def run(_):
        gate.wait()
        try:
            return work()
        except Unidentified as error:
            return error

    with ThreadPoolExecutor(number) as pool:
        return [*pool.map(run, range(number))]


def test_a_role_is_assumed_with_what_the_deployment_says(service):
    provider = fresh()
    host = deployment(provider, **role(service, aws_session_name="night-shift", aws_external_id="ext-7"))
    provider.check(host)
    assert not service.asked, "the start asks nobody for a role"
    request = signed(provider, host)
    assert key_of(request) == "ASIAROLE1"
    assert request.headers["x-amz-security-token"] == "role-token-1"
    assert "x-amz-security-token" in request.headers["authorization"].partition("SignedHeaders=")[2]
    (asked,) = service.asked
    assert (asked["Action"], asked["RoleArn"]) == ("AssumeRole", ROLE)
    assert (asked["RoleSessionName"], asked["ExternalId"]) == ("night-shift", "ext-7")
    assert "Credential=AKIAEXAMPLE/" in asked["authorization"]


def test_a_hundred_calls_at_once_assume_a_role_once(service):
    provider = fresh()
    host = deployment(provider, **role(service))
    requests = at_once(100, lambda: signed(provider, host))
    assert {key_of(request) for request in requests} == {"ASIAROLE1"}
    assert len(service.asked) == 1


def test_deployments_with_one_identity_share_its_credentials(service):
    provider = fresh()
    one = deployment(provider, **role(service))
    other = deployment(
        provider, "converse/global.anthropic.claude-opus-5", **role(service, aws_region_name="eu-west-1")
    )
    assert key_of(signed(provider, one)) == key_of(signed(provider, other)) == "ASIAROLE1"
    third = deployment(provider, **role(service, aws_session_name="another"))
    assert key_of(signed(provider, third)) == "ASIAROLE2"


def test_credentials_are_renewed_before_they_end(service):
    service.lifetime = 500
    provider = fresh()
    host = deployment(provider, **role(service))
    assert key_of(signed(provider, host)) == "ASIAROLE1"
    service.lifetime = 3600
    assert key_of(signed(provider, host)) == "ASIAROLE2"
    assert key_of(signed(provider, host)) == "ASIAROLE2"


def test_a_renewal_that_fails_in_time_is_no_failure_yet(service):
    service.lifetime = 800
    provider = fresh()
    host = deployment(provider, **role(service))
    assert key_of(signed(provider, host)) == "ASIAROLE1"
    service.refuses = (403, "AccessDenied")
    assert key_of(signed(provider, host)) == "ASIAROLE1"


def test_a_hundred_calls_share_one_refusal_that_shows_nothing(service):
    service.refuses = (403, "AccessDenied")
    provider = fresh()
    host = deployment(provider, **role(service))
    errors = at_once(100, lambda: signed(provider, host))
    assert {type(error) for error in errors} == {Unidentified}
    assert len(service.asked) == 1
    assert errors[0].message == (
        "AWS gave this gateway no credentials for the deployment (AccessDenied); its operator has to check them."
    )
    assert errors[0].should_retry is False


def test_an_identity_service_that_is_down_may_be_tried_again(service):
    provider = fresh()
    host = deployment(provider, **role(service))
    service.close()
    with pytest.raises(Unidentified, match="EndpointConnectionError") as error:
        signed(provider, host)
    assert error.value.should_retry is None
    assert "127.0.0.1" not in error.value.message


@pytest.mark.parametrize("prefix", ["", "oidc/file/"])
def test_a_web_identity_is_read_from_its_file(service, tmp_path, prefix):
    token = tmp_path / "token"
    token.write_text("header.claims.signature")
    settings = {name: value for name, value in role(service).items() if "key" not in name}
    provider = fresh()
    host = deployment(provider, **settings, aws_web_identity_token=f"{prefix}{token}")
    provider.check(host)
    assert key_of(signed(provider, host)) == "ASIAROLE1"
    (asked,) = service.asked
    assert (asked["Action"], asked["WebIdentityToken"]) == ("AssumeRoleWithWebIdentity", "header.claims.signature")
    assert asked["authorization"] == ""


def test_a_role_that_the_environment_stands_for_is_not_assumed_by_itself(service, tmp_path, monkeypatch):
    token = tmp_path / "token"
    token.write_text("header.claims.signature")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", service.url)
    provider = fresh()
    host = deployment(provider, aws_region_name="us-east-1", aws_role_name=ROLE)
    assert key_of(signed(provider, host)) == "ASIAROLE1"
    assert [asked["Action"] for asked in service.asked] == ["AssumeRoleWithWebIdentity"]


def test_a_container_has_credentials(service, monkeypatch):
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{service.url}/creds")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "pod-token")
    provider = fresh()
    host = deployment(provider, aws_region_name="us-east-1")
    provider.check(host)
    assert key_of(signed(provider, host)) == "ASIAMETA"
    assert service.asked[0]["authorization"] == "pod-token"


def test_an_instance_has_credentials(service, monkeypatch):
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", service.url)
    provider = fresh()
    host = deployment(provider, aws_region_name="us-east-1")
    provider.check(host)
    assert key_of(signed(provider, host)) == "ASIAMETA"
    assert [asked["path"].rpartition("/")[2] for asked in service.asked] == ["", "instance-role"]


def test_credentials_are_looked_for_once(service, monkeypatch):
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{service.url}/creds")
    provider = fresh()
    host = deployment(provider, aws_region_name="us-east-1")
    at_once(50, lambda: signed(provider, host))
    assert len(service.asked) == 1


def test_what_is_counted_is_signed_too():
    provider = fresh()
    host = deployment(provider, **KEYS)
    outbound = provider.encode_count(make_call(deployment=host))
    request = Request(
        "POST", outbound.url, headers=dict(outbound.headers), data=outbound.body, auth=provider.auth(host)
    ).prepare()
    assert key_of(request) == "AKIAEXAMPLE"
    assert json.loads(base64.b64decode(json.loads(outbound.body)["input"]["invokeModel"]["body"]))["max_tokens"] == 100
