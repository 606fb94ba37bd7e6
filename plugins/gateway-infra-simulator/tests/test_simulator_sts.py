"""STS, container and instance credentials, asked for by boto3 and used to call a model."""

import json

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from gateway_infra_simulator import sts as module
from gateway_infra_simulator.sigv4 import DEMO

ROLE = "arn:aws:iam::123456789012:role/gateway"
MODEL = "anthropic.claude-opus-4-6-v1"
BODY = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 50, "messages": [{"role": "user", "content": "Hi"}]}
ONCE = Config(retries={"total_max_attempts": 1, "mode": "standard"}, parameter_validation=False)
ENVIRONMENT = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_BEARER_TOKEN_BEDROCK",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch, tmp_path):
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


@pytest.fixture
def sts(sim):
    return boto3.client(
        "sts",
        region_name="us-east-1",
        endpoint_url=sim.url,
        aws_access_key_id=DEMO.access_key,
        aws_secret_access_key=DEMO.secret_key,
        config=ONCE,
    )


def ask(sim, session):
    client = session.client("bedrock-runtime", region_name="us-east-1", endpoint_url=sim.url, config=ONCE)
    return json.loads(client.invoke_model(modelId=MODEL, body=json.dumps(BODY))["body"].read())


def session_of(credentials):
    return boto3.Session(
        credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"], "us-east-1"
    )


def test_an_assumed_role_may_call_a_model(sim, sts):
    answer = sts.assume_role(RoleArn=ROLE, RoleSessionName="gateway", DurationSeconds=900)
    assert answer["AssumedRoleUser"]["Arn"] == "arn:aws:sts::123456789012:assumed-role/gateway/gateway"
    assert ask(sim, session_of(answer["Credentials"]))["role"] == "assistant"


def test_the_lifetime_is_what_was_asked_for(sts):
    answer = sts.assume_role(RoleArn=ROLE, RoleSessionName="gateway", DurationSeconds=1800)
    expires = answer["Credentials"]["Expiration"]
    left = (expires - expires.now(expires.tzinfo)).total_seconds()
    assert 1790 < left <= 1800


def test_the_lifetime_can_be_set(sim, sts):
    sim.sts.lifetime = -1
    answer = sts.assume_role(RoleArn=ROLE, RoleSessionName="gateway")
    with pytest.raises(ClientError) as caught:
        ask(sim, session_of(answer["Credentials"]))
    assert caught.value.response["Error"]["Code"] == "ExpiredTokenException"


def test_a_stranger_may_not_assume(sim):
    client = boto3.client(
        "sts",
        region_name="us-east-1",
        endpoint_url=sim.url,
        aws_access_key_id="AKIANOBODY0000000000",
        aws_secret_access_key="x",
        config=ONCE,
    )
    with pytest.raises(ClientError) as caught:
        client.assume_role(RoleArn=ROLE, RoleSessionName="gateway")
    assert caught.value.response["Error"]["Code"] == "InvalidClientTokenId"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_a_role_that_is_not_listed_is_denied(sim, sts):
    sim.sts.roles = frozenset({f"{ROLE}-other"})
    with pytest.raises(ClientError) as caught:
        sts.assume_role(RoleArn=ROLE, RoleSessionName="gateway")
    assert caught.value.response["Error"]["Code"] == "AccessDenied"


@pytest.mark.parametrize(
    "wrong",
    [
        {"RoleArn": "arn:aws:iam::12:role/gateway"},
        {"RoleSessionName": "a b"},
        {"DurationSeconds": 899},
        {"DurationSeconds": 43201},
    ],
)
def test_arguments_are_checked(sts, wrong):
    with pytest.raises(ClientError) as caught:
        sts.assume_role(**{"RoleArn": ROLE, "RoleSessionName": "gateway"} | wrong)
    assert caught.value.response["Error"]["Code"] == "ValidationError"


def test_a_web_identity_needs_no_signature(sim, monkeypatch):
    from botocore import UNSIGNED

    client = boto3.client(
        "sts", region_name="us-east-1", endpoint_url=sim.url, config=Config(signature_version=UNSIGNED)
    )
    answer = client.assume_role_with_web_identity(
        RoleArn=ROLE, RoleSessionName="gateway", WebIdentityToken=module.WEB_TOKEN
    )
    assert ask(sim, session_of(answer["Credentials"]))["role"] == "assistant"
    with pytest.raises(ClientError) as caught:
        client.assume_role_with_web_identity(RoleArn=ROLE, RoleSessionName="gateway", WebIdentityToken="x" * 10)
    assert caught.value.response["Error"]["Code"] == "InvalidIdentityToken"


def test_an_action_that_is_not_played_is_named(sts):
    with pytest.raises(ClientError) as caught:
        sts.get_session_token()
    assert caught.value.response["Error"]["Code"] == "InvalidAction"


def test_boto3_finds_container_credentials(sim, monkeypatch):
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{sim.url}{module.CONTAINER}")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", module.CONTAINER_TOKEN)
    assert ask(sim, boto3.Session())["role"] == "assistant"


def test_a_container_with_a_wrong_token_gets_nothing(api):
    assert api.call("GET", module.CONTAINER, None, {"authorization": "other"}).status == 401


def test_boto3_finds_instance_credentials(sim, monkeypatch):
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", sim.url)
    assert ask(sim, boto3.Session())["role"] == "assistant"
    assert [record.method for record in sim.log][:3] == ["PUT", "GET", "GET"]


def test_an_instance_is_asked_for_its_token_first(api):
    assert api.call("GET", module.METADATA).status == 401
    assert api.call("PUT", "/latest/api/token").status == 400
