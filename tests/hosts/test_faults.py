"""Every error of every host reaches a client as the right status, type and words, and as nothing else."""

import pytest

from tests.hosts.conftest import FAULTS, PRIVATE, SECRETS, URLS, ask


def told(fault):
    """What the host answers."""
    headers = {"request-id": "req_host", "x-amzn-requestid": "req_host", "apim-request-id": "req_host"}
    if "error" in fault:
        headers["x-amzn-errortype"] = fault["error"]
    return {"status": fault["status"], "body": fault["body"], "headers": headers | fault.get("headers", {})}


def name(fault):
    return f"{fault['host']}-{fault['status']}-{FAULTS.index(fault)}"


def test_the_table_is_large_enough():
    assert len(FAULTS) >= 60
    assert {fault["host"] for fault in FAULTS} == {*URLS}


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("surface", ["messages", "chat"])
@pytest.mark.parametrize("fault", FAULTS, ids=name)
def test_a_fault_is_told_as_it_is_meant(serve, hosts, fault, surface, stream):
    hosts.post(URLS[fault["host"]], **told(fault))
    answer = ask(serve(), fault["host"], surface, stream=stream)
    error = answer.json["error"]
    assert answer.status_code == fault["says"]
    wanted = fault["message"]
    assert wanted[1:] in error["message"] if wanted.startswith("~") else error["message"] == wanted
    if surface == "messages":
        assert (answer.json["type"], error["type"]) == ("error", fault["kind"])
    elif "code" in fault:
        assert error["code"] == fault["code"]
    assert answer.headers.get("retry-after") == (str(fault["retry"]) if "retry" in fault else None)
    if "again" in fault:
        assert answer.headers["x-should-retry"] == str(fault["again"]).lower()
    assert answer.headers["gateway-upstream-request-id"] == "req_host"
    everything = f"{answer.headers}{answer.text}"
    for word in (*fault.get("gone", ()), *SECRETS, *PRIVATE):
        assert word not in everything


@pytest.mark.parametrize("fault", [one for one in FAULTS if one["host"] == "bedrock"], ids=name)
def test_converse_fails_in_the_same_words(serve, hosts, fault):
    hosts.post(URLS["bedrock"], **told(fault))
    answer = ask(serve(), "converse")
    assert (answer.status_code, answer.json["error"]["type"]) == (fault["says"], fault["kind"])


@pytest.mark.parametrize("fault", [one for one in FAULTS if "gone" in one and one["says"] == 403], ids=name)
def test_an_operator_may_let_clients_see_it_in_full(serve, hosts, fault):
    hosts.post(URLS[fault["host"]], **told(fault))
    message = ask(serve(show=True), fault["host"]).json["error"]["message"]
    assert any(word in message for word in fault["gone"])


def test_a_refused_credential_is_not_shown_even_then(serve, hosts):
    (fault,) = [one for one in FAULTS if "Access denied due to invalid" in one["body"]]
    hosts.post(URLS["azure_ai"], **told(fault))
    assert "subscription" not in ask(serve(show=True), "azure_ai").text


def test_an_identity_service_that_is_down_is_told_without_its_words(account, hosts):
    from gateway.app import create_app
    from gateway.config import parse
    from gateway.plugins import discover
    from tests.hosts.conftest import CONFIG, TOKENS

    hosts.replace("POST", TOKENS, status=503, body="acme-project is down at https://internal.example")
    plugins = [one for one in discover() if one.kind != "infra"]
    text = CONFIG.replace("SHOW", "false")
    client = create_app(parse(text, "hosts.yaml", {"ACCOUNT": account}), found=plugins).test_client()
    answer = ask(client, "vertex_ai")
    assert (answer.status_code, answer.headers["gateway-error"]) == (502, "upstream_unidentified")
    assert not any(word in answer.text for word in (*PRIVATE, "internal"))
