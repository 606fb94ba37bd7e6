"""Whose key it is, wherever it stands, and never a crash for whatever stands there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.auth import (
    ANYBODY,
    HEADERS,
    MASTER,
    SAMPLE_KEYS,
    MasterKey,
    generate_key,
    read_credential,
    unauthenticated,
)
from gateway.errors import Forbidden, Unauthenticated
from gateway.secret import Secret

KNOWN = MasterKey(Secret("sk-master-1"))


def wire(text):
    """A header's text as WSGI hands it on: UTF-8 bytes read as Latin-1."""
    return text.encode().decode("latin-1")


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("value", ["sk-1", "Bearer sk-1", "bearer sk-1", "BEARER   sk-1  ", "  sk-1 "])
def test_a_key_may_stand_in_any_of_the_headers(name, value):
    assert read_credential({name: value, "user-agent": "x"}) == "sk-1"


def test_the_four_headers_that_clients_use_are_read():
    assert set(HEADERS) == {"authorization", "x-api-key", "api-key", "x-litellm-api-key"}


@pytest.mark.parametrize("headers", [{}, {"authorization": ""}, {"cookie": "sk-1"}, {"x-api-key": ""}])
def test_no_key_is_none(headers):
    assert read_credential(headers) is None


def test_one_key_in_two_headers_is_one_key():
    assert read_credential({"authorization": "Bearer sk-1", "x-api-key": "sk-1"}) == "sk-1"


@pytest.mark.parametrize("other", HEADERS[1:])
def test_two_keys_that_differ_are_refused(other):
    with pytest.raises(Unauthenticated, match="two different keys") as refused:
        read_credential({"authorization": "Bearer sk-1", other: "sk-2"})
    assert refused.value.status == 401
    assert "sk-1" not in refused.value.message


@pytest.mark.parametrize(
    "value",
    ["Basic c2stbWFzdGVyLTE=", "Bearer", "Bearer ", "Bearer sk-master-1,Bearer sk-master-1", "Token sk-master-1",
     "sk-master-1 x", "$LITELLM_KEY"],
)  # fmt: skip
def test_anything_but_the_bare_key_is_nobodys(value):
    assert KNOWN.authenticate_request(read_credential({"authorization": value}), {}) is None


def test_the_master_key_is_the_operators():
    assert KNOWN.authenticate_request("sk-master-1", {}) is MASTER
    assert MASTER.permissions.operator
    assert MASTER.permissions.allow_model("anything")
    assert MASTER.permissions.allow_capability("anything")


@pytest.mark.parametrize(
    "credential", [None, "", "sk-master-", "sk-master-12", "SK-MASTER-1", "ключ", "\x00", "x" * 100_000]
)
def test_another_key_is_nobodys(credential):
    assert KNOWN.authenticate_request(credential, {}) is None


def test_a_key_beyond_ascii_is_compared_as_it_is_sent():
    assert MasterKey(Secret("ключ-ü")).authenticate_request(wire("ключ-ü"), {}) is MASTER
    assert MasterKey(Secret("ключ-ü")).authenticate_request(wire("ключ-u"), {}) is None


@given(st.text() | st.text().map(wire))
def test_no_credential_whatever_breaks_the_door(text):
    assert KNOWN.authenticate_request(read_credential({"x-api-key": text}), {}) is None


@pytest.mark.parametrize("credential", [None, "", "anything", "ключ"])
def test_without_a_key_everybody_gets_in(credential):
    assert MasterKey(None).authenticate_request(credential, {}) is ANYBODY


def test_a_refusal_says_how_to_send_a_key_and_not_what_was_wrong():
    error = unauthenticated()
    assert (error.status, error.should_retry) == (401, False)
    assert "Authorization: Bearer" in error.message
    assert "x-api-key" in error.message


def test_generated_keys_are_long_and_never_the_same():
    keys = {generate_key().reveal() for _ in range(50)}
    assert len(keys) == 50
    assert all(key.startswith("sk-") and len(key) >= 43 and key not in SAMPLE_KEYS for key in keys)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:4000", "localhost:4000", "0.0.0.0:4000", "[::1]:4000", "10.0.0.7"]
)
def test_without_a_key_this_machines_own_names_are_served(host):
    assert MasterKey(None).authenticate_request(None, {"host": host}).key_id == "anonymous"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"host": "evil.example"},
        {"host": "evil.example:4000"},
        {"host": "localhost.evil.example"},
        {"host": "127.0.0.1.evil.example"},
    ],
)
def test_without_a_key_no_web_page_can_spend(headers):
    with pytest.raises(Forbidden, match="serves no web pages"):
        MasterKey(None).authenticate_request(None, {"host": "127.0.0.1", **headers})


def test_an_operator_may_open_it_under_any_name_but_not_to_web_pages():
    opened = MasterKey(None, anywhere=True)
    assert opened.authenticate_request(None, {"host": "claude.example"}).key_id == "anonymous"
    with pytest.raises(Forbidden):
        opened.authenticate_request(None, {"host": "claude.example", "origin": "https://evil.example"})
