"""Images and documents behind a URL: refused by default, fetched safely where the operator allows it."""

import base64
import copy
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import trustme

from gateway import InvalidRequest, UnsupportedCapability
from gateway.attachment import Attachments, Patience
from gateway.testing import make_call
from gateway.transport import Transport, is_public
from gateway.watch import Watch

AUTHORITY = trustme.CA()
PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 100
PDF = b"%PDF-1.7 x"


class Site(BaseHTTPRequestHandler):
    """A public web site, as far as the tests are concerned."""

    protocol_version = "HTTP/1.1"
    seen = []
    held = threading.Event()

    def do_GET(self):
        self.seen.append((self.path, dict(self.headers)))
        pages = {
            "/a.png": (200, "image/png; charset=x", PNG),
            "/a.pdf": (200, "application/pdf", PDF),
            "/a.html": (200, "text/html", b"<p>"),
            "/big": (200, "image/png", b"x" * 3000),
            "/untyped": (200, None, PNG),
        }
        if self.path == "/slow":
            self.held.wait(10)
        status, kind, body = pages.get(self.path, (404, "text/plain", b"no"))
        if self.path == "/away":
            status, body = 302, b""
        self.send_response(status)
        self.send_header("location", "https://127.0.0.1/a.png")
        if kind:
            self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def site():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("localhost").configure_cert(context)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.handle_error = lambda *_: None
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://localhost:{server.server_port}"
    Site.held.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def ca(tmp_path):
    path = tmp_path / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture
def bring(ca):
    """Fetches from loopback, which stands for the public internet here."""
    made = []

    def bring(messages, *, allowed=lambda address: True, fetch=True, **patience):
        transport = Transport(ca=ca, public=allowed)
        made.append(transport)
        Site.seen.clear()
        call = make_call({"messages": messages})
        Attachments(transport, Patience(**patience)).bring(call, Watch if fetch else None)
        return call.body["messages"]

    yield bring
    for transport in made:
        transport.close()


def image(url):
    return {"type": "image", "source": {"type": "url", "url": url}}


def turn(*blocks):
    return {"role": "user", "content": [*blocks]}


def held(kind, data):
    return {"type": "base64", "media_type": kind, "data": base64.b64encode(data).decode()}


def test_the_bytes_take_the_urls_place(bring, site):
    document = {"type": "document", "title": "T", "source": {"type": "url", "url": f"{site}/a.pdf"}}
    result = {
        "type": "tool_result",
        "tool_use_id": "t",
        "content": [{"type": "text", "text": "x"}, image(f"{site}/a.png")],
    }
    asked = [turn({"type": "text", "text": "look"}, image(f"{site}/a.png"), document), turn(result)]
    before = copy.deepcopy(asked)
    first, second = bring(asked)
    assert first["content"] == [
        {"type": "text", "text": "look"},
        {"type": "image", "source": held("image/png", PNG)},
        {"type": "document", "title": "T", "source": held("application/pdf", PDF)},
    ]
    assert second["content"][0]["content"][1] == {"type": "image", "source": held("image/png", PNG)}
    assert asked == before


def test_nothing_of_ours_goes_along(bring, site):
    bring([turn(image(f"{site}/a.png"))])
    ((path, headers),) = Site.seen
    assert path == "/a.png"
    assert {name.lower() for name in headers} <= {"host", "accept", "accept-encoding", "user-agent", "content-length"}


def test_messages_without_urls_stay_the_very_object():
    messages = [
        turn({"type": "text", "text": "x"}),
        {"role": "assistant", "content": "y"},
        "odd",
        turn(3, {"type": "image"}),
    ]
    call = make_call({"messages": messages})
    Attachments().bring(call, Watch)
    assert call.body["messages"] is messages


def test_by_default_nothing_is_fetched_and_the_refusal_says_so():
    call = make_call({"messages": [turn(image("https://h.example/x.png"))]})
    with pytest.raises(
        UnsupportedCapability, match=r"^messages: test takes .* base64 only, .* general_settings.fetch_urls"
    ):
        Attachments().bring(call, Watch)


def test_an_explanation_fetches_nothing(bring, site):
    (told,) = bring([turn(image(f"{site}/a.png"))], fetch=False)
    assert told["content"][0]["source"]["data"] == ""
    assert Site.seen == []


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/nowhere", "answered with status 404"),
        ("/away", "answered with status 302; redirects are not followed"),
        ("/a.html", "has to be one of image/gif, image/jpeg, image/png, image/webp"),
        ("/a.pdf", "has to be one of image/gif"),
        ("/untyped", "has to be one of"),
        ("/big", "makes more than 2000 bytes of attachments"),
        ("/slow", "could not be fetched from a public address in time"),
    ],
)
def test_what_gives_no_image_is_refused_by_its_place(bring, site, path, why):
    patience = {"seconds": 0.5} if path == "/slow" else {}
    with pytest.raises(InvalidRequest, match=why) as refused:
        bring([turn({"type": "text", "text": "x"}, image(site + path))], size=2000, **patience)
    assert refused.value.param == "messages[0].content[1].source.url"
    assert "localhost" not in refused.value.message


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://localhost/a.png", "has to be an https URL"),
        ("file:///etc/passwd", "has to be an https URL"),
        ("https://", "has to be an https URL"),
        ("https://[x/", "is no valid URL"),
        ("https://h.example:99999/", "is no valid URL"),
        ("https://me:pw@h.example/a.png", "must not hold a user"),
        (7, "has to be an https URL"),
        (None, "has to be an https URL"),
    ],
)
def test_odd_addresses_are_refused_before_anybody_is_asked(bring, url, why):
    with pytest.raises(InvalidRequest, match=why):
        bring([turn(image(url))])


def test_all_attachments_share_one_allowance(bring, site):
    with pytest.raises(InvalidRequest, match=r"^messages\[0\].content\[2\].source.url: makes more than 250 bytes"):
        bring([turn(*[image(f"{site}/a.png")] * 3)], size=250)
    Site.seen.clear()
    with pytest.raises(InvalidRequest, match=r"^messages: they hold more than 2 URLs"):
        bring([turn(*[image(f"{site}/a.png")] * 3)], count=2)
    assert Site.seen == []


def test_a_url_inside_of_a_documents_content_is_one_too(bring, site):
    source = {"type": "content", "content": [image(f"{site}/a.png"), {"type": "text", "text": "x"}]}
    (told,) = bring([turn({"type": "document", "source": source})])
    inner = told["content"][0]["source"]["content"]
    assert inner == [{"type": "image", "source": held("image/png", PNG)}, {"type": "text", "text": "x"}]
    with pytest.raises(UnsupportedCapability):
        Attachments().bring(make_call({"messages": [turn({"type": "document", "source": source})]}), Watch)


def test_an_address_that_is_not_public_sees_no_connection(bring, site):
    with pytest.raises(InvalidRequest, match="could not be fetched from a public address"):
        bring([turn(image(f"{site}/a.png"))], allowed=is_public)
    assert Site.seen == []


def test_the_certificate_has_to_name_the_host_and_not_the_address_that_it_led_to(bring, site):
    with pytest.raises(InvalidRequest, match="could not be fetched"):
        bring([turn(image(f"https://127.0.0.1:{site.rpartition(':')[2]}/a.png"))])
    assert Site.seen == []


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "224.0.0.1", "255.255.255.255", "::1", "fe80::1", "fd00:ec2::254", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1", "::ffff:0:127.0.0.1", "::127.0.0.1", "::10.0.0.1", "fec0::1", "2002:7f00:1::", "2001:0:1::", "ff02::1", "::",
    ],
)  # fmt: skip
def test_these_are_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1"])
def test_these_are_public(address):
    assert is_public(address)


def test_one_private_address_among_public_ones_is_enough_to_refuse(bring, monkeypatch):
    import socket

    def resolve(host, port, **_):
        return [(2, 1, 6, "", (address, port)) for address in ("93.184.216.34", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("it connected"))
    with pytest.raises(InvalidRequest, match="public address"):
        bring([turn(image("https://rebinding.example/a.png"))], allowed=is_public)


def test_the_second_address_of_a_name_is_tried_where_the_first_leads_nowhere(bring, site, monkeypatch):
    import socket

    real = socket.getaddrinfo
    port = int(site.rpartition(":")[2])

    def resolve(host, *more, **named):
        found = [one for one in real(host, *more, **named) if one[0] == socket.AF_INET]
        return [(socket.AF_INET6, 1, 6, "", ("::1", port, 0, 0)), *found] if host == "localhost" else found

    monkeypatch.setattr(socket, "getaddrinfo", resolve)  # nobody listens on ::1
    (told,) = bring([turn(image(f"{site}/a.png"))])
    assert told["content"][0]["source"] == held("image/png", PNG)
