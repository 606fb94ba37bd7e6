"""Errors of Claude and of the platform in front of it: what a client is told of each."""

import json

import pytest
from gateway_provider_azure_ai import AzureAiPlugin

from gateway.provider import LONGEST_WAIT
from gateway.redaction import Redaction
from gateway.testing import make_deployment

PROVIDER = AzureAiPlugin().register_provider()
KEY_REFUSED = (
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an "
    "active subscription and use a correct regional API endpoint for your resource."
)


def claude(kind, message="no"):
    return json.dumps({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}).encode()


def azure(code, message="no", **more):
    return json.dumps({"error": {"code": code, "message": message, **more}}).encode()


def raw(value):
    return json.dumps(value).encode()


ROWS = [
    # status, body, what the client sees: status, kind; whether it is the operator's matter
    (400, claude("invalid_request_error"), 400, "invalid_request_error", False),
    (401, claude("authentication_error"), 401, "authentication_error", True),
    (403, claude("permission_error"), 403, "permission_error", False),
    (404, claude("not_found_error"), 404, "not_found_error", False),
    (413, claude("request_too_large"), 413, "request_too_large", False),
    (429, claude("rate_limit_error"), 429, "rate_limit_error", False),
    (500, claude("api_error"), 500, "api_error", False),
    (504, claude("timeout_error"), 504, "timeout_error", False),
    (529, claude("overloaded_error"), 529, "overloaded_error", False),
    (400, raw({"error": {"type": "invalid_request_error", "message": "no"}}), 400, "invalid_request_error", False),
    (400, azure("BadRequest"), 400, "invalid_request_error", False),
    (400, azure("content_filter", innererror={"code": "ResponsibleAIPolicyViolation"}), 400, "invalid_request_error", False),
    (400, azure("OperationNotSupported"), 400, "invalid_request_error", False),
    (401, azure("401", KEY_REFUSED), 401, "authentication_error", True),
    (401, azure("PermissionDenied", "The principal lacks the required data action"), 401, "authentication_error", True),
    (401, azure("Unauthorized"), 401, "authentication_error", True),
    (401, raw({"statusCode": 401, "message": "Unauthorized. Access token is missing."}), 401, "authentication_error", True),
    (403, azure("403", "Public access is disabled."), 403, "permission_error", False),
    (403, azure("AuthenticationTypeDisabled", "Key based authentication is disabled."), 403, "permission_error", False),
    (403, azure("PermissionDenied"), 403, "permission_error", False),
    (404, azure("404", "Resource not found"), 404, "not_found_error", False),
    (404, azure("api_not_supported", "Requested API is currently not supported"), 404, "not_found_error", False),
    (404, azure("DeploymentNotFound", type="invalid_request_error"), 404, "not_found_error", False),
    (408, azure("408", "The operation was timeout."), 408, "timeout_error", False),
    (408, azure("Timeout"), 408, "timeout_error", False),
    (413, azure("413"), 413, "request_too_large", False),
    (424, azure("FailedDependency"), 424, "api_error", False),
    (429, azure("429", "Requests have exceeded the token rate limit."), 429, "rate_limit_error", False),
    (429, azure(429), 429, "rate_limit_error", False),
    (429, azure("RateLimitReached"), 429, "rate_limit_error", False),
    (429, raw({"statusCode": 429, "message": "Rate limit is exceeded."}), 429, "rate_limit_error", False),
    (500, azure("InternalServerError"), 500, "api_error", False),
    (502, b"<html><h1>502 Bad Gateway</h1></html>", 502, "api_error", False),
    (503, azure("ServiceUnavailable"), 503, "overloaded_error", False),
    (504, b"", 504, "timeout_error", False),
    (401, b"", 401, "authentication_error", True),
    (403, b"<html>Forbidden by a proxy</html>", 403, "permission_error", False),
    (429, b"", 429, "rate_limit_error", False),
    (500, raw({"error": "no"}), 500, "api_error", False),
    (500, raw({"error": {"code": None, "message": None}}), 500, "api_error", False),
    (500, raw([]), 500, "api_error", False),
    (307, b"", 502, "api_error", False),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "told", "kind", "ours"), ROWS)
def test_every_error_becomes_the_right_one(status, body, told, kind, ours):
    fault = PROVIDER.fault(status, {}, body)
    assert (fault.status, fault.kind, fault.ours) == (told, kind, ours)
    assert fault.message


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (
            400,
            claude("invalid_request_error", "prompt is too long: 2 tokens > 1 maximum"),
            "prompt is too long: 2 tokens > 1 maximum",
        ),
        (429, azure("429", "Try again in 26 seconds."), "Try again in 26 seconds."),
        (429, raw({"statusCode": 429, "message": "Try again in 26 seconds."}), "Try again in 26 seconds."),
        (500, raw({"error": "it broke"}), "it broke"),
        (500, azure("Odd", None), "The host answered with status 500: Odd."),
        (500, azure("500", None), "The host answered with status 500."),
        (502, b"<html>no</html>", "The host answered with status 502."),
    ],
)
def test_the_hosts_own_words_are_kept(status, body, words):
    assert PROVIDER.fault(status, {}, body).message == words


@pytest.mark.parametrize(
    ("code", "host", "ours"),
    [
        ("api_not_supported", "Requested API is currently not supported", "api_base"),
        ("404", "Resource not found", "api_base"),
        ("DeploymentNotFound", "The API deployment for this resource does not exist.", "azure_ai/"),
    ],
)
def test_a_404_keeps_the_hosts_words_and_says_which_setting_to_look_at(code, host, ours):
    message = PROVIDER.fault(404, {}, azure(code, host)).message
    assert message.startswith(f"{host.rstrip('.')}. The operator has to look at")
    assert ours in message


def test_a_code_that_is_a_word_is_kept_for_machines():
    assert PROVIDER.fault(404, {}, azure("DeploymentNotFound")).details == {"code": "DeploymentNotFound"}
    assert PROVIDER.fault(429, {}, azure("429")).details == {}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "2.2"}, 3),
        ({"retry-after-ms": "1200"}, 2),
        ({"retry-after-ms": "20", "retry-after": "60"}, 1),
        ({"retry-after-ms": "soon", "retry-after": "60"}, 60),
        ({"retry-after-ms": "nan"}, None),
        ({"retry-after-ms": "1e300"}, LONGEST_WAIT),
        ({"retry-after": "Wed, 25 Nov 2026 07:28:00 GMT"}, None),
    ],
)
@pytest.mark.parametrize("body", [azure("429"), claude("rate_limit_error")])
def test_how_long_to_wait_is_told_in_whole_seconds(headers, seconds, body):
    assert PROVIDER.fault(429, headers, body).retry_after == seconds


def test_the_hosts_own_word_on_retries_is_kept():
    assert PROVIDER.fault(429, {"x-should-retry": "false"}, azure("429")).should_retry is False


def test_a_refused_key_is_told_without_what_the_host_said():
    error = PROVIDER.fault(401, {}, azure("401", KEY_REFUSED)).error(Redaction())
    assert error.status == 502
    assert "credential" in error.message
    assert "subscription" not in error.message


def test_what_a_client_reads_names_no_host():
    settings = PROVIDER.settings().load({"api_key": "k", "api_base": "https://contoso.services.ai.azure.com"})
    fault = PROVIDER.fault(404, {}, azure("404", "contoso.services.ai.azure.com has no such path"))
    redaction = Redaction(lambda: PROVIDER.private(make_deployment(settings=settings)))
    message = fault.error(redaction).message
    assert "contoso" not in message
    assert "has no such path" in message


def test_a_refused_role_or_network_says_what_the_operator_has_to_check():
    fault = PROVIDER.fault(403, {}, azure("PermissionDenied", "Principal does not have access to API/Operation."))
    assert fault.message.startswith(
        "Principal does not have access to API/Operation. The operator has to check the role"
    )
    assert fault.should_retry is False
