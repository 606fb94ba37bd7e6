"""The whole grid: feature, kind of host, surface, JSON or stream -> the exact request, and the exact answer or refusal.

What is asked and what has to come of it stands in grid.toml. The hosts are simulated; they refuse what the real ones
refuse, so a request that arrives is one that its host takes.
"""

import http.client
import json
import re
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from gateway.testing import parse_stream
from tests.features.answers import ANSWERS, COSTS
from tests.features.conftest import BETAS, HELLO, HERE, PATHS, ROWS, cast, post, sent
from tests.features.wires import WIRES, seen, unframed

GRID = tomllib.loads((HERE / "grid.toml").read_text())
FORWARD = "general_settings: {forward_client_headers_to_llm_api: true}"
GOLDEN = HERE / "golden"


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
        (record,) = stage.calls(1)
        assert record.status == 200, got.body
        assert seen(record) == expected(case, row, stream=stream)
        assert got.status == 200
        assert got.headers.get("gateway-cost-usd") == (None if stream else COSTS[case.answer])
        if surface == "chat":
            check_chat(got, case, row, stream)
        elif row == "converse":
            check_converted(got, case, stream)
        else:
            check_message(got, case, stream, host_says(stage, record, case))


# ---------------------------------------------------------------------------------------------------- the request


def asked(case, surface, stream):
    body = {"model": case.model, **HELLO, **case.ask}
    if stream:
        body["stream"] = True
        if surface == "chat":
            body["stream_options"] = {"include_usage": True}
    return body


def expected(case, row, *, stream):
    body = {**HELLO, **(case.ask if case.sends is None else case.sends)}
    return sent(row, case.model, body, case.betas, stream=stream)


# ----------------------------------------------------------------------------------------------------- the answer


def host_says(stage, record, case):
    """The host's own bytes: what it says to the same request when nobody stands between."""
    stage.sim.queue(ANSWERS[case.answer])
    host = http.client.HTTPConnection(stage.sim.url.removeprefix("http://"))
    host.request(record.method, record.raw_path, record.body, dict(record.raw_headers))
    answer = host.getresponse()
    frames = answer.headers["content-type"] == "application/vnd.amazon.eventstream"
    said = unframed(answer.read()) if frames else answer.read()
    host.close()
    return said


def check_message(got, case, stream, said):
    """The host's own bytes, but for the model's name, and at a stream's end the cost."""
    (theirs,) = re.findall(rb'"model":"[^"]+"', said)
    ours = f'"model":"{case.model}"'.encode()
    assert got.body == said.replace(theirs, ours) + (cost(case) if stream else b"")


def check_converted(got, case, stream):
    """The message or the events of the golden file: Converse's own words are no Messages JSON."""
    golden = json.loads((GOLDEN / "converse" / f"{case.answer}.json").read_text())
    if not stream:
        assert nameless(got.json, case) == golden["message"]
        return
    assert got.body.endswith(cost(case))
    first, *events = [event.json() for event in parse_stream(got.body.removesuffix(cost(case)))]
    assert [{**first, "message": nameless(first["message"], case)}, *events] == golden["events"]


def nameless(message, case):
    """Without the id, which the host's request id makes, and the name that was asked for."""
    assert message["id"].startswith("msg_")
    assert message["model"] == case.model
    return {**message, "id": "msg_1", "model": "opus"}


def cost(case):
    return f": gateway-cost-usd {COSTS[case.answer]}\n\n".encode()


def check_chat(got, case, row, stream):
    """The completion or the chunks of the golden file."""
    golden = json.loads((GOLDEN / f"{case.answer}.json").read_text())
    if not stream:
        assert normal(got.json, case) == stated(golden["completion"], row)
        return
    *frames, last, rest = got.body.decode().split("\n\n")
    assert (last, rest) == ("data: [DONE]", "")
    chunks = [json.loads(frame.removeprefix("data: ")) for frame in frames]
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert [normal(chunk, case) for chunk in chunks] == [stated(chunk, row) for chunk in golden["chunks"]]


def stated(value, row):
    """A completion or a chunk with the usage that the row's host states."""
    if not value["usage"]:
        return value
    usage = value["usage"] | ROWS[row].get("says", {})
    return {**value, "usage": {name: said for name, said in usage.items() if name not in ROWS[row].get("unsaid", ())}}


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
    assert set(ANSWERS) == set(COSTS) == kept(GOLDEN) == {case.there(row).answer for case in CASES for row in ROWS}
    served = [case.there("converse") for case in CASES if not case.there("converse").refused]
    assert kept(GOLDEN / "converse") == {case.answer for case in served if "messages" in case.surfaces}


def kept(folder):
    return {path.stem for path in folder.glob("*.json")}


def test_every_refusal_is_met_and_every_case_is_named_once():
    met = {case.there(row).refused for case in CASES for row in ROWS} - {""}
    assert met == set(GRID["refusal"])
    assert len({case.name for case in CASES}) == len(CASES)


def test_no_beta_and_no_word_of_the_table_is_without_effect():
    sent = {token for case in CASES for row in ROWS for token in case.there(row).betas}
    assert sent >= {token for own in BETAS.values() for token in own}
    assert {row for case in CASES for one in case.on for row in one["rows"]} <= set(ROWS)


def test_every_provider_has_a_row_and_every_row_a_wire():
    assert {row["provider"] for row in ROWS.values()} == {one.name for one in cast() if one.kind == "provider"}
    assert set(ROWS) == set(WIRES)
