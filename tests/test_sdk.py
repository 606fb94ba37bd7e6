"""The SDK: the same answers, bills and errors as over HTTP, and nothing left behind."""

import copy
import json
import os
import pickle
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest
from gateway_infra_simulator import Answer, Simulator

from gateway import (
    Bill,
    ConfigError,
    Garbled,
    Gateway,
    GatewayError,
    InvalidRequest,
    UnknownModel,
    UnsupportedCapability,
    UpstreamRefused,
    completion,
    dollars,
    messages,
    result,
    sdk,
)
from gateway.app import create_app
from gateway.config import parse
from gateway.plugins import discover
from gateway.testing import parse_stream

PAGE = (Path(__file__).parents[1] / "docs" / "sdk.md").read_text()
MODEL = "anthropic/claude-opus-4-6"
SAID = [{"role": "user", "content": "Hello"}]
CONFIG = """
model_list:
  - model_name: claude-opus-4-6
    litellm_params: {{model: anthropic/claude-opus-4-6}}
general_settings: {{master_key: sk-nobody-is-asked-for-it}}
litellm_settings: {{drop_params: true}}
ledger: {{database_url: "sqlite:///{folder}/ledger.db"}}
"""
ASK = {
    "chat": lambda **more: completion(**{"model": MODEL, "messages": SAID, **more}),
    "messages": lambda **more: messages(**{"model": MODEL, "max_tokens": 100, "messages": SAID, **more}),
}
PATHS = {"chat": "/v1/chat/completions", "messages": "/v1/messages"}
both = pytest.mark.parametrize("surface", ASK)


@pytest.fixture
def sim(monkeypatch, tmp_path):
    with Simulator(keys=("sim-key",)) as sim:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sim-key")
        monkeypatch.setenv("ANTHROPIC_API_BASE", sim.url)
        monkeypatch.delenv("GATEWAY_CONFIG", raising=False)
        monkeypatch.chdir(tmp_path)
        yield sim
    until(lambda: not corridors())


@pytest.fixture
def afresh():
    """Gateways that another test has made are forgotten."""
    sdk._kept._renew()
    yield
    sdk._kept._renew()


@pytest.fixture
def http(sim):
    """The same gateway over HTTP."""
    found = [one for one in discover() if one.kind != "infra"]
    config = parse(f"model_list: [{{model_name: 'anthropic/*', litellm_params: {{model: 'anthropic/*'}}}}]\n{FORWARD}")
    return create_app(config, found=found).test_client()


FORWARD = "general_settings: {forward_client_headers_to_llm_api: true}"


def corridors():
    return [thread for thread in threading.enumerate() if thread.name == "gateway-stream"]


def until(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


def text_of(chunks):
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


ITS_OWN = ("id", "created", "signature")


def without_its_own(value):
    """An answer without what differs from call to call."""
    if isinstance(value, dict):
        return {name: without_its_own(inner) for name, inner in value.items() if name not in ITS_OWN}
    return [without_its_own(inner) for inner in value] if isinstance(value, list) else value


# ------------------------------------------------------------------------------------------- the same as over HTTP


@both
@pytest.mark.parametrize(
    "more", [{}, {"speed": "fast"}, {"thinking": {"type": "adaptive"}, "inference_geo": "us", "max_tokens": 900}]
)
def test_an_answer_is_the_one_that_an_http_client_gets(sim, http, surface, more):
    answer = ASK[surface](**more)
    body = {"model": MODEL, "messages": SAID, **({"max_tokens": 100} if surface == "messages" else {}), **more}
    over_http = http.post(PATHS[surface], json=body)
    assert without_its_own(answer) == without_its_own(over_http.json)
    assert dollars(answer.cost) == over_http.headers["gateway-cost-usd"]
    ours, theirs = sim.log
    assert (ours.json, ours.headers.get("anthropic-beta")) == (theirs.json, theirs.headers.get("anthropic-beta"))


@both
def test_a_stream_is_the_one_that_an_http_client_gets(sim, http, surface):
    more = {"speed": "fast", "stream": True}
    stream = ASK[surface](**more)
    objects = list(stream)
    body = {"model": MODEL, "messages": SAID, **({"max_tokens": 100} if surface == "messages" else {}), **more}
    events = parse_stream(http.post(PATHS[surface], json=body).data)
    told = [json.loads(event.data) for event in events if event.data != b"[DONE]"]
    assert without_its_own(objects) == without_its_own(told)
    assert stream.cost == ASK[surface](speed="fast").cost > 0
    ours, theirs, _ = sim.log
    assert ours.json == theirs.json
    assert ours.headers["accept"] == "text/event-stream"


def test_the_announcements_calls_work(sim):
    response = completion(
        model="anthropic/claude-opus-4-6",
        messages=[{"role": "user", "content": "Solve this complex problem: What is the optimal strategy for..."}],
        thinking={"type": "adaptive"},
    )
    assert response.choices[0].message.content.startswith("[simulated]")
    response = completion(
        model="anthropic/claude-opus-4-6",
        messages=[{"role": "user", "content": "Refactor this module..."}],
        max_tokens=4096,
        speed="fast",
    )
    adaptive, fast = sim.log
    assert adaptive.json["thinking"] == {"type": "adaptive"}
    assert (fast.json["speed"], fast.json["max_tokens"]) == ("fast", 4096)
    assert fast.headers["anthropic-beta"] == "fast-mode-2026-02-01"
    usage = response.usage
    assert response.cost == (usage.prompt_tokens * Decimal(30) + usage.completion_tokens * Decimal(150)) / 1_000_000


def test_thinking_and_speed_stream_together(sim):
    sim.queue(Answer.thinking("Let me see.") + Answer.text("Done.").with_usage(speed="fast"))
    stream = completion(model=MODEL, messages=SAID, thinking={"type": "adaptive"}, speed="fast", stream=True)
    chunks = list(stream)
    assert text_of(chunks) == "Done."
    assert "".join(chunk.choices[0].delta.reasoning_content or "" for chunk in chunks) == "Let me see."
    assert {factor.reason for line in stream.bill.lines for factor in line.factors} == {"fast_mode"}
    assert sim.log[0].json["thinking"] == {"type": "adaptive"}


def test_a_chat_streams_usage_can_be_asked_for(sim):
    stream = completion(model=MODEL, messages=SAID, stream=True, stream_options={"include_usage": True})
    *_, last = stream
    assert last.choices == []
    assert Decimal(str(last.usage.cost)) == stream.cost


@both
def test_the_entry_says_where_a_call_went(sim, surface):
    entry = ASK[surface]().entry
    assert (entry.surface, entry.deployment, entry.outcome) == (surface, MODEL, "complete")
    assert (entry.key_id, entry.stream, entry.call_id[:4]) == ("master", False, "req_")


# -------------------------------------------------------------------------------------------------------- answers


def test_fields_are_attributes_and_items_at_every_depth(sim):
    answer = completion(model=MODEL, messages=SAID)
    assert answer.choices[0].message.content == answer["choices"][0]["message"]["content"]
    assert messages(model=MODEL, max_tokens=50, messages=SAID).content[0].text.startswith("[simulated]")
    assert {"choices", "usage", "cost", "items"} <= {*dir(answer)}
    assert isinstance(answer.bill, Bill)
    assert answer.cost == answer.bill.total == Decimal(str(answer.usage.cost))


def test_a_field_that_is_not_there_is_none_and_no_item(sim):
    answer = completion(model=MODEL, messages=SAID)
    assert answer.choices[0].message.tool_calls is None
    with pytest.raises(KeyError):
        answer["choices"][0]["message"]["tool_calls"]
    assert not hasattr(answer, "_repr_html_")
    with pytest.raises(AttributeError):
        answer.choices[0].message.content = "else"


def test_a_field_named_like_a_method_is_an_item(sim):
    sim.queue(Answer.tools(("shop", {"items": ["tea"]})))
    tool = {"name": "shop", "input_schema": {"type": "object", "properties": {"items": {"type": "array"}}}}
    answer = messages(model=MODEL, max_tokens=50, messages=SAID, tools=[tool])
    assert answer.content[0].input["items"] == ["tea"]
    assert callable(answer.content[0].input.items)


@pytest.mark.parametrize(
    "again",
    [copy.copy, copy.deepcopy, lambda answer: pickle.loads(pickle.dumps(answer))],  # noqa: S301 - it is our own
    ids=["copy", "deepcopy", "pickle"],
)
def test_an_answer_can_be_copied_and_pickled(sim, again):
    sim.queue(Answer.text("Hi").with_usage(weight=1.50))
    answer = completion(model=MODEL, messages=SAID, speed="fast")
    twin = again(answer)
    assert twin == answer
    assert (type(twin), type(twin.choices[0])) == (type(answer), type(answer.choices[0]))
    assert (twin.entry, twin.cost, twin.headers) == (answer.entry, answer.cost, answer.headers)


def test_an_answer_is_json(sim):
    answer = messages(model=MODEL, max_tokens=50, messages=SAID)
    assert json.loads(json.dumps(answer)) == answer
    assert type(answer.entry.usage["input_tokens"]) is int


def test_a_part_of_an_answer_can_be_sent_back(sim):
    first = messages(model=MODEL, max_tokens=900, messages=SAID, thinking={"type": "adaptive"})
    turns = [*SAID, {"role": first.role, "content": first.content}, {"role": "user", "content": "Go on"}]
    assert messages(model=MODEL, max_tokens=50, messages=turns).stop_reason == "end_turn"
    assert sim.log[1].json["messages"][1]["content"] == json.loads(json.dumps(first.content))


def test_without_a_price_there_is_no_cost(sim):
    elsewhere = {"type": "fallback_message", "model": "claude-from-nowhere", "input_tokens": 9, "output_tokens": 1}
    sim.queue(Answer.text("Hi").with_usage(iterations=[elsewhere]))
    answer = messages(model=MODEL, max_tokens=50, messages=SAID)
    assert (answer.cost, answer.bill) == (None, None)
    assert answer.entry.unpriced == ("rates of claude-from-nowhere",)


# --------------------------------------------------------------------------------------------- betas and headers


@both
@pytest.mark.parametrize(
    "more",
    [
        {"extra_headers": {"anthropic-beta": "context-1m-2025-08-07"}},
        {"extra_headers": {"Anthropic-Beta": "context-1m-2025-08-07"}},
        {"anthropic_beta": ["context-1m-2025-08-07"]},
        {"anthropic_beta": "context-1m-2025-08-07"},
    ],
)
def test_betas_travel(sim, surface, more):
    ASK[surface](**more)
    assert sim.log[0].headers["anthropic-beta"] == "context-1m-2025-08-07"
    assert {"anthropic_beta", "extra_headers"}.isdisjoint(sim.log[0].json)


def test_betas_of_both_kinds_and_of_features_are_merged(sim):
    betas = {"extra_headers": {"anthropic-beta": "context-1m-2025-08-07"}, "anthropic_beta": ["one-2026-01-01"]}
    sim.queue(Answer.text("Hi"))
    with pytest.raises(UpstreamRefused, match="one-2026-01-01"):
        completion(model=MODEL, messages=SAID, speed="fast", **betas)
    sent = sim.log[0].headers["anthropic-beta"].split(",")
    assert sorted(sent) == ["context-1m-2025-08-07", "fast-mode-2026-02-01", "one-2026-01-01"]


@both
def test_other_headers_travel_too(sim, surface):
    ASK[surface](extra_headers={"X-Trace": "seven"})
    assert sim.log[0].headers["x-trace"] == "seven"
    assert "extra_headers" not in sim.log[0].json


@pytest.mark.parametrize(
    ("name", "value"),
    [("Authorization", "Bearer x"), ("x-amz-date", "x"), ("x-trace", "a\r\nb: c"), ("x-trace", "ü"), ("x-trace", 7)],
)
def test_a_header_that_cannot_travel_is_refused(sim, name, value):
    with pytest.raises(InvalidRequest, match="extra_headers") as caught:
        completion(model=MODEL, messages=SAID, extra_headers={name: value})
    assert caught.value.param == "extra_headers"
    assert not sim.log


def test_the_api_version_is_the_callers(sim):
    messages(model=MODEL, max_tokens=50, messages=SAID, extra_headers={"anthropic-version": "2026-10-21"})
    assert sim.log[0].headers["anthropic-version"] == "2026-10-21"


# --------------------------------------------------------------------------------------------------------- errors


@both
@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal_is_raised_and_nothing_is_sent(sim, surface, stream):
    with pytest.raises(UnsupportedCapability) as caught:
        ASK[surface](stream=stream, output_config={"effort": "enormous"})
    assert (caught.value.status, caught.value.param) == (400, "output_config.effort")
    assert not sim.log


@both
@pytest.mark.parametrize("value", [float("nan"), object(), "\ud800"])
def test_what_json_cannot_hold_is_refused(sim, surface, value):
    with pytest.raises(InvalidRequest):
        ASK[surface](temperature=value)
    assert not sim.log


@both
@pytest.mark.parametrize("stream", [False, True])
def test_what_the_host_refuses_is_raised_at_the_call(sim, surface, stream):
    sim.queue(Answer.error(529, retry_after=7))
    with pytest.raises(UpstreamRefused) as caught:
        ASK[surface](stream=stream)
    assert (caught.value.status, caught.value.kind, caught.value.retry_after) == (529, "overloaded_error", 7)
    assert not corridors()


@both
def test_an_error_inside_a_stream_is_raised_where_it_stands(sim, surface):
    sim.queue(Answer.text("one two three four", chunks=4).failing(after=4))
    stream = ASK[surface](stream=True)
    with pytest.raises(UpstreamRefused, match="Overloaded"):
        list(stream)
    assert (stream.entry.outcome, stream.entry.estimated) == ("cut", True)
    assert stream.cost > 0
    assert next(stream, "nothing") == "nothing"
    assert not corridors()


def test_what_came_before_an_error_is_not_lost(sim):
    sim.queue(Answer.text("one two three four", chunks=4).failing(after=4))
    stream = messages(model=MODEL, max_tokens=50, messages=SAID, stream=True)
    seen = []
    with pytest.raises(UpstreamRefused):
        seen.extend(stream)
    assert [event.type for event in seen] == sim.log[0].events[:4]


def test_a_stream_that_breaks_off_is_an_error(sim):
    sim.queue(Answer.text("one two three four", chunks=4).truncated())
    with pytest.raises(Garbled, match="not whole"):
        list(messages(model=MODEL, max_tokens=50, messages=SAID, stream=True))


@pytest.mark.parametrize("stream", [False, True])
def test_a_mistake_of_a_plugin_is_raised_as_it_is(sim, stream, monkeypatch):
    def broken(*_given):
        raise ZeroDivisionError

    gateway = Gateway(wildcard())
    monkeypatch.setattr(type(gateway._surfaces["chat"]), "writer", broken)
    with pytest.raises(ZeroDivisionError):
        gateway.completion(model=MODEL, messages=SAID, stream=stream)
    assert not corridors()


def test_an_unknown_argument_is_the_hosts_to_refuse(sim):
    with pytest.raises(UpstreamRefused, match="shape"):
        messages(model=MODEL, max_tokens=50, messages=SAID, shape="round")


# ----------------------------------------------------------------------------------------- streams that are left


def silent(sim):
    """The next answer says something and then nothing for longer than a test takes."""
    sim.queue(Answer.text("one two three four", chunks=4).silent(300, at="mid_text"))


@both
def test_closing_early_closes_the_hosts_connection(sim, surface):
    silent(sim)
    with ASK[surface](stream=True) as stream:
        next(stream)
    (record,) = sim.wait(1)
    assert record.peer == "closed"
    assert (stream.entry.outcome, stream.entry.estimated) == ("cut", True)
    assert stream.cost > 0
    assert not corridors()
    assert list(stream) == []


def test_closing_twice_or_at_the_end_changes_nothing(sim):
    stream = completion(model=MODEL, messages=SAID, stream=True)
    assert (stream.entry, stream.cost, stream.bill) == (None, None, None)
    list(stream)
    entry = stream.entry
    stream.close()
    stream.close()
    assert stream.entry is entry
    assert entry.outcome == "complete"
    assert list(stream) == []


def test_a_stream_that_is_let_go_of_leaves_nothing_behind(sim):
    silent(sim)
    stream = completion(model=MODEL, messages=SAID, stream=True)
    next(stream)
    assert corridors()
    del stream
    until(lambda: not corridors())
    assert sim.wait(1)[0].peer == "closed"


@pytest.mark.slow
def test_a_stream_that_nobody_reads_holds_the_host_up(sim):
    size = 8_000_000
    sim.queue(Answer.text("x" * size, chunks=100))
    stream = messages(model=MODEL, max_tokens=50, messages=SAID, stream=True)
    next(stream)
    stream.close()
    (record,) = sim.wait(1)
    assert record.peer == "closed"
    assert record.sent < size
    assert not corridors()


def test_another_thread_may_close_it(sim):
    silent(sim)
    stream = messages(model=MODEL, max_tokens=50, messages=SAID, stream=True)
    seen = []
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(seen.extend, stream)
        until(lambda: seen)
        stream.close()
        reading.result(10)
    assert seen[0].type == "message_start"
    assert sim.wait(1)[0].peer == "closed"


def test_reading_on_where_somebody_has_closed_is_the_end():
    near, far = socket.socketpair()
    far.sendall(b"data: {}\n\n")
    with far:
        near.close()
    assert list(result._objects(near)) == []


def test_an_interrupted_caller_leaves_nothing_behind(sim):
    sim.queue(Answer.text("Hi").silent(300, at="before_headers"))

    def interrupt():
        until(lambda: sim.log)
        os.kill(os.getpid(), signal.SIGUSR1)

    def stop(_number, _frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, stop)
    try:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(interrupt)
            with pytest.raises(KeyboardInterrupt) as caught:
                completion(model=MODEL, messages=SAID, stream=True)
    finally:
        signal.signal(signal.SIGUSR1, before)
    until(lambda: not corridors())
    assert sim.wait(1)[0].peer == "closed"
    assert caught.tb, "somebody still holds the frames, as a shell does"


def test_nobody_in_this_process_gets_signs_of_life(sim):
    gateway = Gateway(wildcard("router_settings: {keepalive_interval: 0.05}"))
    sim.queue(Answer.text("Hi").silent(0.3, at="mid_text"))
    stream = gateway.messages(model=MODEL, max_tokens=50, messages=SAID, stream=True)
    assert [event.type for event in stream] == sim.log[0].events


# ------------------------------------------------------------------------------------------ threads and processes


def test_many_threads_get_each_its_own_answer_from_one_gateway(sim, afresh, monkeypatch):
    built = []
    assemble = sdk.assemble
    monkeypatch.setattr(sdk, "assemble", lambda *given, **more: built.append(1) or assemble(*given, **more))
    together = threading.Barrier(32)

    def ask(number):
        said = [{"role": "user", "content": f"number {number}"}]
        together.wait()
        if number % 2:
            return text_of(completion(model=MODEL, messages=said, stream=True))
        return messages(model=MODEL, max_tokens=50, messages=said).content[0].text

    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(ask, range(32)))
    assert [f"number {number} " in answer for number, answer in enumerate(answers)] == [True] * 32
    assert len(built) == 1


def script(text, **environ):
    """Run a script in a process of its own, with what the SDK and the tests have at hand."""
    top = f"import os, sys\nfrom gateway import completion, messages\nMODEL, SAID = {MODEL!r}, {SAID!r}\n"
    return subprocess.run(
        [sys.executable, "-X", "dev", "-c", top + text],
        capture_output=True, text=True, env={**os.environ, **environ}, timeout=60,
    )  # fmt: skip


@pytest.mark.slow
def test_a_process_that_ends_settles_the_streams_that_are_open(sim, tmp_path):
    (tmp_path / "config.yaml").write_text(CONFIG.format(folder=tmp_path))
    sim.queue(Answer.text("Hi"))
    silent(sim)
    ask = "completion(model='claude-opus-4-6', messages=SAID, stream=True)"
    done = script(f"list({ask})\nstream = {ask}\nnext(stream)\n", GATEWAY_CONFIG="config.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    assert sim.wait(2)[1].peer == "closed"
    with sqlite3.connect(tmp_path / "ledger.db") as database:
        found = database.execute("select outcome from ledger_entries order by id").fetchall()
    database.close()
    assert found == [("complete",), ("cut",)]


@pytest.mark.slow
def test_a_fork_shares_no_connection_and_ends_no_stream(sim):
    sim.queue(Answer.text("Hi"), Answer.text("Hi"), Answer.text("one two three four").silent(1, at="mid_text"))
    done = script(
        "from gateway import sdk\n"
        "completion(model=MODEL, messages=SAID)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    assert sdk._kept._direct.cache_info().currsize == 0\n"
        "    completion(model=MODEL, messages=SAID)\n"
        "    sys.exit(0)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "stream = messages(model=MODEL, max_tokens=50, messages=SAID, stream=True)\n"
        "next(stream)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    sys.exit(0)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "print([event.type for event in stream][-1], stream.entry.outcome)\n"
    )
    assert (done.stdout, done.returncode) == ("message_stop complete\n", 0), done.stderr
    assert len(sim.log) == 3


# -------------------------------------------------------------------------------------------------- configuration


def wildcard(more=""):
    return parse(f"model_list: [{{model_name: 'anthropic/*', litellm_params: {{model: 'anthropic/*'}}}}]\n{more}")


@pytest.mark.slow
def test_without_a_configuration_nothing_is_written(sim, tmp_path):
    done = script("completion(model=MODEL, messages=SAID)\nprint(completion(model=MODEL, messages=SAID).cost > 0)\n")
    assert (done.stdout, done.stderr) == ("True\n", "")
    assert [*tmp_path.iterdir()] == []


def test_a_missing_credential_names_its_variable(sim, afresh, monkeypatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    with pytest.raises(
        ConfigError, match="^model 'anthropic/\\*': .* the environment variable ANTHROPIC_API_KEY is not"
    ):
        completion(model=MODEL, messages=SAID)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sim-key")
    assert completion(model=MODEL, messages=SAID).cost > 0
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    with pytest.raises(ConfigError, match="ANTHROPIC_API_KEY is not set"):
        completion(model=MODEL, messages=SAID)


def test_key_and_address_may_be_arguments(sim, monkeypatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    monkeypatch.delenv("ANTHROPIC_API_BASE")
    assert completion(model=MODEL, messages=SAID, api_key="sim-key", api_base=sim.url).cost > 0
    with pytest.raises(UpstreamRefused, match="credential"):
        messages(model=MODEL, max_tokens=50, messages=SAID, api_key="another-key", api_base=sim.url)
    ours, theirs = sim.log
    assert (ours.headers["x-api-key"], theirs.headers["x-api-key"]) == ("sim-key", "another-key")
    assert {"api_key", "api_base"}.isdisjoint(ours.json)


@pytest.mark.parametrize(
    ("more", "error", "said"),
    [
        ({"model": "claude-opus-4-6"}, InvalidRequest, "^model: 'claude-opus-4-6' has to read provider/model, or GATE"),
        ({"model": None}, InvalidRequest, "^model: None has to read provider/model"),
        ({"model": "nobody/claude-opus-4-6"}, ConfigError, "^model: no provider 'nobody' is installed, only: anthr"),
        ({"api_base": "nowhere"}, ConfigError, "^api_base: "),
        ({"api_key": ""}, ConfigError, "^api_key: "),
    ],
)
def test_a_wrong_argument_is_named(sim, more, error, said):
    with pytest.raises(error, match=said):
        completion(**{"model": MODEL, "messages": SAID, **more})


def test_a_configuration_from_the_environment_is_the_one_that_holds(sim, tmp_path, afresh, monkeypatch):
    (tmp_path / "config.yaml").write_text(CONFIG.format(folder=tmp_path))
    monkeypatch.setenv("GATEWAY_CONFIG", str(tmp_path / "config.yaml"))
    answer = completion(model="claude-opus-4-6", messages=SAID, logprobs=True, anthropic_beta=["context-1m-2025-08-07"])
    assert (answer.model, answer.entry.deployment) == ("claude-opus-4-6", MODEL)
    assert answer.headers["gateway-dropped-params"] == "logprobs"
    assert sim.log[0].headers["anthropic-beta"] == "context-1m-2025-08-07"
    until((tmp_path / "ledger.db").exists)
    with pytest.raises(UnknownModel, match="Did you mean 'claude-opus-4-6'"):
        completion(model="claude-opus-4-5", messages=SAID)
    with pytest.raises(ConfigError, match="GATEWAY_CONFIG is set"):
        completion(model="claude-opus-4-6", messages=SAID, api_key="sim-key")


def test_a_broken_configuration_is_named_with_its_line(sim, tmp_path, afresh, monkeypatch):
    (tmp_path / "config.yaml").write_text("model_lost: []\n")
    monkeypatch.setenv("GATEWAY_CONFIG", "config.yaml")
    with pytest.raises(ConfigError, match="config.yaml:1: model_lost: unknown section"):
        completion(model="claude-opus-4-6", messages=SAID)


def test_what_a_configuration_warns_of_is_logged(sim, caplog):
    Gateway(wildcard("router_settings: {num_retries: 2}"))
    assert "router_settings.num_retries" in caplog.text


def test_a_surface_that_is_not_installed_is_named(sim):
    gateway = Gateway(wildcard(), found=[one for one in discover() if one.kind != "infra" and one.name != "chat"])
    with pytest.raises(ConfigError, match="gateway-surface-chat"):
        gateway.completion(model=MODEL, messages=SAID)
    assert gateway.messages(model=MODEL, max_tokens=50, messages=SAID).cost > 0


def test_every_error_is_one_of_ours(sim):
    with pytest.raises(GatewayError):
        completion(model=MODEL, messages="Hello")


# ------------------------------------------------------------------------------------------------------- the page


def test_the_page_shows_what_happens(sim, tmp_path, capsys):
    (tmp_path / "config.yaml").write_text(CONFIG.format(folder=tmp_path))
    names = {}
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    printed = []
    for block in blocks:
        exec(block, names)  # noqa: S102 - that is what a reader does
        printed.append(capsys.readouterr().out)
    first, fast, stream, beta, errors, configured = printed
    assert re.fullmatch(r"\[simulated\] .*\n0\.\d+\n", first)
    assert "['fast_mode']" in fast
    assert re.fullmatch(r"\[simulated\] .*0\.\d+\n", stream, re.DOTALL)
    assert (beta, sim.log[3].headers["anthropic-beta"]) == ("", "context-1m-2025-08-07")
    assert errors.startswith("refused here, nothing was sent: output_config.effort")
    assert configured == f"{MODEL}\n"
    assert len(sim.log) == 5


def test_headers_have_to_be_a_mapping(sim):
    with pytest.raises(InvalidRequest, match="^extra_headers: has to be a mapping"):
        completion(model="anthropic/claude-opus-4-6", messages=[], extra_headers="x")
    assert not sim.log
