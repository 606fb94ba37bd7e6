"""TLS is always verified; a private authority can be named, nothing can be switched off."""

import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import trustme

from gateway.errors import Unreachable
from gateway.provider import Outbound
from gateway.transport import Transport
from gateway.watch import Timeouts, Watch

AUTHORITY = trustme.CA()


class Hello(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen = []

    def do_POST(self):
        self.seen.append(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for piece in (b"x" * 30_000, b"y" * 5):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_):
        pass


@pytest.fixture
def serve():
    servers = []

    def serve(certificate, **limits):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        for name, value in limits.items():
            setattr(context, name, value)
        certificate.configure_cert(context)
        server = ThreadingHTTPServer(("127.0.0.1", 0), Hello)
        server.handle_error = lambda *_: None
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        Hello.seen.clear()
        return server.server_port

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def ca(tmp_path):
    path = tmp_path / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(str(path))
    return str(path)


def post(port, host="127.0.0.1", **options):
    transport = Transport(**options)
    watch = Watch(Timeouts(connect=5, first_byte=5, idle=5, total=10))
    answer = transport.send(Outbound("POST", f"https://{host}:{port}/v1/messages", {}, b"the prompt"), None, watch)
    body = answer.read()
    answer.close()
    transport.close()
    return body


def test_a_private_authority_is_trusted_when_it_is_named(serve, ca):
    assert post(serve(AUTHORITY.issue_cert("127.0.0.1")), ca=ca) == b"x" * 30_000 + b"y" * 5


def test_an_unknown_authority_sees_no_byte_of_the_prompt(serve, ca):
    with pytest.raises(Unreachable, match="certificate could not be verified"):
        post(serve(trustme.CA().issue_cert("127.0.0.1")), ca=ca)
    with pytest.raises(Unreachable, match="certificate could not be verified"):
        post(serve(AUTHORITY.issue_cert("127.0.0.1")))
    assert not Hello.seen


def test_a_certificate_for_another_host_sees_no_byte_of_the_prompt(serve, ca):
    with pytest.raises(Unreachable, match="certificate could not be verified"):
        post(serve(AUTHORITY.issue_cert("example.org")), ca=ca)
    assert not Hello.seen


def test_the_environment_cannot_weaken_it(serve, ca, monkeypatch):
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, ca)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with pytest.raises(Unreachable, match="certificate could not be verified"):
        post(serve(AUTHORITY.issue_cert("127.0.0.1")))
    assert not Hello.seen
