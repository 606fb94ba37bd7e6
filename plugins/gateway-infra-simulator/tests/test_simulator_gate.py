"""Credentials, version, and bodies that cannot be read."""

import http.client
import json
import socket

import pytest
from gateway_infra_simulator import Simulator
from gateway_infra_simulator.request import MAX_BODY

HELLO = {"model": "claude-opus-4-6", "max_tokens": 200, "messages": [{"role": "user", "content": "Hello"}]}
VERSION = {"anthropic-version": "2023-06-01"}


def connection(sim):
    return http.client.HTTPConnection(sim.url.removeprefix("http://"), timeout=30)


def post(api, headers, body=None):
    return api.call("POST", "/v1/messages", json.dumps(body or HELLO).encode(), headers)


@pytest.mark.parametrize("headers", [{"x-api-key": "sim-key"}, {"Authorization": "Bearer sim-key"}])
def test_either_credential_header_opens(api, headers):
    assert post(api, VERSION | headers).status == 200


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, "x-api-key header is required"),
        ({"x-api-key": "other"}, "invalid x-api-key"),
        ({"Authorization": "Bearer other"}, "Invalid bearer token"),
        ({"Authorization": "Basic sim-key"}, "x-api-key header is required"),
        ({"x-api-key": "other", "Authorization": "Bearer sim-key"}, "invalid x-api-key"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
def test_anything_else_is_refused(api, headers, message, path):
    got = api.call("POST", path, json.dumps(HELLO).encode(), VERSION | headers)
    assert (got.status, got.error) == (401, {"type": "authentication_error", "message": message})


def test_the_models_are_behind_the_gate_too(api):
    assert api.call("GET", "/v1/models", None, VERSION).status == 401
    assert api.call("GET", "/v1/models/claude-opus-4-6", None, VERSION).status == 401


@pytest.mark.parametrize(
    ("version", "message"),
    [(None, "anthropic-version: header is required"), ("2024-01-01", '"2024-01-01" is not a valid version')],
)
def test_the_version_is_mandatory_and_known(api, version, message):
    headers = {"x-api-key": "sim-key"} | ({"anthropic-version": version} if version else {})
    got = post(api, headers)
    assert got.status == 400
    assert message in got.error["message"]


@pytest.mark.parametrize(
    "body",
    [b"{", b"", b"[NaN]", b'{"a": NaN}', b'{"a": "\\ud800"}', b'{"a": "\xff"}', b"[" * 100_000],
    ids=["cut", "empty", "nan list", "nan", "surrogate", "latin-1", "deep"],
)
def test_a_body_that_is_no_json_is_refused(api, body):
    got = api.call("POST", "/v1/messages", body, VERSION | {"x-api-key": "sim-key"})
    assert got.status == 400
    assert "not valid JSON" in got.error["message"]


def test_a_body_that_is_no_object_is_refused(api):
    got = api.post("/v1/messages", [1])
    assert got.status == 400
    assert "should be a JSON object" in got.error["message"]


def test_a_compressed_body_is_refused_with_a_code(api):
    got = api.post("/v1/messages", HELLO, content_encoding="gzip")
    assert got.status == 400
    assert got.error["details"] == {"error_code": "request_body_encoding_unsupported"}


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_body_beyond_32_mb_is_too_large_and_the_connection_goes_on(sim, chunked):
    peer = connection(sim)
    large = b"x" * (MAX_BODY + 1)
    headers = VERSION | {"x-api-key": "sim-key"}
    peer.request("POST", "/v1/messages", iter([large]) if chunked else large, headers, encode_chunked=chunked)
    answer = peer.getresponse()
    assert (answer.status, json.loads(answer.read())["error"]["type"]) == (413, "request_too_large")
    peer.request("POST", "/v1/messages", json.dumps(HELLO), headers)
    assert peer.getresponse().read().startswith(b'{"id"')
    peer.close()


def test_a_chunked_body_is_read(sim):
    peer = connection(sim)
    body = json.dumps(HELLO).encode()
    peer.request("POST", "/v1/messages", iter([body[:5], body[5:]]), VERSION | {"x-api-key": "sim-key"})
    assert peer.getresponse().status == 200
    assert sim.log[0].body == body
    peer.close()


def test_the_query_is_ignored(api, sim):
    assert api.post("/v1/messages?beta=true", HELLO).status == 200
    assert sim.log[0].query == "beta=true"


def test_repeated_beta_headers_count_as_one_list(sim):
    peer = connection(sim)
    body = json.dumps(HELLO | {"speed": "fast"}).encode()
    peer.putrequest("POST", "/v1/messages")
    sent = [("x-api-key", "sim-key"), *VERSION.items(), ("anthropic-beta", "context-1m-2025-08-07")]
    for name, value in [*sent, ("anthropic-beta", "fast-mode-2026-02-01"), ("content-length", str(len(body)))]:
        peer.putheader(name, value)
    peer.endheaders(body)
    assert peer.getresponse().status == 200
    assert sim.log[0].headers["anthropic-beta"] == "context-1m-2025-08-07, fast-mode-2026-02-01"
    assert len([name for name, _ in sim.log[0].raw_headers if name == "anthropic-beta"]) == 2
    peer.close()


def test_a_client_that_waits_for_leave_gets_it(api):
    with socket.create_connection((api.address.hostname, api.address.port), timeout=10) as peer:
        body = json.dumps(HELLO).encode()
        head = "POST /v1/messages HTTP/1.1\r\nx-api-key: sim-key\r\nanthropic-version: 2023-06-01\r\n"
        peer.sendall(f"{head}Expect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n".encode())
        assert peer.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        peer.sendall(body)
        assert peer.recv(100).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize(
    "sent",
    [
        b"hello\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\r\n",
    ],
)
def test_what_is_no_http_ends_the_connection(api, sent):
    with socket.create_connection((api.address.hostname, api.address.port), timeout=10) as peer:
        peer.sendall(sent)
        assert peer.recv(100) == b""


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("GET", "/v1/messages"), ("POST", "/v1/complete")])
def test_other_paths_are_not_found(api, method, path):
    got = api.call(method, path, b"", api.headers())
    assert (got.status, got.error["type"]) == (404, "not_found_error")


def test_a_head_request_gets_no_body(api):
    got = api.call("HEAD", "/api/hello")
    assert (got.status, got.body) == (404, b"")


@pytest.mark.parametrize(("keys", "sent", "status"), [(("a", "b"), "b", 200), ((), "any", 200), ("a", "b", 401)])
def test_the_keys_are_chosen_by_who_starts_it(keys, sent, status):
    with Simulator(keys=keys) as sim:
        peer = connection(sim)
        peer.request("POST", "/v1/messages", json.dumps(HELLO), VERSION | {"x-api-key": sent})
        assert peer.getresponse().status == status
        peer.close()
