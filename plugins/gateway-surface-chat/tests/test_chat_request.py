"""The top level of a request."""

import pytest
from gateway_surface_chat import Chat

from gateway import InvalidRequest, strictjson


def reading(ask, **fields):
    return Chat().read(ask(**fields), {})


def test_the_smallest_request_needs_nothing_more(client):
    assert client.read() == {"model": "claude-test-1", "messages": [{"role": "user", "content": "Hello"}]}


def test_it_says_which_model_and_whether_it_streams(ask):
    assert (reading(ask).model, reading(ask).stream) == ("claude-test-1", False)
    assert reading(ask, stream=True).stream is True
    assert reading(ask, stream=True).body["stream"] is True
    assert reading(ask).version == ""


@pytest.mark.parametrize("model", [None, "", 7])
def test_a_model_has_to_be_named(ask, model):
    with pytest.raises(InvalidRequest) as error:
        reading(ask, model=model)
    assert error.value.param == "model"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("thinking", {"type": "adaptive"}),
        ("context_management", {"edits": [{"type": "novelty"}]}),
        ("output_config", {"effort": "medium"}),
        ("speed", "fast"),
        ("inference_geo", "us"),
        ("container", "c"),
        ("mcp_servers", [{"type": "url"}]),
        ("cache_control", {"type": "ephemeral"}),
        ("top_k", 5),
        ("metadata", {"user_id": "u"}),
        ("something_new", {"deep": [1]}),
    ],
)
def test_fields_of_the_messages_api_travel_as_they_are(client, name, value):
    assert client.read(**{name: value})[name] == value
    assert client.read(extra_body={name: value})[name] == value
    assert name not in client.read(**{name: None})


def test_effort_is_for_a_feature_to_claim(client):
    assert "reasoning_effort" not in client.read(reasoning_effort="high")
    with pytest.raises(InvalidRequest) as error:
        client.read(extra_body={"reasoning_effort": "high"})
    assert error.value.param == "extra_body.reasoning_effort"


def test_both_words_for_the_limit_are_understood(client):
    assert client.read(max_tokens=5)["max_tokens"] == 5
    assert client.read(max_completion_tokens=7, max_tokens=5)["max_tokens"] == 7
    assert "max_tokens" not in client.read(max_completion_tokens=None)


@pytest.mark.parametrize(
    ("stop", "sequences"),
    [("END", ["END"]), (["a", " ", "", "\n", "b"], ["a", "b"]), ([], None), (" ", None), (None, None)],
)
def test_blank_stop_sequences_are_left_out(client, stop, sequences):
    assert client.read(stop=stop).get("stop_sequences") == sequences


def test_stop_sequences_of_the_messages_api_come_first(client):
    assert client.read(stop="b", stop_sequences=["a"])["stop_sequences"] == ["a", "b"]


def test_temperature_travels_up_to_one(client):
    body = strictjson.loads_object(b'{"model":"m","messages":[{"role":"user","content":"x"}],"temperature":0.70}')
    assert strictjson.dumps(Chat().read(body, {}).body["temperature"]) == b"0.70"
    assert client.read(temperature=1, top_p=0)["temperature"] == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", 2),
        ("temperature", 10**400),
        ("n", 2),
        ("n", True),
        ("n", "x"),
        ("logprobs", True),
        ("top_logprobs", 3),
        ("modalities", ["text", "audio"]),
        ("audio", {"voice": "x"}),
    ],
)
def test_what_would_change_the_form_of_the_answer_is_named_and_left_out(name, value):
    asked = {"model": "m", "messages": [{"role": "user", "content": "x"}], name: value}
    reading = Chat().read(asked, {})
    assert list(reading.unsupported) == [name]
    assert name not in reading.body


def test_a_warm_temperature_is_told_in_any_spelling():
    for spelling in (b"1.01", b"1e400", b"15e-1"):
        body = b'{"model":"m","messages":[{"role":"user","content":"x"}],"temperature":%b}' % spelling
        reading = Chat().read(strictjson.loads_object(body), {})
        assert reading.unsupported["temperature"].startswith("has to be between 0 and 1")


@pytest.mark.parametrize(
    ("name", "value"), [("n", 1), ("logprobs", False), ("top_logprobs", 0), ("modalities", ["text"]), ("audio", None)]
)
def test_what_asks_for_the_usual_form_is_fine(client, name, value):
    asked = {"model": "m", "messages": [{"role": "user", "content": "x"}], name: value}
    assert not Chat().read(asked, {}).unsupported
    assert name not in client.read(**{name: value})


def test_hints_are_left_out_by_name(ask):
    hints = {
        "seed": 1,
        "frequency_penalty": 0.5,
        "logit_bias": {},
        "store": True,
        "prompt_cache_key": "x",
        "verbosity": "low",
    }
    made = reading(ask, **hints, presence_penalty=None, metadata={"job": "7"}, service_tier="flex")
    assert set(made.ignored) == {*hints, "metadata", "service_tier"}
    assert made.body == reading(ask).body


@pytest.mark.parametrize(("tier", "expected"), [("auto", "auto"), ("default", "standard_only"), ("standard_only",) * 2])
def test_service_tiers_have_counterparts(client, tier, expected):
    assert client.read(service_tier=tier)["service_tier"] == expected


def test_a_user_is_named_unless_that_would_name_a_person(ask):
    assert reading(ask, user="u-12").body["metadata"] == {"user_id": "u-12"}
    for person in ("ann@example.com", "+41 (44) 123-45-67", "0441234567", ""):
        made = reading(ask, user=person)
        if person:
            assert made.ignored == ("user",)
            assert "metadata" not in made.body
    assert reading(ask, user="u", metadata={"user_id": "own"}).body["metadata"] == {"user_id": "own"}


def test_a_long_user_is_looked_at_in_no_time(ask):
    assert reading(ask, user="a@" + "." * 1_000_000 + "@").body["metadata"]


def test_betas_stand_in_the_body_too(ask):
    made = reading(
        ask,
        anthropic_beta=["one-2026-01-01", "two"],
        extra_headers={"Anthropic-Beta": "three, four", "x-other": "ignored"},
    )
    assert made.betas == ("one-2026-01-01", "two", "three", "four")
    assert made.ignored == ("extra_headers",)
    assert made.body == reading(ask).body
    assert reading(ask, anthropic_beta="one,two").betas == ("one", "two")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"anthropic_beta": 1}, "anthropic_beta"),
        ({"anthropic_beta": [1]}, "anthropic_beta"),
        ({"anthropic_beta": ["x\r\ny: z"]}, "anthropic_beta"),
        ({"anthropic_beta": ""}, "anthropic_beta"),
        ({"extra_headers": []}, "extra_headers"),
        ({"extra_headers": {"anthropic-beta": "é"}}, "extra_headers.anthropic-beta"),
        ({"extra_body": "x"}, "extra_body"),
        ({"stream_options": []}, "stream_options"),
        ({"stop": 1}, "stop"),
        ({"stop": [1]}, "stop[0]"),
        ({"service_tier": 1}, "service_tier"),
        ({"user": 1}, "user"),
        ({"system": 1, "messages": [{"role": "system", "content": "x"}, {"role": "user", "content": "x"}]}, "system"),
    ],
)
def test_an_error_names_the_place(client, fields, param):
    with pytest.raises(InvalidRequest) as error:
        client.read(**fields)
    assert error.value.param == param
