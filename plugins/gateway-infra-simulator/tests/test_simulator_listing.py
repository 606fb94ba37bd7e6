"""The models."""

import pytest
from gateway_infra_simulator.model import models


def test_every_model_of_the_price_list_is_known(api):
    lines = {
        "opus": ("5-5", "5", "4-8", "4-7", "4-6", "4-5", "4-1", "4"),
        "sonnet": ("5-5", "5", "4-6", "4-5", "4"),
        "haiku": ("5-5", "4-5"),
        "fable": ("5", "5-1", "5-2"),
        "mythos": ("5", "5-1", "5-2"),
    }
    names = [f"claude-{line}-{version}" for line, versions in lines.items() for version in versions]
    for name in (*names, "claude-3-5-haiku-20241022"):
        assert api.get(f"/v1/models/{name}").json["type"] == "model"


def test_a_page_holds_twenty_and_the_next_one_the_rest(api):
    first = api.get("/v1/models").json
    assert len(first["data"]) == 20
    assert first["has_more"]
    rest = api.get(f"/v1/models?after_id={first['last_id']}").json
    assert [model["id"] for model in first["data"] + rest["data"]] == [model.id for model in models()]
    assert not rest["has_more"]


def test_limit_and_before_id(api):
    page = api.get("/v1/models?limit=1000&before_id=claude-opus-5-5").json
    assert [model["id"] for model in page["data"]] == [model.id for model in models()][:4]
    assert api.get("/v1/models?limit=2").json["last_id"] == "claude-mythos-5-2"


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "after_id=x"])
def test_a_wrong_page_is_refused(api, query):
    assert api.get(f"/v1/models?{query}").status == 400


def test_a_model_tells_its_limits_and_abilities(api):
    model = api.get("/v1/models/claude-opus-4-6").json
    assert (model["max_input_tokens"], model["max_tokens"], model["line"]) == (1_000_000, 128_000, "opus")
    assert model["capabilities"]["effort"]["xhigh"] == {"supported": False}
    assert model["capabilities"]["thinking"]["types"]["enabled"] == {"supported": True}


def test_an_unknown_model_is_not_found(api):
    got = api.get("/v1/models/claude-9")
    assert (got.status, got.error["type"]) == (404, "not_found_error")
