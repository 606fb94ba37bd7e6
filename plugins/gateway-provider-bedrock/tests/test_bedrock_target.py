"""What stands behind ``bedrock/`` in the configuration."""

import pytest
from gateway_provider_bedrock.target import Target

SYSTEM = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-opus-4-6-v1"
OWN = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/a1b2c3d4e5f6"
FOUNDATION = "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-sonnet-4-6"


@pytest.mark.parametrize(
    ("upstream", "api", "model", "geography", "name", "region", "account"),
    [
        ("anthropic.claude-opus-4-6-v1", "invoke", "anthropic.claude-opus-4-6-v1", "", "claude-opus-4-6", "", ""),
        ("global.anthropic.claude-opus-4-6-v1", "invoke", "anthropic.claude-opus-4-6-v1", "", "claude-opus-4-6", "", ""),
        ("us.anthropic.claude-opus-5-5", "invoke", "anthropic.claude-opus-5-5", "us", "claude-opus-5-5", "", ""),
        ("invoke/eu.anthropic.claude-opus-5", "invoke", "anthropic.claude-opus-5", "eu", "claude-opus-5", "", ""),
        ("converse/jp.anthropic.claude-sonnet-4-6", "converse", "anthropic.claude-sonnet-4-6", "jp", "claude-sonnet-4-6", "", ""),
        ("au.anthropic.claude-sonnet-4-5-20250929-v1:0", "invoke", "anthropic.claude-sonnet-4-5-20250929-v1:0", "au", "claude-sonnet-4-5-20250929", "", ""),
        ("apac.anthropic.claude-haiku-4-5-20251001-v1:0", "invoke", "anthropic.claude-haiku-4-5-20251001-v1:0", "apac", "claude-haiku-4-5-20251001", "", ""),
        ("us-gov.anthropic.claude-opus-4-6-v1", "invoke", "anthropic.claude-opus-4-6-v1", "us-gov", "claude-opus-4-6", "", ""),
        (SYSTEM, "invoke", "anthropic.claude-opus-4-6-v1", "us", "claude-opus-4-6", "us-east-1", "123456789012"),
        (f"converse/{SYSTEM}", "converse", "anthropic.claude-opus-4-6-v1", "us", "claude-opus-4-6", "us-east-1", "123456789012"),
        (FOUNDATION, "invoke", "anthropic.claude-sonnet-4-6", "", "claude-sonnet-4-6", "us-east-1", ""),
        (OWN, "invoke", "", "", "a1b2c3d4e5f6", "eu-west-1", "123456789012"),
    ],
)  # fmt: skip
def test_an_upstream_name_is_taken_apart(upstream, api, model, geography, name, region, account):
    target = Target.of(upstream)
    assert (target.api, target.model, target.geography, target.name) == (api, model, geography, name)
    assert (target.region, target.account) == (region, account)
    assert target.wellformed


@pytest.mark.parametrize(
    "upstream",
    ["", "..", ".", "../x", "us-east-1/anthropic.claude-opus-4-6-v1", "a b", "a?b", "é", "converse/", "invoke/..",
     "arn:aws:bedrock:us-east-1:123456789012:", "arn:aws:iam::123456789012:role/x", "arn:aws:bedrock:r:1:x/y"],
)  # fmt: skip
def test_what_is_no_id_is_told_apart(upstream):
    assert not Target.of(upstream).wellformed


def test_an_id_is_one_segment_of_a_path():
    assert Target.of("us.anthropic.claude-haiku-4-5-20251001-v1:0").segment.endswith("-v1%3A0")
    assert Target.of(SYSTEM).segment.startswith("arn%3Aaws%3Abedrock%3A")
    assert "/" not in Target.of(SYSTEM).segment
