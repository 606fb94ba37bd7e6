"""The four hosts behind one gateway, their answers made up by each test."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import responses
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from gateway.app import create_app
from gateway.config import parse
from gateway.plugins import discover

HERE = Path(__file__).parent
FAULTS = tomllib.loads((HERE / "faults.toml").read_text())["fault"]
TOKENS = "https://oauth2.googleapis.com/token"
SECRETS = ("sk-ant-host-key", "azure-host-key-1", "AKIAHOSTKEY000000000", "aws/host/secret", "ya29.host-token")
PRIVATE = ("acme-project", "acme-resource", "acme-account")
URLS = {
    "anthropic": re.compile(r"https://api\.anthropic\.com/.*"),
    "azure_ai": re.compile(r"https://acme-resource\.services\.ai\.azure\.com/.*"),
    "vertex_ai": re.compile(r"https://aiplatform\.googleapis\.com/.*"),
    "bedrock": re.compile(r"https://bedrock-runtime\.us-east-1\.amazonaws\.com/.*"),
}
"""Where each provider of the configuration sends a call."""

CONFIG = """
model_list:
  - {model_name: anthropic, litellm_params: {model: anthropic/claude-opus-4-6, api_key: sk-ant-host-key}}
  - {model_name: azure_ai, litellm_params: {model: azure_ai/claude-opus-4-6, api_key: azure-host-key-1,
      api_base: "https://acme-resource.services.ai.azure.com"}}
  - {model_name: vertex_ai, litellm_params: {model: vertex_ai/claude-opus-4-6, vertex_project: acme-project,
      vertex_location: global, vertex_credentials: os.environ/ACCOUNT}}
  - {model_name: bedrock, litellm_params: {model: bedrock/global.anthropic.claude-opus-4-6-v1, aws_region_name: us-east-1,
      aws_access_key_id: AKIAHOSTKEY000000000, aws_secret_access_key: aws/host/secret}}
  - {model_name: converse, litellm_params: {model: bedrock/converse/global.anthropic.claude-opus-4-6-v1,
      aws_region_name: us-east-1, aws_access_key_id: AKIAHOSTKEY000000000, aws_secret_access_key: aws/host/secret}}
general_settings: {forward_client_headers_to_llm_api: true, show_upstream_details: SHOW}
"""
PATHS = {"messages": "/v1/messages", "chat": "/v1/chat/completions"}
HELLO = {"max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture(scope="session")
def account():
    """A service account's file, with a key that nobody else has."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    return json.dumps({
        "type": "service_account", "project_id": "acme-project", "private_key_id": "1", "private_key": pem,
        "client_email": "acme-account@acme-project.iam.gserviceaccount.com", "client_id": "1", "token_uri": TOKENS,
    })  # fmt: skip


@pytest.fixture(scope="session")
def serve(account):
    """Make a gateway in memory; ``show`` lets clients see what hosts say in full."""
    plugins = [one for one in discover() if one.kind != "infra"]
    made = {}

    def serve(*, show=False):
        if show not in made:
            text = CONFIG.replace("SHOW", str(show).lower())
            made[show] = create_app(parse(text, "hosts.yaml", {"ACCOUNT": account}), found=plugins)
        return made[show].test_client()

    return serve


@pytest.fixture
def hosts():
    """The network: every host answers what a test registers, and Google gives tokens."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.post(TOKENS, json={"access_token": "ya29.host-token", "expires_in": 3600, "token_type": "Bearer"})
        yield mock


def ask(client, model, surface="messages", **more):
    return client.post(PATHS[surface], json={"model": model, **HELLO, **more})
