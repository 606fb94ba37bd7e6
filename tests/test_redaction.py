"""What of a host's words a client may see."""

import pytest

from gateway.redaction import Redaction


@pytest.mark.parametrize(
    "text",
    [
        "prompt is too long: 210000 tokens > 200000 maximum",
        "context_management: Extra inputs are not permitted",
        "Unexpected value(s) `novel-2027-01-01` for the `anthropic-beta` header.",
        "messages.1.content.0: `thinking` blocks cannot be modified",
        "claude-opus-4-6-20260205 is overloaded\nTry again",
        "max_tokens: 300000 > 128000",
    ],
)  # fmt: skip
def test_wording_that_clients_key_on_stays(text):
    assert Redaction().text(text) == text


@pytest.mark.parametrize(
    "secret",
    [
        "https://internal.example:8443/v1/messages?key=abc",
        "http://10.0.0.7/x",
        "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.claude",
        "arn:aws-us-gov:iam::123456789012:role/admin",
        "123456789012",
        "sk-ant-api03-abcdefgh-XYZ_123",
        "AKIAIOSFODNN7EXAMPLE",
        "ASIAIOSFODNN7EXAMPLE",
        "ya29.a0AfH6SMC-x_y",
        "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2ln",
        "projects/my-project-1",
        "gateway@my-project-1.iam.gserviceaccount.com",
        "subscriptions/5f1c2a50-0000-4000-8000-123456789abc",
        "tenant '5f1c2a50-0000-4000-8000-123456789abc",
        "987654321098",
        "Bearer eyJhbGciOi.x.y",
    ],
)
def test_hosts_accounts_and_keys_are_taken_out(secret):
    told = Redaction().text(f'The caller "{secret}" may not do this ({secret}).')
    assert secret not in told
    assert told.startswith('The caller "[removed]')


def test_control_characters_and_endless_texts_are_tamed():
    assert Redaction().text("a\x00b\x1b[31mc\r\nd\u2028e") == "a b [31mc \nd e"
    assert len(Redaction().text("x" * 10_000)) == 2000
    assert Redaction().text("ü 😀") == "ü 😀"


def test_what_stands_around_a_project_stays():
    told = Redaction().text("denied on //host/projects/p-1/locations/us-east5/publishers/x/models/m")
    assert told == "denied on //host/[removed]/locations/us-east5/publishers/x/models/m"


def test_words_of_a_deployment_go_too_the_longer_ones_first():
    redaction = Redaction(lambda: ["acme", "acme.example.net", ""])
    assert redaction.text("ACME.example.net says: acme has no quota") == "[removed] says: [removed] has no quota"


def test_facts_are_cleaned_all_the_way_down():
    facts = {"a": ["acme", {"acme": 1}], "b": None, "c": 2}
    assert Redaction(lambda: ["acme"]).facts(facts) == {"a": ["[removed]", {"[removed]": 1}], "b": None, "c": 2}
    assert Redaction().facts(["no object"]) == {}


def test_an_operator_may_let_clients_see_everything_but_control_characters():
    redaction = Redaction(lambda: ["acme"], off=True)
    assert redaction.text("acme at https://h.example\x00") == "acme at https://h.example "


def test_a_private_word_takes_nothing_away_from_longer_ones():
    redaction = Redaction(lambda: ["claude", "max"])
    told = redaction.text("max_tokens: 9 > 8 for global.anthropic.claude-opus-4-6-v1 in project claude, role/max")
    assert told == "max_tokens: 9 > 8 for global.anthropic.claude-opus-4-6-v1 in project [removed], role/[removed]"


def test_a_clients_own_words_lose_only_what_is_the_operators():
    body = {"text": "write to me@example.com", "guard": ["gr-77", {"gr-77": 1}]}
    assert Redaction(lambda: ["gr-77"]).without_private(body) == {
        "text": "write to me@example.com", "guard": ["[removed]", {"gr-77": 1}],
    }  # fmt: skip
    assert Redaction(lambda: ["gr-77"], off=True).without_private(body) is body


@pytest.mark.parametrize("address", ["10.0.0.7", "192.168.3.4", "172.31.0.1", "169.254.169.254", "127.0.0.1"])
def test_addresses_of_inner_networks_are_taken_out(address):
    assert Redaction().text(f"host {address}:8443 is down") == "host [removed]:8443 is down"
    assert Redaction().text("claude 4.6.0.1 and 8.8.8.8") == "claude 4.6.0.1 and 8.8.8.8"
