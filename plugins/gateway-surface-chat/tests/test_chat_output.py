"""response_format."""

import pytest

from gateway import InvalidRequest

PERSON = {"type": "object", "properties": {"name": {"type": "string"}}}


def schema(wanted, **more):
    return {"type": "json_schema", "json_schema": {"name": "x", "schema": wanted, **more}}


def test_a_schema_becomes_an_output_format(client):
    body = client.read(response_format=schema(PERSON))
    assert body["output_config"] == {"format": {"type": "json_schema", "schema": PERSON}}


def test_it_stands_beside_what_output_config_says_already(client):
    body = client.read(response_format=schema(PERSON), output_config={"effort": "low", "format": None})
    assert body["output_config"] == {"format": {"type": "json_schema", "schema": PERSON}, "effort": "low"}


def test_a_format_of_the_messages_api_wins(client):
    own = {"format": {"type": "json_schema", "schema": {}}}
    assert client.read(response_format=schema(PERSON), output_config=own)["output_config"] == own
    assert client.read(response_format=schema(PERSON), output_config="odd")["output_config"] == "odd"


def test_a_strict_schema_is_closed_everywhere_and_nowhere_else(client):
    wanted = {
        "type": "object",
        "properties": {
            "properties": {"type": ["object", "null"]},
            "list": {"type": "array", "items": {"properties": {"deep": {"type": "string"}}}},
            "open": {"type": "object", "additionalProperties": True},
            "either": {"anyOf": [PERSON, {"$ref": "#/$defs/person"}]},
        },
        "$defs": {"person": PERSON},
        "const": {"type": "object"},
    }
    made = client.read(response_format=schema(wanted, strict=True))["output_config"]["format"]["schema"]
    assert made == {
        "type": "object",
        "properties": {
            "properties": {"type": ["object", "null"], "additionalProperties": False},
            "list": {
                "type": "array",
                "items": {"properties": {"deep": {"type": "string"}}, "additionalProperties": False},
            },
            "open": {"type": "object", "additionalProperties": True},
            "either": {"anyOf": [{**PERSON, "additionalProperties": False}, {"$ref": "#/$defs/person"}]},
        },
        "$defs": {"person": {**PERSON, "additionalProperties": False}},
        "const": {"type": "object"},
        "additionalProperties": False,
    }


def test_any_json_object_is_asked_for_in_words(client):
    body = client.read(response_format={"type": "json_object"})
    assert [part["type"] for part in body["system"]] == ["text"]
    assert "JSON object" in body["system"][0]["text"]
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "x"}]
    assert len(client.read(messages=messages, response_format={"type": "json_object"})["system"]) == 2


def test_a_format_of_the_messages_api_needs_no_words(client):
    own = {"format": {"type": "json_schema", "schema": {}}}
    assert "system" not in client.read(response_format={"type": "json_object"}, output_config=own)


def test_text_is_what_there_is_anyway(client):
    assert client.read(response_format={"type": "text"}) == client.read()


@pytest.mark.parametrize(
    ("wanted", "param"),
    [
        ("json", "response_format"),
        ({}, "response_format.type"),
        ({"type": ["text"]}, "response_format.type"),
        ({"type": "grammar"}, "response_format.type"),
        ({"type": "json_schema"}, "response_format.json_schema"),
        (schema(None), "response_format.json_schema.schema"),
    ],
)
def test_an_error_names_the_place(client, wanted, param):
    with pytest.raises(InvalidRequest) as error:
        client.read(response_format=wanted)
    assert error.value.param == param
