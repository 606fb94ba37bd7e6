"""A URL reaches a host that fetches by itself; the others get bytes, or the client a refusal."""

import base64
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import trustme

from gateway.app import create_app
from gateway.attachment import Attachments
from gateway.config import parse
from gateway.plugins import discover
from gateway.testing import sample_message
from gateway.transport import Transport
from tests.hosts.conftest import CONFIG, URLS

AUTHORITY = trustme.CA()
PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 60
SHARED = """
  - {model_name: shared, litellm_params: {model: anthropic/claude-opus-4-6, api_key: sk-ant-host-key}}
  - {model_name: shared, litellm_params: {model: bedrock/global.anthropic.claude-opus-4-6-v1, aws_region_name: us-east-1,
      aws_access_key_id: AKIAHOSTKEY000000000, aws_secret_access_key: aws/host/secret}}
general_settings: {show_upstream_details: false}
"""


def image(url):
    return [{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": url}}]}]


def ask(client, model, url, path="/v1/messages"):
    return client.post(path, json={"model": model, "max_tokens": 10, "messages": image(url)})


@pytest.fixture(scope="module")
def app(account):
    text = CONFIG.partition("general_settings")[0].rstrip() + SHARED
    return create_app(parse(text, "c", {"ACCOUNT": account}), found=[one for one in discover() if one.kind != "infra"])


@pytest.mark.parametrize("model", ["vertex_ai", "bedrock", "converse"])
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
def test_by_default_a_host_that_takes_bytes_refuses_it(app, model, path):
    answer = ask(app.test_client(), model, "https://h.example/x.png", path)
    assert answer.status_code == 400
    assert "base64 only" in answer.json["error"]["message"]
    assert "general_settings.fetch_urls" in answer.json["error"]["message"]


@pytest.mark.parametrize("number", range(10))
def test_of_several_hosts_it_goes_to_one_that_fetches_by_itself(app, hosts, number):
    hosts.post(URLS["anthropic"], json=sample_message())
    answer = ask(app.test_client(), "shared", "https://h.example/x.png")
    assert (answer.status_code, answer.headers["gateway-deployment"][:9]) == (200, "anthropic")


@pytest.fixture
def site():
    """A site on loopback, which the test lets count as public."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("content-type", "image/png")
            self.end_headers()
            self.wfile.write(PNG)

        def log_message(self, *_):
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("localhost").configure_cert(context)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://localhost:{server.server_port}/x.png"
    server.shutdown()
    server.server_close()


def test_where_the_operator_allows_it_the_host_gets_the_bytes(account, site, tmp_path):
    from gateway_infra_simulator import Simulator

    from tests.hosts.test_same_answer import ACCESS_KEY, SECRET_KEY
    from tests.hosts.test_same_answer import CONFIG as SIMULATED

    authority = tmp_path / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(str(authority))
    transport = Transport(ca=str(authority), public=lambda _address: True)
    with Simulator(keys=("sim-key",)) as sim:
        known = {"SIM": sim.url, "AWS_KEY": ACCESS_KEY, "AWS_SECRET": SECRET_KEY, "ACCOUNT": account}
        app = create_app(parse(SIMULATED, "c", known), found=[one for one in discover() if one.kind != "infra"])
        app.extensions["gateway"].pipeline.attempts._attachments = Attachments(transport)
        for model in ("bedrock", "converse"):
            assert ask(app.test_client(), model, site).status_code == 200
        told = app.test_client().post(
            "/explain?full=true", json={"model": "bedrock", "max_tokens": 1, "messages": image(site)}
        )
        invoked, conversed = [record.json["messages"][0]["content"][0] for record in sim.log]
    transport.close()
    data = base64.b64encode(PNG).decode()
    assert invoked == {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}
    assert conversed == {"image": {"format": "png", "source": {"bytes": data}}}
    assert told.json["deployments"][0]["request"]["body"]["messages"][0]["content"][0]["source"]["data"] == ""
