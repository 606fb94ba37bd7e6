"""A host on loopback, a gateway before it, and nothing of AWS in the environment of whoever runs the tests."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from gateway_provider_bedrock import BedrockPlugin

from gateway import config
from gateway.app import create_app
from gateway.testing import found

ASKED = {"max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture(autouse=True)
def _nothing_of_aws_around(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


class Host:
    """Answers what a test has laid out, as (status, headers, body), and keeps what it was sent."""

    def __init__(self):
        self.answers, self.requests = [], []
        host = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                host.requests.append((self.path, self.headers, json.loads(body)))
                status, headers, answer = host.answers.pop(0)
                self.send_response(status)
                for name, value in {"x-amzn-requestid": "aws-1", **headers}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.netloc = f"127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, args=[0.01], daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def host():
    host = Host()
    yield host
    host.close()


@pytest.fixture
def ask(host):
    """Asks a gateway; every name is a deployment's upstream."""
    params = {
        "aws_access_key_id": "AKIAEXAMPLE",
        "aws_secret_access_key": "top-secret",
        "aws_region_name": "us-east-1",
        "api_base": f"http://{host.netloc}/aws",
    }

    def send(body=None, upstream="us.anthropic.claude-opus-4-6-v1", path="/v1/messages", base_model="", **headers):
        named = {"model": f"bedrock/{upstream}", **({"base_model": base_model} if base_model else {})}
        model = {"model_name": "claude", "litellm_params": {**named, **params}}
        general = {"master_key": "sk-master", "forward_client_headers_to_llm_api": True}
        text = json.dumps({"model_list": [model], "general_settings": general})
        app = create_app(config.parse(text, "test.yaml", {}), found=[found(BedrockPlugin, "bedrock", "provider")])
        asked = {"model": "claude", **ASKED, **(body or {})}
        return app.test_client().post(path, json=asked, headers={"x-api-key": "sk-master", **headers})

    return send
