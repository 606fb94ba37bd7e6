"""What the exceptions of AWS mean to a client."""

import json

import pytest
from gateway_provider_bedrock import BedrockPlugin

from gateway.redaction import Redaction

PROVIDER = BedrockPlugin().register_provider()

ON_DEMAND = (
    "Invocation of model ID anthropic.claude-opus-4-6-v1 with on-demand throughput isn't supported. "
    "Retry your request with the ID or ARN of an inference profile that contains this model."
)


def fault(status, name="", message="as the host says it", header=True, field="message", **more):
    body = {field: message, **more} if message else more
    return PROVIDER.fault(status, {"x-amzn-errortype": name} if header and name else {}, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("status", "name", "seen", "kind"),
    [
        (400, "ValidationException", 400, "invalid_request_error"),
        (400, "ServiceQuotaExceededException", 429, "rate_limit_error"),
        (403, "AccessDeniedException", 403, "permission_error"),
        (404, "ResourceNotFoundException", 404, "not_found_error"),
        (408, "ModelTimeoutException", 408, "timeout_error"),
        (424, "ModelErrorException", 424, "api_error"),
        (424, "ModelStreamErrorException", 424, "api_error"),
        (429, "ModelNotReadyException", 429, "overloaded_error"),
        (429, "ThrottlingException", 429, "rate_limit_error"),
        (500, "InternalServerException", 500, "api_error"),
        (503, "ServiceUnavailableException", 503, "overloaded_error"),
        (400, "", 400, "invalid_request_error"),
        (403, "", 403, "permission_error"),
        (404, "UnknownOperationException", 404, "not_found_error"),
        (408, "", 408, "timeout_error"),
        (413, "", 413, "request_too_large"),
        (418, "Surprise", 418, "api_error"),
        (429, "", 429, "rate_limit_error"),
        (500, "Surprise", 500, "api_error"),
        (502, "", 502, "api_error"),
        (503, "", 503, "overloaded_error"),
        (504, "", 504, "timeout_error"),
        (307, "", 502, "api_error"),
    ],
)
def test_an_exception_has_a_status_and_a_type(status, name, seen, kind):
    found = fault(status, name)
    assert (found.status, found.kind, found.ours) == (seen, kind, False)
    assert found.message.startswith("as the host says it")


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"x-amzn-errortype": "ThrottlingException"}, {}),
        ({"x-amzn-errortype": "ThrottlingException:http://internal.amazon.com/coral/com.amazon.bedrock/"}, {}),
        ({"x-amzn-errortype": "com.amazon.coral.availability#ThrottlingException"}, {}),
        ({"x-amzn-errortype": "com.amazon.bedrock#ThrottlingException:http://internal.amazon.com/"}, {}),
        ({}, {"__type": "ThrottlingException"}),
        ({}, {"__type": "com.amazon.bedrock#ThrottlingException"}),
        ({}, {"code": "ThrottlingException"}),
    ],
)
def test_the_exceptions_name_is_found_wherever_it_stands(headers, body):
    found = PROVIDER.fault(400, headers, json.dumps({"message": "m", **body}).encode())
    assert (found.status, found.kind) == (429, "rate_limit_error")


@pytest.mark.parametrize(
    ("status", "name", "message"),
    [
        (401, "", "Unauthorized"),
        (403, "UnrecognizedClientException", "The security token included in the request is invalid."),
        (403, "InvalidSignatureException", "The request signature we calculated does not match."),
        (403, "SignatureDoesNotMatch", "x"),
        (403, "ExpiredTokenException", "The security token included in the request is expired"),
        (403, "InvalidClientTokenId", "x"),
        (403, "MissingAuthenticationTokenException", "Missing Authentication Token"),
        (403, "MissingAuthenticationToken", "x"),
        (403, "IncompleteSignatureException", "x"),
        (403, "", "Authentication failed: Please make sure your API Key is valid."),
        (403, "AccessDeniedException", "Bearer Token has expired"),
        (403, "", "The security token included in the request is invalid."),
    ],
)
def test_a_refused_credential_is_ours(status, name, message):
    assert fault(status, name, message).ours


def test_a_missing_permission_says_whose_matter_it_is_and_shows_no_account():
    text = (
        "User: arn:aws:sts::123456789012:assumed-role/claude/gateway is not authorized to perform: bedrock:InvokeModel "
        "on resource: arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-opus-4-6-v1"
    )
    found = fault(403, "AccessDeniedException", text, field="Message")
    shown = Redaction().text(found.message)
    assert shown.startswith("User: [removed] is not authorized to perform: bedrock:InvokeModel on resource: [removed]")
    assert "The operator of this gateway has to grant" in shown
    assert "123456789012" not in shown


@pytest.mark.parametrize(
    "message",
    [
        "prompt is too long: 210000 tokens > 200000 maximum",
        "Input is too long for requested model.",
        "Malformed input request: #: extraneous key [speed] is not permitted, please reformat your input and try again.",
        "messages.1.content.0: Invalid `signature` in `thinking` block",
    ],
)
def test_the_hosts_wording_stays(message):
    assert fault(400, "ValidationException", message).message == message


@pytest.mark.parametrize("message", [ON_DEMAND, ON_DEMAND.replace("'", "\u2019")])
def test_a_model_without_a_profile_comes_with_the_remedy(message):
    found = fault(400, "ValidationException", message)
    assert found.message.startswith(message)
    assert "`us.` or `global.`, such as global.anthropic.claude-opus-4-6-v1." in found.message
    assert (found.status, found.kind) == (400, "invalid_request_error")


def test_the_remedy_needs_no_id():
    found = fault(400, "ValidationException", "on-demand throughput isn't supported")
    assert found.message.endswith("Use an inference profile: the id with a prefix such as `us.` or `global.`.")


def test_the_models_own_status_is_a_fact():
    assert fault(424, "ModelErrorException", originalStatusCode=503).details == {"original_status": 503}
    assert fault(424, "ModelErrorException", originalStatusCode="x").details == {}


def test_a_wait_is_kept():
    found = PROVIDER.fault(429, {"x-amzn-errortype": "ThrottlingException", "retry-after": "2.5"}, b"{}")
    assert found.retry_after == 3
    assert found.message == "The host answered with status 429."
