"""Bad input gets a clear answer, never a traceback; the gateway lives on."""

import http.client
import json
from contextlib import closing

import pytest

BODY = {"model": "claude-opus-4-6", "max_tokens": 20, "messages": [{"role": "user", "content": "Hello"}]}
PATHS = ["/v1/messages", "/v1/chat/completions", "/chat/completions", "/v1/messages/count_tokens"]


def connected(gateway):
    return closing(http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20))


def post(gateway, path, body, **headers):
    told = {"x-api-key": gateway.key, "content-type": "application/json"}
    told |= {name.replace("_", "-"): value for name, value in headers.items()}
    with connected(gateway) as connection:
        connection.request("POST", path, body, {name: value for name, value in told.items() if value is not None})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read()), answer.headers


def nested(depth):
    return b'{"model":"claude-opus-4-6","max_tokens":1,"messages":' + b"[" * depth + b"]" * depth + b"}"


BAD = {
    "nothing": b"",
    "not JSON": b"hello",
    "cut JSON": b'{"model": "cl',
    "trailing junk": json.dumps(BODY).encode() + b"x",
    "an array": b"[]",
    "null": b"null",
    "a number": b"7",
    "depth 1,000": nested(1000),
    "depth 10,000": nested(10_000),
    "5,000 digits": b'{"model":"m","max_tokens":' + b"9" * 5000 + b"}",
    "beyond 64 bits": b'{"model":"claude-opus-4-6","max_tokens":1,"messages":[],"x":123456789012345678901234567890}',
    "1e400": b'{"model":"claude-opus-4-6","max_tokens":1,"messages":[],"x":1e400}',
    "NaN": b'{"model":"m","max_tokens":NaN}',
    "Infinity": b'{"model":"m","max_tokens":-Infinity}',
    "lone surrogate": b'{"model":"\\ud800"}',
    "broken UTF-8": b'{"model":"\xff\xfe"}',
    "UTF-16": json.dumps(BODY).encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf" + json.dumps(BODY).encode(),
    "duplicate key": b'{"model":"a","model":"b","messages":[],"max_tokens":1}',
    "duplicate by escape": b'{"model":"a","mod\\u0065l":"b","messages":[],"max_tokens":1}',
    "no model": b'{"messages":[],"max_tokens":1}',
    "model is a list": b'{"model":[],"messages":[],"max_tokens":1}',
    "messages is text": b'{"model":"claude-opus-4-6","messages":"x","max_tokens":1}',
    "max_tokens is text": b'{"model":"claude-opus-4-6","messages":[],"max_tokens":"x"}',
    "max_tokens is negative": b'{"model":"claude-opus-4-6","messages":[],"max_tokens":-1}',
}


UNCOUNTED = ("max_tokens", "1e400")  # counting takes no max_tokens, and does not send what it does not count


@pytest.mark.parametrize(
    ("path", "case"),
    [
        (path, case)
        for path in PATHS
        for case in BAD
        if not (path.endswith("count_tokens") and case.startswith(UNCOUNTED))
    ],
)
def test_bad_bodies_are_refused_with_a_reason(gateway, path, case):
    status, body, headers = post(gateway, path, BAD[case])
    assert status == 400
    assert body["error"]["message"]
    assert headers["x-should-retry"] == "false"
    assert not gateway.sim.log


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("headers", "status", "words"),
    [
        ({"content_type": "text/plain"}, 415, "application/json"),
        ({"content_type": "multipart/form-data; boundary=x"}, 415, "application/json"),
        ({"content_encoding": "gzip"}, 415, "uncompressed"),
        ({"content_encoding": "br"}, 415, "uncompressed"),
        ({"authorization": "Bearer other"}, 401, "two different keys"),
        ({"x_api_key": "wrong"}, 401, "No valid key"),
        ({"x_api_key": "schlüssel".encode("latin-1").decode("latin-1")}, 401, "No valid key"),
        ({"x_api_key": None}, 401, "No valid key"),
        ({"x_api_key": None, "authorization": "Basic YTpi"}, 401, "No valid key"),
        ({"x_api_key": None, "authorization": "Bearer"}, 401, "No valid key"),
        ({"x_api_key": None, "authorization": "Bearer sk-integration-tests,sk-integration-tests"}, 401, "No valid key"),
        ({"x_api_key": "k" * 4000}, 401, "No valid key"),
    ],
)
def test_bad_headers_are_refused_with_a_reason(gateway, path, headers, status, words):
    got, body, told = post(gateway, path, json.dumps(BODY), **headers)
    assert (got, words in body["error"]["message"]) == (status, True)
    assert told["x-should-retry"] == "false"
    assert not gateway.sim.log


@pytest.mark.parametrize("header", ["x-api-key", "api-key", "x-litellm-api-key", "authorization"])
def test_the_key_is_taken_from_each_header_and_never_travels(gateway, header):
    value = f"Bearer {gateway.key}" if header == "authorization" else gateway.key
    status, _, _ = post(gateway, "/v1/messages", json.dumps(BODY), x_api_key=None, **{header: value})
    assert status == 200
    assert gateway.key not in str(gateway.sim.log[0].raw_headers)


def test_the_same_key_in_two_headers_is_one_key(gateway):
    assert post(gateway, "/v1/messages", json.dumps(BODY), authorization=f"Bearer {gateway.key}")[0] == 200


def test_a_body_over_the_limit_is_refused_unread(gateway):
    with connected(gateway) as connection:
        connection.putrequest("POST", "/v1/messages")
        for name, value in {"x-api-key": gateway.key, "content-length": str(32 * 1024 * 1024 + 1)}.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["error"]["type"]) == (413, "request_too_large")


def test_chunked_bodies_are_read_and_broken_framing_is_the_clients_fault(gateway):
    headers = {"x-api-key": gateway.key, "content-type": "application/json", "transfer-encoding": "chunked"}
    with connected(gateway) as whole:
        whole.request("POST", "/v1/messages", iter([json.dumps(BODY).encode()]), headers, encode_chunked=True)
        assert whole.getresponse().status == 200
    with connected(gateway) as broken:
        broken.request("POST", "/v1/messages", iter([b"zz\r\nnonsense\r\n"]), headers, encode_chunked=False)
        assert broken.getresponse().status == 400


@pytest.mark.parametrize("path", PATHS[:3])
def test_an_unknown_model_is_a_404_that_helps(gateway, path):
    status, body, _ = post(gateway, path, json.dumps({**BODY, "model": "claude-opus-4-7"}))
    assert status == 404
    assert "Did you mean 'claude-opus-4-6'?" in body["error"]["message"]


@pytest.mark.parametrize(
    ("field", "package"),
    [
        ({"speed": "fast"}, "gateway-feature-fast-mode"),
        ({"inference_geo": "us"}, "gateway-feature-geo-pricing"),
        ({"output_config": {"effort": "low"}}, "gateway-feature-effort"),
        ({"thinking": {"type": "adaptive"}}, "gateway-feature-adaptive-thinking"),
        ({"context_management": {"edits": [{"type": "compact_20260112"}]}}, "gateway-feature-compaction"),
        ({"context_management": {"edits": [{"type": "clear_thinking_20251015"}]}}, "gateway-feature-context-editing"),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
@pytest.mark.parametrize("path", PATHS[:2])
def test_a_parameter_without_its_package_names_the_remedy(bare, path, field, package):
    status, body, headers = post(bare, path, json.dumps({**BODY, **field}))
    assert status == 400
    assert f"pip install {package}" in body["error"]["message"]
    assert headers["gateway-error"] == "unknown_parameter"


def test_unknown_paths_and_methods_answer_in_json(gateway):
    assert post(gateway, "/v1/v1/messages", b"{}")[0] == 404
    assert "must not end in /v1" in post(gateway, "/v1/v1/messages", b"{}")[1]["error"]["message"]
    assert post(gateway, "/v1/models", b"{}")[0] == 405


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/health/liveliness", 200), ("GET", "/health/liveness", 200), ("GET", "/health/readiness", 200),
        ("GET", "/healthz", 200), ("GET", "/readyz", 200), ("HEAD", "/api/hello", 200), ("GET", "/v1/models", 401),
        ("GET", "/calls/req_1", 401),
    ],
)  # fmt: skip
def test_health_is_open_and_the_rest_is_not(gateway, method, path, status):
    with connected(gateway) as connection:
        connection.request(method, path)
        assert connection.getresponse().status == status


def test_what_the_client_sent_arrives_as_it_was(gateway):
    body = (
        b'{"model":"claude-opus-4-6","max_tokens":20,"tools":[{"name":"b","input_schema":{"type":"object","properties":'
        b'{"z":{"type":"number","minimum":1.50,"maximum":1E+2},"a":{"type":"string"}}},"description":"x"}],'
        b'"system":[{"type":"text","text":"first"},{"type":"text","text":"\xc3\xa4 second"}],'
        b'"messages":[{"role":"user","content":[{"text":"later keys first","type":"text"}]}]}'
    )
    assert post(gateway, "/v1/messages?beta=true", body)[0] == 200
    sent = gateway.sim.log[0].body
    for part in (b'"tools":', b'"system":', b'"messages":'):
        start = body.index(part)
        assert body[start : start + 60] in sent
    assert b'"minimum":1.50,"maximum":1E+2' in sent


def test_betas_travel_merged_and_once(gateway):
    headers = {"anthropic_beta": "interleaved-thinking-2025-05-14, interleaved-thinking-2025-05-14"}
    assert post(gateway, "/v1/messages", json.dumps(BODY), **headers)[0] == 200
    assert gateway.sim.log[0].headers["anthropic-beta"] == "interleaved-thinking-2025-05-14"
    long = {"anthropic_beta": "context-1m-2025-08-07"}
    assert "gateway-dropped-betas" not in post(gateway, "/v1/messages", json.dumps(BODY), **long)[2]
    assert gateway.sim.log[1].headers["anthropic-beta"] == "context-1m-2025-08-07"


def test_the_beta_of_a_missing_package_does_not_travel(bare):
    told = post(bare, "/v1/messages", json.dumps(BODY), anthropic_beta="context-1m-2025-08-07")[2]
    assert told["gateway-dropped-betas"] == "context-1m-2025-08-07"


def test_only_listed_headers_travel(gateway):
    junk = {f"x_junk_{number}": "1" for number in range(60)}
    post(gateway, "/v1/messages", json.dumps(BODY), cookie="a=b", x_forwarded_for="1.2.3.4", **junk)
    assert set(gateway.sim.log[0].headers) == {
        "host", "content-type", "content-length", "accept", "accept-encoding", "user-agent", "anthropic-version",
        "x-api-key",
    }  # fmt: skip


def test_the_clients_version_travels_on_messages_only(gateway):
    post(gateway, "/v1/messages", json.dumps(BODY), anthropic_version="2026-10-21")
    post(gateway, "/v1/chat/completions", json.dumps(BODY), anthropic_version="2026-10-21")
    post(gateway, "/v1/messages", json.dumps(BODY), anthropic_version="latest, please")
    assert [record.headers["anthropic-version"] for record in gateway.sim.log] == [
        "2026-10-21",
        "2023-06-01",
        "2023-06-01",
    ]
