"""Signatures: botocore signs, the simulator verifies, and whatever is changed in between is noticed."""

import datetime as dt
import hashlib
import json
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from gateway_infra_simulator.request import Request
from gateway_infra_simulator.sigv4 import DEMO, Credential, Keyring, UnsignedError, verify

PATH = (
    "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.anthropic.claude-opus-4-6-v1/invoke"
)
BODY = json.dumps({"anthropic_version": "bedrock-2023-05-31", "text": "Grüße"}).encode()


def signed(*, credential=DEMO, service="bedrock", region="us-east-1", path=PATH, body=BODY, headers=None):
    """A request as a client sends it."""
    again = AWSRequest(
        method="POST",
        url=f"http://bedrock-runtime.us-east-1.amazonaws.com{path}",
        data=body,
        headers={"Content-Type": "application/json"} | (headers or {}),
    )
    keys = Credentials(credential.access_key, credential.secret_key, credential.token or None)
    SigV4Auth(keys, service, region).add_auth(again)
    sent = [("Host", urlsplit(again.url).netloc), ("User-Agent", "test"), *again.headers.items()]
    return Request("POST", path, "HTTP/1.1", sent, body)


def changed(request, **headers):
    """The same with other headers; None takes one away."""
    wanted = {name.replace("_", "-"): value for name, value in headers.items()}
    kept = [(name, wanted.pop(name.lower(), value)) for name, value in request.raw_headers]
    rest = [pair for pair in (*kept, *wanted.items()) if pair[1] is not None]
    return Request(request.method, request.target, request.protocol, rest, request.body)


def refused(request, keyring=None, service="bedrock"):
    with pytest.raises(UnsignedError) as caught:
        verify(request, service, keyring or Keyring())
    return caught.value


def test_what_botocore_signed_is_let_in():
    assert verify(signed(), "bedrock", Keyring()) == DEMO


def test_a_query_is_part_of_what_is_signed():
    assert verify(signed(path="/model/x/invoke?b=2&a=1"), "bedrock", Keyring()) == DEMO


@pytest.mark.parametrize("path", [PATH.replace("%3A", ":"), PATH.replace("%2F", "/"), PATH.replace("%2F", "%2f")])
def test_another_spelling_of_the_path_is_another_path(path):
    request = signed()
    moved = Request("POST", path, "HTTP/1.1", request.raw_headers, BODY)
    assert refused(moved).code == "InvalidSignatureException"


def test_a_changed_byte_of_the_body_breaks_the_signature():
    request = signed()
    other = Request("POST", PATH, "HTTP/1.1", request.raw_headers, BODY.replace(b"G", b"g"))
    error = refused(other)
    assert error.code == "InvalidSignatureException"
    assert error.message.startswith("The request signature we calculated does not match the signature you provided.")


def test_another_method_breaks_the_signature():
    request = signed()
    assert refused(Request("PUT", PATH, "HTTP/1.1", request.raw_headers, BODY)).code == "InvalidSignatureException"


@pytest.mark.parametrize("header", ["content_type", "host"])
def test_a_changed_header_breaks_the_signature(header):
    assert refused(changed(signed(), **{header: "other"})).code == "InvalidSignatureException"


def test_a_header_that_is_not_signed_may_change():
    assert verify(changed(signed(), user_agent="another"), "bedrock", Keyring()) == DEMO


def test_a_wrong_secret_is_a_wrong_signature():
    wrong = Credential(DEMO.access_key, "other")
    assert refused(signed(credential=wrong)).code == "InvalidSignatureException"


def test_an_unknown_key_is_not_a_client():
    error = refused(signed(credential=Credential("AKIANOBODY0000000000", "other")))
    assert (error.code, error.message) == (
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
    )


def test_the_service_of_the_scope_is_bedrock():
    error = refused(signed(service="bedrock-runtime"))
    assert error.code == "InvalidSignatureException"
    assert error.message == "Credential should be scoped to correct service: 'bedrock'. "


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_clock_that_is_five_minutes_off_is_refused(minutes):
    request = signed()
    now = dt.datetime.now(dt.UTC).timestamp()
    error = refused(request, Keyring(clock=lambda: now + minutes * 60))
    assert error.code == "InvalidSignatureException"
    assert error.message.startswith("Signature expired" if minutes > 0 else "Signature not yet current")


@pytest.mark.parametrize("minutes", [-4, 4])
def test_a_clock_that_is_four_minutes_off_is_forgiven(minutes):
    request = signed()
    now = dt.datetime.now(dt.UTC).timestamp()
    assert verify(request, "bedrock", Keyring(clock=lambda: now + minutes * 60)) == DEMO


@pytest.mark.parametrize("name", ["host", "x-amz-date", "content-type"])
def test_some_headers_must_be_signed(name):
    request = signed()
    left_out = ";".join(one for one in ("content-type", "host", "x-amz-date") if one != name)
    header = request.headers["authorization"].replace("content-type;host;x-amz-date", left_out)
    error = refused(changed(request, authorization=header))
    assert error.message == f"'{name}' must be a 'SignedHeader' in the AWS Authorization."


def test_a_header_that_was_signed_must_be_there():
    assert refused(changed(signed(), content_type=None)).code == "InvalidSignatureException"


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "MissingAuthenticationTokenException"),
        ("AWS4-HMAC-SHA256 Credential=x", "IncompleteSignatureException"),
        ("Basic eDp5", "IncompleteSignatureException"),
    ],
)
def test_a_header_that_is_no_signature_is_told_apart(header, code):
    assert refused(changed(signed(), authorization=header)).code == code


def test_a_hash_beside_the_body_must_be_the_bodys():
    good = signed(headers={"X-Amz-Content-SHA256": hashlib.sha256(BODY).hexdigest()})
    assert verify(good, "bedrock", Keyring()) == DEMO
    other = signed(headers={"X-Amz-Content-SHA256": hashlib.sha256(b"other").hexdigest()})
    assert refused(other).code == "InvalidSignatureException"


def test_a_temporary_credential_comes_with_its_token():
    keyring = Keyring()
    credential = keyring.issue(900)
    assert verify(signed(credential=credential), "bedrock", keyring) == credential
    bare = Credential(credential.access_key, credential.secret_key)
    assert refused(signed(credential=bare), keyring).code == "UnrecognizedClientException"


def test_the_token_must_be_signed():
    keyring = Keyring()
    credential = keyring.issue(900)
    request = signed(credential=Credential(credential.access_key, credential.secret_key))
    error = refused(changed(request, x_amz_security_token=credential.token), keyring)
    assert error.message == "'x-amz-security-token' must be a 'SignedHeader' in the AWS Authorization."


def test_an_expired_token_is_named_so():
    keyring = Keyring()
    error = refused(signed(credential=keyring.issue(-1)), keyring)
    assert (error.code, error.message) == (
        "ExpiredTokenException",
        "The security token included in the request is expired",
    )


def test_any_region_will_do():
    assert verify(signed(region="eu-central-1"), "bedrock", Keyring()) == DEMO
