"""One idempotency key, one answer: through the real corridor, with a host that counts."""

import json
import threading

import pytest
from gateway_infra_keys.answer import answers
from gateway_infra_keys.idempotency import OWED, WAITING, Answers
from gateway_infra_ledger.database import Away
from sqlalchemy import insert

from gateway import Conflict, InvalidRequest, Saved
from gateway.testing import make_call


def error_of(door):
    return json.loads(door.received)["error"]["message"]


def in_thread(work):
    """Starts work beside the test; ``join`` returns what it returned."""
    results = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()

    def join():
        thread.join(60)
        return results[0]

    return join


# ------------------------------------------------------------------------------------------- one answer for all


@pytest.mark.parametrize("round_", range(3))
def test_of_fifty_calls_at_once_one_goes_to_the_host_and_all_get_its_answer(gateway, upstream, asker, round_):
    doors = asker.together(50, lambda: gateway.ask("once"))
    assert upstream.asked == 1
    assert {(door.status, door.received) for door in doors} == {(200, doors[0].received)}
    assert b"msg_host_1" in doors[0].received
    assert sum("gateway-replayed" in door.answer_headers for door in doors) == 49


def test_an_answer_is_given_again_with_its_own_headers_and_says_so(gateway, upstream):
    first, second = gateway.ask("a"), gateway.ask("a")
    assert (upstream.asked, second.status, second.received) == (1, 200, first.received)
    ours = {name: value for name, value in first.answer_headers.items() if name.startswith("gateway-")}
    assert ours["gateway-call-id"]
    assert second.answer_headers == {
        **ours,
        "content-type": "application/json",
        "request-id": first.answer_headers["request-id"],
        "content-length": str(len(first.received)),
        "gateway-replayed": "true",
    }


def test_only_headers_that_say_what_the_answer_is_are_kept(gateway):
    claim = gateway.answers.claim(make_call(), "a")
    told = {"content-type": "text/x", "gateway-call-id": "req_1", "x-request-id": "r", "request-id": "r"}
    others = {"anthropic-ratelimit-requests-remaining": "7", "set-cookie": "s", "x-ratelimit-limit-tokens": "1"}
    claim.keep(Saved(201, told | others, b"body"))
    assert gateway.answers.claim(make_call(), "a").saved == Saved(201, told, b"body")


def test_spaces_do_not_make_another_request(gateway):
    one = make_call({"temperature": 1})
    gateway.answers.claim(one, "a").keep(Saved(200, {}, b"body"))
    other = make_call(asked=json.loads(json.dumps(one.asked, indent=3)))
    assert gateway.answers.claim(other, "a").saved.body == b"body"


def test_without_the_header_every_call_goes_to_the_host(gateway, upstream, rows):
    gateway.ask(None)
    gateway.ask(None)
    assert (upstream.asked, rows()) == (2, [])


def test_a_stream_is_neither_kept_nor_replayed(gateway, upstream, rows):
    gateway.ask("a", {"stream": True})
    gateway.ask("a", {"stream": True})
    assert (upstream.asked, rows()) == (2, [])


def test_the_setting_switches_it_off(make_gateway, upstream):
    gateway = make_gateway(idempotency=False)
    assert gateway.ask("no good key").status == 200
    assert gateway.ask("no good key").status == 200
    assert upstream.asked == 2


# --------------------------------------------------------------------------------------------- what is the same


@pytest.mark.parametrize("answered", [True, False])
def test_another_body_under_the_same_key_is_refused_and_goes_nowhere(gateway, upstream, answered):
    if not answered:
        upstream.gate.clear()
    first = in_thread(lambda: gateway.ask("a"))
    if answered:
        first()
    assert upstream.arrived.wait(10)
    other = gateway.ask("a", {"max_tokens": 7})
    assert (other.status, other.answer_headers["x-should-retry"]) == (409, "false")
    assert "retry-after" not in other.answer_headers
    assert "came with another request before" in error_of(other)
    upstream.gate.set()
    assert (first().status, upstream.asked) == (200, 1)


@pytest.mark.parametrize("facts", [{"surface": "chat"}, {"model": "claude-test-2"}])
def test_the_same_body_for_another_surface_or_model_is_another_request(gateway, facts):
    gateway.answers.claim(make_call(), "a").keep(Saved(200, {}, b"body"))
    with pytest.raises(Conflict):
        gateway.answers.claim(make_call(**facts), "a")


def test_the_same_idempotency_key_of_another_virtual_key_is_another_one(gateway, upstream):
    first, other = gateway.ask("a"), gateway.ask("a", who="bob")
    assert upstream.asked == 2
    assert first.received != other.received
    assert gateway.ask("a", {"max_tokens": 7}, who="carol").status == 200
    assert gateway.ask("a", who="bob").received == other.received


def test_a_key_that_is_not_visible_ascii_is_refused(gateway, upstream):
    for key in ("x" * 256, "a b", "a\tb", "schlüssel", "\x7f", " ", "a\n"):
        door = gateway.ask(key)
        assert (door.status, upstream.asked) == (400, 0)
        assert "1 to 255 visible ASCII characters" in error_of(door)


def test_a_key_of_visible_ascii_is_taken(gateway, upstream):
    for key in ("x" * 255, "~", "!", '"8e03978e-40d5-43dd-bc93-6894a57f9324"'):
        assert gateway.ask(key).status == gateway.ask(key).status == 200
    assert upstream.asked == 4


def test_an_empty_key_is_no_key(gateway):
    with pytest.raises(InvalidRequest):
        gateway.answers.claim(make_call(), "")


def test_neither_the_key_nor_the_request_is_in_the_database(gateway, rows):
    gateway.ask("canary-key", {"metadata": {"user_id": "canary-body"}})
    (row,) = rows()
    assert "canary" not in repr(row)


# ------------------------------------------------------------------------------------------- what is not kept


def test_an_error_is_not_kept_and_the_next_one_goes_to_the_host(gateway, upstream, rows):
    upstream.faults = 1
    failed = gateway.ask("a")
    assert (failed.status, rows()) == (502, [])
    second = gateway.ask("a")
    assert (second.status, upstream.asked, "gateway-replayed" in second.answer_headers) == (200, 2, False)
    assert gateway.ask("a").received == second.received


def test_who_waits_for_a_call_that_fails_goes_itself(gateway, upstream):
    upstream.gate.clear()
    upstream.faults = 1
    first = in_thread(lambda: gateway.ask("a"))
    assert upstream.arrived.wait(10)
    second = in_thread(lambda: gateway.ask("a"))
    upstream.gate.set()
    assert (first().status, second().status, upstream.asked) == (502, 200, 2)


def test_a_request_that_is_refused_here_frees_its_key(gateway, upstream, rows):
    assert gateway.ask("a", {"temperature": "hot"}).status == 400
    assert rows() == []
    assert gateway.ask("a").status == 200


def test_an_answer_that_is_too_long_is_not_kept(make_gateway, upstream, rows):
    gateway = make_gateway(idempotency_max_kb=1)
    upstream.text = "x" * 1024
    assert gateway.ask("a").status == gateway.ask("a").status == 200
    assert (upstream.asked, rows()) == (2, [])


def test_an_answer_of_just_the_length_is_kept_and_takes_less_room(make_gateway, rows):
    gateway = make_gateway(idempotency_max_kb=1)
    gateway.answers.claim(make_call(), "a").keep(Saved(200, {}, b"x" * 1024))
    assert len(rows()[0].body) < 100
    assert gateway.answers.claim(make_call(), "a").saved.body == b"x" * 1024
    gateway.answers.claim(make_call(), "b").keep(Saved(200, {}, b"x" * 1025))
    assert gateway.answers.claim(make_call(), "b").saved is None


def test_answers_of_the_same_moment_never_push_the_newest_out(make_gateway, upstream, rows):
    gateway = make_gateway(idempotency_max_answers=2)
    for name in ("a", "b", "c"):
        gateway.ask(name)
    assert gateway.ask("c").answer_headers["gateway-replayed"] == "true"
    assert len(rows()) <= 2


def test_the_oldest_answers_of_a_key_make_room(make_gateway, upstream, clock):
    gateway = make_gateway(idempotency_max_answers=2)
    for name in ("other", "a", "b", "c"):
        gateway.ask(name, who="bob" if name == "other" else "alice")
        clock.pass_hours(1)
    assert upstream.asked == 4
    for name in ("c", "b"):
        gateway.ask(name)
    gateway.ask("other", who="bob")
    assert upstream.asked == 4
    gateway.ask("a")
    assert upstream.asked == 5


def test_an_answer_ends_after_its_hours(make_gateway, upstream, clock):
    gateway = make_gateway(idempotency_hours=24)
    gateway.ask("a")
    clock.pass_hours(24)
    gateway.ask("a")
    assert upstream.asked == 1
    clock.pass_hours(0.01)
    assert gateway.ask("a", {"max_tokens": 7}).status == 200
    assert upstream.asked == 2


def test_old_answers_are_dropped_without_being_asked_for(gateway, make_gateway, clock, rows):
    known = {"name": "n", "fingerprint": "f", "process": "", "call_id": "c", "created_at": clock()}
    kept = {"status": 200, "headers": "{}", "body": b"body"}
    with gateway.database.writing() as connection:
        connection.execute(insert(answers), [{"key_id": f"key-{number}", **known, **kept} for number in range(450)])
    clock.pass_hours(23)
    gateway.ask("young")
    clock.pass_hours(2)
    gateway.answers.tend()
    assert len(rows()) == 451, "it is not done every few seconds"
    make_gateway(idempotency=False)
    assert [row.key_id for row in rows()] == ["alice"]


# ---------------------------------------------------------------------------------------------------- waiting


def test_who_waits_too_long_is_told_to_come_back(make_gateway, upstream):
    gateway = make_gateway(idempotency_wait=0.1)
    upstream.gate.clear()
    first = in_thread(lambda: gateway.ask("a"))
    assert upstream.arrived.wait(10)
    second = gateway.ask("a")
    upstream.gate.set()
    assert (second.status, second.answer_headers["retry-after"]) == (409, "1")
    assert second.answer_headers["x-should-retry"] == "true"
    assert "still being answered" in error_of(second)
    assert (gateway.ask("a").received, upstream.asked) == (first().received, 1)


def test_so_many_may_wait_and_no_more(gateway, upstream):
    for _ in range(WAITING):
        assert gateway.answers._seats.acquire(blocking=False)
    upstream.gate.clear()
    first = in_thread(lambda: gateway.ask("a"))
    assert upstream.arrived.wait(10)
    assert gateway.ask("a").status == 409
    assert gateway.answers._seats._value == 0
    upstream.gate.set()
    assert first().status == 200


# ---------------------------------------------------------------------------------- the client and the database


def test_a_client_that_left_finds_its_answer_when_it_asks_again(make_gateway, upstream, asker):
    gateway = make_gateway(idempotency_wait=1)
    gateway.ask("a", door=asker.Hurried)
    second = gateway.ask("a")
    assert (second.status, upstream.asked) == (200, 1)
    assert second.answer_headers["gateway-replayed"] == "true"


@pytest.fixture
def outage(monkeypatch, gateway):
    """A database that is away while the event is set."""
    away = threading.Event()
    database = gateway.database
    real = {name: getattr(database, name) for name in ("reading", "writing")}

    def door(name):
        def enter():
            if away.is_set():
                raise Away("away")
            return real[name]()

        return enter

    for name in real:
        monkeypatch.setattr(database, name, door(name))
    return away


def test_while_the_database_is_away_nothing_goes_to_the_host(gateway, upstream, outage):
    outage.set()
    door = gateway.ask("a")
    assert (door.status, upstream.asked) == (503, 0)
    assert int(door.answer_headers["retry-after"]) >= 1
    assert "x-should-retry" not in door.answer_headers
    assert "was answered before" in error_of(door)
    assert gateway.ask(None).status == 200


def settle_down(gateway):
    """The breaker lets nobody through for a moment after an outage."""
    gateway.answers._patience._away = False


def test_an_answer_that_came_while_the_database_was_away_is_saved_later(make_gateway, gateway, upstream, outage):
    other = make_gateway(idempotency_wait=0.05)
    claim = gateway.answers.claim(make_call(), "a")
    outage.set()
    claim.keep(Saved(200, {}, b"body"))
    gateway.answers.tend()
    with pytest.raises(Conflict, match="still being answered"):
        other.answers.claim(make_call(), "a")
    outage.clear()
    settle_down(gateway)
    gateway.answers.tend()
    assert other.answers.claim(make_call(), "a").saved.body == b"body"


def test_no_more_answers_wait_in_memory_than_fit(gateway, outage, rows):
    claims = [gateway.answers.claim(make_call(), f"a{number}") for number in range(OWED + 1)]
    outage.set()
    for claim in claims:
        claim.keep(Saved(200, {}, b"body"))
    outage.clear()
    settle_down(gateway)
    gateway.answers.tend()
    kept = [row for row in rows() if row.status == 200]
    assert (len(kept), len(rows())) == (OWED, OWED)
    assert gateway.answers.claim(make_call(), f"a{OWED}").saved is None


def test_a_key_that_could_not_be_freed_is_freed_when_the_database_is_back(gateway, outage, rows):
    claim = gateway.answers.claim(make_call(), "a")
    outage.set()
    claim.release()
    outage.clear()
    assert len(rows()) == 1
    settle_down(gateway)
    gateway.answers.tend()
    assert rows() == []


def test_a_claim_that_the_database_took_too_late_is_freed(gateway, rows):
    gateway.answers.claim(make_call(id="late"), "a")
    gateway.answers._live.discard("late")  # as for somebody who was told that the database is away
    alive = gateway.answers.claim(make_call(id="alive"), "b")
    gateway.answers.tend()
    assert [row.call_id for row in rows()] == ["alive"]
    alive.release()
    assert rows() == []


def test_an_answer_that_the_database_refuses_is_logged_and_frees_its_key(gateway, monkeypatch, caplog, rows):
    claim = gateway.answers.claim(make_call(id="req_bad"), "a")
    with monkeypatch.context() as patch:
        patch.setattr(gateway.answers._shelf, "_make_room", lambda *_: 1 / 0)
        claim.keep(Saved(200, {}, b"body"))
    assert "req_bad: its answer is not kept" in caplog.text
    gateway.answers.tend()
    assert rows() == []


def test_a_gateway_that_never_met_a_key_asks_the_database_for_nothing(gateway, outage):
    fresh = Answers(gateway.database, {})
    fresh.tend()
    outage.set()
    fresh.tend()
    assert fresh._live == set()
