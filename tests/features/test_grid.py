"""The whole grid: feature, kind of host, surface, JSON or stream -> the exact request, and the exact answer or refusal.

What is asked and what has to come of it stands in grid.toml. The host is simulated; it refuses what the real API
refuses, so a request that arrives is one that the API takes.
"""

import http.client
import json
import re
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote

import pytest

from tests.features.answers import ANSWERS, COSTS
from tests.features.conftest import (
    BETAS,
    HELLO,
    HERE,
    MODELS,
    PATHS,
    ROWS,
    cast,
    installed,
    is_played,
    post,
    tokens,
)

GRID = tomllib.loads((HERE / "grid.toml").read_text())
FORWARD = "general_settings: {forward_client_headers_to_llm_api: true}"
ENVELOPE = ("anthropic_version", "anthropic_beta")
"""Fields that some hosts want in the body where others want headers."""


@dataclass(frozen=True)
class Case:
    """A case of grid.toml, which says what each field means."""

    name: str
    surfaces: tuple[str, ...] = tuple(PATHS)
    model: str = "opus"
    header: tuple[str, ...] = ()
    forward: bool = False
    ask: Mapping[str, Any] = field(default_factory=dict)
    sends: Mapping[str, Any] | None = None
    betas: tuple[str, ...] = ()
    dropped_betas: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    answer: str = "plain"
    refused: str = ""
    on: tuple[Mapping[str, Any], ...] = ()

    def there(self, row):
        """The case as it is on one row."""
        other = next((dict(one) for one in self.on if row in one["rows"]), {"rows": ()})
        del other["rows"]
        return replace(self, **other)

    def refusal(self, provider):
        """Message, param and details of the refusal."""
        words = dict(GRID["refusal"][self.refused])
        message = words.pop("message").format(model=self.model, provider=provider)
        details = {**words, "model": self.model, "provider": [provider]} if "capability" in words else {}
        return message, words["param"], details


CASES = [Case(**case) for case in GRID["case"]]
CELLS = [
    pytest.param(case, row, surface, stream, id=f"{case.name}-{row}-{surface}-{'stream' if stream else 'json'}")
    for case in CASES
    for row in ROWS
    for surface in case.surfaces
    for stream in (False, True)
]


@pytest.mark.parametrize(("case", "row", "surface", "stream"), CELLS)
def test_a_cell_of_the_grid(stage, case, row, surface, stream):
    case = case.there(row)
    client = stage.kept({case.model: [(row, case.model)]}, FORWARD if case.forward else "")
    stage.sim.queue(ANSWERS[case.answer])
    got = post(client, surface, asked(case, surface, stream), *case.header)
    assert got.named("gateway-dropped-betas") == list(case.dropped_betas)
    assert "gateway-dropped-params" not in got.headers
    assert got.named("gateway-ignored-params") == list(case.ignored)
    if case.refused:
        assert not stage.sim.log
        check_refusal(got, surface, *case.refusal(ROWS[row]["provider"]))
    else:
        (record,) = stage.sim.wait(1)
        assert record.status == 200, got.body
        check_request(record, row, case, stream)
        assert got.status == 200
        assert got.headers.get("gateway-cost-usd") == (None if stream else COSTS[case.answer])
        if surface == "messages":
            check_message(got, case, stream, host_says(stage, record, case))
        else:
            check_chat(got, case, stream)


# ---------------------------------------------------------------------------------------------------- the request


def asked(case, surface, stream):
    body = {"model": case.model, **HELLO, **case.ask}
    if stream:
        body["stream"] = True
        if surface == "chat":
            body["stream_options"] = {"include_usage": True}
    return body


def check_request(record, row, case, stream):
    sends = case.ask if case.sends is None else case.sends
    expected = {**HELLO, **sends} | ({"stream": True} if stream else {})
    body = {name: value for name, value in record.json.items() if name not in ENVELOPE}
    name = body.pop("model", None) or unquote(record.path)
    assert name == model_at(row, case.model) or f"/{model_at(row, case.model)}" in name
    assert body == expected
    assert tokens(record) == list(case.betas)


def model_at(row, model):
    """What the host calls a model; a played one knows its plain id."""
    return MODELS[model]["id"] if is_played(ROWS[row]["provider"]) else ROWS[row]["upstream"][model]


# ----------------------------------------------------------------------------------------------------- the answer


def host_says(stage, record, case):
    """The host's own bytes: what it says to the same request when nobody stands between."""
    stage.sim.queue(ANSWERS[case.answer])
    host = http.client.HTTPConnection(stage.sim.url.removeprefix("http://"))
    host.request(record.method, record.path, record.body, dict(record.raw_headers))
    answer = host.getresponse().read()
    host.close()
    return answer


def check_message(got, case, stream, said):
    """The host's own bytes, but for the model's name, and at a stream's end the cost."""
    (theirs,) = re.findall(rb'"model":"[^"]+"', said)
    ours = f'"model":"{case.model}"'.encode()
    comment = f": gateway-cost-usd {COSTS[case.answer]}\n\n".encode() if stream else b""
    assert got.body == said.replace(theirs, ours) + comment


def check_chat(got, case, stream):
    """The completion or the chunks of the golden file."""
    golden = json.loads((HERE / "golden" / f"{case.answer}.json").read_text())
    if not stream:
        assert normal(got.json, case) == golden["completion"]
        return
    *frames, last, rest = got.body.decode().split("\n\n")
    assert (last, rest) == ("data: [DONE]", "")
    chunks = [json.loads(frame.removeprefix("data: ")) for frame in frames]
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert [normal(chunk, case) for chunk in chunks] == golden["chunks"]


def normal(value, case):
    """Without what differs from call to call, which has to be right all the same."""
    assert value["id"].startswith("chatcmpl-")
    assert abs(value["created"] - time.time()) < 60
    assert value["model"] == case.model
    return {**value, "id": "chatcmpl-1", "created": 0, "model": "opus"}


def check_refusal(got, surface, message, param, details):
    assert got.status == 400
    assert got.headers["gateway-error"] == ("unsupported_capability" if details else "invalid_request")
    assert got.headers["x-should-retry"] == "false"
    error = {"message": message, "type": "invalid_request_error"} | ({"details": details} if details else {})
    if surface == "messages":
        assert got.json == {"type": "error", "error": error, "request_id": got.headers["gateway-call-id"]}
    else:
        code = "unsupported_parameter" if details else None
        assert got.json == {"error": {**error, "param": param, "code": code}}


# ------------------------------------------------------------------------------------------------------- the table


def test_every_answer_has_a_price_and_a_golden_file():
    kept = {path.stem for path in (HERE / "golden").glob("*.json")}
    assert set(ANSWERS) == set(COSTS) == kept == {case.there(row).answer for case in CASES for row in ROWS}


def test_every_refusal_is_met_and_every_case_is_named_once():
    met = {case.there(row).refused for case in CASES for row in ROWS} - {""}
    assert met == set(GRID["refusal"])
    assert len({case.name for case in CASES}) == len(CASES)


def test_no_beta_and_no_word_of_the_table_is_without_effect():
    sent = {token for case in CASES for row in ROWS for token in case.there(row).betas}
    assert sent >= {token for own in BETAS.values() for token in own}
    assert {row for case in CASES for one in case.on for row in one["rows"]} <= set(ROWS)


def test_every_provider_is_on_stage_once_and_an_installed_one_plays_itself():
    providers = [one for one in cast() if one.kind == "provider"]
    assert sorted(one.name for one in providers) == sorted({row["provider"] for row in ROWS.values()})
    themselves = {one.name for one in providers if one in installed()}
    assert themselves == {one.name for one in installed() if one.kind == "provider"}
    assert "anthropic" in themselves
