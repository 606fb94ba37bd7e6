"""Values made from schemas."""

import pytest
from gateway_infra_simulator.refusal import RefusalError
from gateway_infra_simulator.schema import sample

NODE = {
    "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}, "n": {"type": "integer"}}}},
    "$ref": "#/$defs/node",
}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string"}, "simulated"),
        ({"type": "string", "minLength": 12}, "simulatedxxx"),
        ({"type": "string", "maxLength": 3}, "sim"),
        ({"type": "string", "format": "date"}, "2026-01-01"),
        ({"type": "integer"}, 1),
        ({"type": "integer", "minimum": 7}, 7),
        ({"type": "integer", "exclusiveMinimum": 7}, 8),
        ({"type": "number", "maximum": 0.5}, 0.5),
        ({"type": "boolean"}, True),
        ({"type": "null"}, None),
        ({"type": ["null", "string"]}, "simulated"),
        ({"enum": ["b", "a"]}, "b"),
        ({"const": 3}, 3),
        ({"default": "d", "type": "string"}, "d"),
        ({"type": "array", "items": {"type": "integer"}}, [1]),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 3}, [1, 1, 1]),
        ({"type": "object"}, {}),
        ({"properties": {"a": {"type": "integer"}}}, {"a": 1}),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, 1),
        (
            {
                "allOf": [
                    {"type": "object", "properties": {"a": {"const": 1}}},
                    {"properties": {"b": {"const": 2}}, "required": ["b"]},
                ]
            },
            {"b": 2, "a": 1},
        ),
        (True, "simulated"),
        ({}, "simulated"),
    ],
)
def test_the_plainest_value_conforms(schema, value):
    assert sample(schema) == value


def test_required_properties_come_first():
    schema = {"type": "object", "properties": {"a": {}, "b": {}}, "required": ["b"]}
    assert list(sample(schema)) == ["b", "a"]


def test_a_schema_that_contains_itself_comes_to_an_end():
    assert sample(NODE)["next"]["n"] == 1


@pytest.mark.parametrize(
    "wrong", [{"properties": 5}, {"type": "array", "minItems": "x"}, {"$defs": {}, "$ref": "#"}, {"anyOf": 3}]
)
def test_what_is_no_schema_is_refused(wrong):
    with pytest.raises(RefusalError, match="JSON schema is invalid"):
        sample(wrong)
