"""Tools and the choice among them."""

import pytest

from gateway import InvalidRequest

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}


def function(name="f", **more):
    return {"type": "function", "function": {"name": name, **more}}


def tool(name="f"):
    return {"name": name, "input_schema": {"type": "object", "properties": {}}}


def test_a_function_becomes_a_tool(client):
    mark = {"type": "ephemeral"}
    asked = {**function(description="d", parameters=SCHEMA, strict=True), "cache_control": mark, "defer_loading": True}
    assert client.read(tools=[asked])["tools"] == [
        {
            "name": "f",
            "description": "d",
            "input_schema": SCHEMA,
            "strict": True,
            "cache_control": mark,
            "defer_loading": True,
        }
    ]


@pytest.mark.parametrize("parameters", [None, {}, {"type": "object"}])
def test_a_function_without_parameters_takes_an_empty_object(client, parameters):
    asked = function(parameters=parameters, description=None, strict=False)
    assert client.read(tools=[asked])["tools"] == [tool()]


def test_parameters_without_a_type_are_an_object(client):
    (made,) = client.read(tools=[function(parameters={"properties": {}})])["tools"]
    assert made["input_schema"] == {"properties": {}, "type": "object"}


@pytest.mark.parametrize("own", [SEARCH, tool("plain"), {"type": "custom", **tool()}, {"type": "novelty", "x": 1}])
def test_a_tool_of_the_messages_api_stays_as_it_is(client, own):
    assert client.read(tools=[own])["tools"] == [own]


def test_the_older_functions_are_tools_and_one_is_called_at_a_time(client):
    body = client.read(functions=[{"name": "f"}], function_call={"name": "f"})
    assert body["tools"] == [tool()]
    assert body["tool_choice"] == {"type": "tool", "name": "f", "disable_parallel_tool_use": True}
    assert client.read(functions=[{"name": "f"}], function_call="none")["tool_choice"] == {"type": "none"}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("none", {"type": "none"}),
        ("auto", {"type": "auto"}),
        ("required", {"type": "any"}),
        (function("g"), {"type": "tool", "name": "g"}),
        ({"type": "any", "disable_parallel_tool_use": True}, {"type": "any", "disable_parallel_tool_use": True}),
        ({"type": "tool", "name": "g"}, {"type": "tool", "name": "g"}),
    ],
)
def test_every_choice_has_its_counterpart(client, choice, expected):
    body = client.read(tools=[function(), function("g")], tool_choice=choice)
    assert body["tool_choice"] == expected
    assert len(body["tools"]) == 2


@pytest.mark.parametrize(("mode", "expected"), [("auto", "auto"), ("required", "any")])
def test_allowed_tools_leave_the_others_out(client, mode, expected):
    allowed = {"mode": mode, "tools": [function("g g"), {"type": "web_search_20250305", "name": "web_search"}]}
    choice = {"type": "allowed_tools", "allowed_tools": allowed}
    body = client.read(tools=[function(), function("g g"), SEARCH, {"name": ["odd"]}], tool_choice=choice)
    assert [made["name"][:3] for made in body["tools"]] == ["g_g", "web"]
    assert body["tool_choice"] == {"type": expected}


def test_a_choice_without_tools_says_nothing_unless_it_insists(client):
    assert "tool_choice" not in client.read(tool_choice="auto")
    assert "tool_choice" not in client.read(tool_choice="none", parallel_tool_calls=False, tools=[])
    assert client.read(tool_choice="required")["tool_choice"] == {"type": "any"}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, {"type": "auto", "disable_parallel_tool_use": True}),
        ("required", {"type": "any", "disable_parallel_tool_use": True}),
        ("none", {"type": "none"}),
    ],
)
def test_one_call_at_a_time_is_part_of_the_choice(client, choice, expected):
    body = client.read(tools=[function()], tool_choice=choice, parallel_tool_calls=False)
    assert body["tool_choice"] == expected
    assert "tool_choice" not in client.read(tools=[function()], parallel_tool_calls=True)


def test_search_options_become_the_search_tool(client):
    place = {"city": "Bern", "country": "CH", "region": None}
    options = {"search_context_size": "low", "user_location": {"type": "approximate", "approximate": place}}
    assert client.read(web_search_options=options)["tools"] == [
        {
            "type": "web_search_20250305",
            "name": "web_search",
            "max_uses": 1,
            "user_location": {"type": "approximate", "city": "Bern", "country": "CH"},
        }
    ]
    assert client.read(web_search_options={}, tools=[SEARCH])["tools"] == [SEARCH]


def test_a_name_is_made_to_fit_everywhere(client):
    body = client.read(tools=[function("f.g")], tool_choice=function("f.g"))
    assert body["tools"][0]["name"] == body["tool_choice"]["name"]
    assert body["tools"][0]["name"].startswith("f_g_")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": {}}, None),
        ({"tools": "x"}, "tools"),
        ({"tools": ["x"]}, "tools[0]"),
        ({"tools": [{}]}, "tools[0].type"),
        ({"tools": [{"type": "custom", "custom": {"name": "f"}}]}, "tools[0].type"),
        ({"tools": [{"type": "function", "name": "flat"}]}, "tools[0].function"),
        ({"tools": [function("")]}, "tools[0].function.name"),
        ({"tools": [function(parameters=[])]}, "tools[0].function.parameters"),
        ({"tools": [function(description=1)]}, "tools[0].function.description"),
        ({"functions": [1]}, "functions[0]"),
        ({"function_call": {}}, "function_call.name"),
        ({"function_call": "maybe"}, "function_call"),
        ({"tool_choice": "maybe"}, "tool_choice"),
        ({"tool_choice": {"type": "maybe"}}, "tool_choice.type"),
        ({"tool_choice": {}}, "tool_choice.type"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.function"),
        ({"tool_choice": {"type": "allowed_tools"}}, "tool_choice.allowed_tools"),
        (
            {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"tools": [{"type": "mcp"}], "mode": "auto"}}},
            "tool_choice.allowed_tools.tools[0].name",
        ),
        (
            {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"tools": [], "mode": "x"}}},
            "tool_choice.allowed_tools.mode",
        ),
        ({"parallel_tool_calls": "no", "tools": [tool()]}, "parallel_tool_calls"),
        ({"web_search_options": True}, "web_search_options"),
        ({"web_search_options": {"search_context_size": "huge"}}, "web_search_options.search_context_size"),
    ],
)
def test_an_error_names_the_place(client, fields, param):
    if param is None:
        assert "tools" not in client.read(**fields)
        return
    with pytest.raises(InvalidRequest) as error:
        client.read(**fields)
    assert error.value.param == param
