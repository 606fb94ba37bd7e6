"""Google on loopback: an account with a fresh key, its token endpoint, the STS, and a metadata server."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from gateway_provider_vertex_ai import VARIABLES
from google.auth import jwt
from google.auth.compute_engine import _metadata

EMAIL = "robot@some-project.iam.gserviceaccount.com"
AUDIENCE = "https://oauth2.googleapis.com/token"
"""What google-auth puts into every assertion, wherever the token endpoint is."""
SCOPE = "https://www.googleapis.com/auth/cloud-platform"


class Google:
    """Answers identity requests, and keeps them.

    ``answers`` holds what comes next, as (status, body); without one, a token of ``life`` seconds is issued to whoever
    proves to be the account. ``hosted`` holds what the models answer to whoever has a token.
    """

    def __init__(self, public_key):
        self.public_key = public_key
        self.life = 3600
        self.answers = []
        self.hosted = []
        self.requests = []
        self.gate = threading.Event()
        self.gate.set()
        self.asked = threading.Event()
        self.tokens = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.netloc = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"http://{self.netloc}"
        threading.Thread(target=self._server.serve_forever, args=[0.01], daemon=True).start()

    def close(self):
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()

    def issue(self):
        with self._lock:
            self.tokens += 1
            return {"access_token": f"ya29.token-{self.tokens}", "expires_in": self.life, "token_type": "Bearer"}

    def answer(self, path, form, headers):
        """Status and body for one request; bad proof is refused as Google does it."""
        with self._lock:
            self.requests.append((path, form))
            scripted = self.answers.pop(0) if self.answers and path in {"/token", "/sts"} else None
        self.asked.set()
        self.gate.wait(30)
        if scripted:
            return scripted
        if path.startswith("/v1/"):
            return self.hosted.pop(0) if headers["authorization"] == f"Bearer ya29.token-{self.tokens}" else (401, {})
        machine = path == "/" or path.startswith("/computeMetadata")
        return self._metadata(path, headers) if machine else self._token(path, form)

    def _token(self, path, form):
        prove = {"/token": self._signed, "/sts": self._exchanged}[path]
        return (200, self.issue()) if prove(form) else (400, {"error": "invalid_grant", "error_description": "no"})

    def _signed(self, form):
        claims = jwt.decode(form["assertion"], certs=self.public_key, audience=AUDIENCE)
        return claims["iss"] == EMAIL and claims["scope"] == SCOPE and form["grant_type"].endswith(":jwt-bearer")

    def _exchanged(self, form):
        return form["subject_token"] == "token of the cluster" and form["scope"] == SCOPE

    def _metadata(self, path, headers):
        if headers.get("metadata-flavor") != "Google":
            return 403, {}
        account = "/computeMetadata/v1/instance/service-accounts/"
        return {
            "/": (200, {}),
            "/computeMetadata/v1/project/project-id": (200, "machine-project"),
            f"{account}default/": (200, {"email": EMAIL, "scopes": [SCOPE], "aliases": ["default"]}),
            f"{account}default/token": (200, self.issue() if path.endswith("/token") else {}),
        }.get(path, (404, ""))

    def _handler(google):  # noqa: N805 - the handler below has a self of its own
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                text = self.rfile.read(int(self.headers["content-length"])).decode()
                form = {name: values[0] for name, values in parse_qs(text).items()}
                if "json" in self.headers["content-type"]:
                    form = {"json": json.loads(text), "betas": self.headers.get("anthropic-beta")}
                self._say(*google.answer(self.path, form, self.headers))

            def do_GET(self):
                self._say(*google.answer(urlsplit(self.path).path, {}, self.headers))

            def _say(self, status, body):
                data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-type", "text/plain" if isinstance(body, str) else "application/json")
                self.send_header("metadata-flavor", "Google")
                self.send_header("content-length", str(len(data)))
                if status == 302:
                    self.send_header("location", f"{google.url}/elsewhere")
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args):
                pass

        return Handler


@pytest.fixture(scope="session")
def key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def google(key):
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    one = Google(public)
    yield one
    one.close()


@pytest.fixture
def account(key, google):
    """The JSON of a service account, as Google hands it out."""
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return {
        "type": "service_account",
        "project_id": "some-project",
        "private_key_id": "key-1",
        "private_key": pem.decode(),
        "client_email": EMAIL,
        "token_uri": f"{google.url}/token",
    }


@pytest.fixture(autouse=True)
def _nothing_of_this_machine(monkeypatch, tmp_path):
    usual = [name for names in VARIABLES.values() for name in names]
    for name in [*usual, "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_QUOTA_PROJECT", "GCLOUD_PROJECT"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(_metadata, "_NO_GCE_CHECK", True)


@pytest.fixture
def machine(monkeypatch, google):
    """This machine is one of Google's: it has a metadata server."""
    monkeypatch.setattr(_metadata, "_NO_GCE_CHECK", False)
    monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", google.netloc)
    monkeypatch.setenv("GCE_METADATA_IP", google.netloc)
