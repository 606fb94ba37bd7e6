"""The log: what it knows of a request, of the answer, and of a peer that leaves."""

import json
import struct
import time

import pytest
from gateway_infra_simulator import Answer, Simulator


def test_a_record_has_the_request_as_it_came(api, sim):
    api.post("/v1/messages?beta=true", {"x": "ü"}, X_Mixed="a")
    (record,) = sim.wait(1)
    assert (record.number, record.method, record.path, record.query) == (1, "POST", "/v1/messages", "beta=true")
    assert record.headers["x-mixed"] == "a"
    assert ("X-Mixed", "a") in record.raw_headers
    assert record.body == json.dumps({"x": "ü"}).encode()
    assert record.json == {"x": "ü"}
    assert record.started <= record.ended


def test_a_record_has_what_was_sent_as_soon_as_the_client_has_it(api, sim):
    got = api.messages(stream=True)
    (record,) = sim.log
    assert record.status == 200
    assert record.events == [event.name for event in got.events]
    assert record.usage == got.message["usage"]
    assert record.said_tokens == got.message["usage"]["output_tokens"]
    assert record.peer is None


def test_a_json_answer_counts_as_one_event(api, sim):
    got = api.messages()
    (record,) = sim.log
    assert (record.events, record.usage) == (["message"], got.json["usage"])


def test_errors_are_recorded_with_their_status_and_without_usage(api, sim):
    sim.queue(Answer.error(529))
    api.messages()
    (record,) = sim.log
    assert (record.status, record.events, record.usage) == (529, [], {})


def test_of_a_cut_stream_only_whole_events_count(api, sim):
    answer = Answer.text("abcd").with_message(id="msg_1")
    sim.queue(answer)
    body = api.messages(stream=True).body
    start = body.index(b"\n\n") + 2
    sim.queue(answer.cut(start - 1), answer.cut(start))
    api.raw(stream=True)
    api.raw(stream=True)
    _, without, with_start = sim.wait(3)
    assert (without.events, without.usage) == ([], {})
    assert with_start.events == ["message_start"]
    assert with_start.usage["output_tokens"] == 1
    assert with_start.sent > start


@pytest.mark.parametrize("how", ["fin", "rst"])
@pytest.mark.parametrize("at", ["before_headers", "after_message_start"])
@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_a_peer_that_leaves_in_silence_is_noticed_at_once(api, sim, how, at, stream):
    import socket

    sim.queue(Answer.text("abcd").silent(60, at))
    peer = api.opened(stream=stream)
    while not sim.log:
        time.sleep(0.001)
    if how == "rst":
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    left = time.monotonic()
    peer.close()
    (record,) = sim.wait(1)
    assert record.peer == "closed"
    assert -0.01 < record.peer_closed_at - left < 1
    assert "message_stop" not in record.events


def test_a_peer_that_leaves_while_bytes_flow_is_noticed_too(api, sim):
    sim.queue(Answer.text("x" * 5000, chunks=5000).drip(64, 1))
    peer = api.opened(stream=True)
    received = 0
    while received < 3000:
        received += len(peer.recv(1000))
    peer.close()
    (record,) = sim.wait(1)
    assert record.peer == "closed"
    assert 0 < record.said < 5000


def test_an_event_that_could_not_be_written_is_taken_back(api, sim):
    from gateway_infra_simulator.flow import Event

    api.messages(stream=True)
    (record,) = sim.wait(1)
    before = (list(record.events), record.usage, record.said)
    record.note(Event("message_delta", {"usage": {"output_tokens": 1000}, "delta": {}}))
    assert record.usage["output_tokens"] == 1000
    record.take_back()
    assert (record.events, record.usage, record.said) == before


def test_a_peer_that_does_not_read_and_leaves_is_noticed(api, sim):
    sim.queue(Answer.text("x" * 20_000_000, chunks=3))
    peer = api.opened(stream=True)
    peer.recv(1000)
    peer.close()
    (record,) = sim.wait(1)
    assert record.peer == "closed"
    assert "message_stop" not in record.events
    assert record.said < 20_000_000


def test_waiting_in_vain_says_how_far_it_got(sim):
    with pytest.raises(TimeoutError, match="0 of 1"):
        sim.wait(1, timeout=0.01)


def test_the_oldest_records_go_when_there_are_too_many(client_of):
    with Simulator(log_limit=2) as sim:
        for _ in range(3):
            client_of(sim).messages()
        assert [record.number for record in sim.wait(3)] == [2, 3]


def test_reset_begins_anew(api, sim):
    api.messages()
    sim.wait(1)
    sim.reset()
    assert sim.log == []
    api.messages()
    assert sim.wait(1)[0].number == 1
