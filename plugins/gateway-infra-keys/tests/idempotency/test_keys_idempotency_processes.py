"""One idempotency key, one answer: over several processes, and when one of them dies."""

import json
import os
import signal
import threading
import time

import pytest
from gateway_infra_keys.lease import Lease
from sqlalchemy import text

from gateway import Conflict, Principal, Saved
from gateway.testing import make_call


@pytest.mark.parametrize("round_", range(2))
def test_of_fifty_calls_at_once_in_two_processes_one_goes_to_the_host(start_asker, rows, round_):
    askers = [start_asker("race", "once", "25") for _ in range(2)]
    for one in askers:
        assert one.stdout.readline() == "ready\n"
    for one in askers:
        print(file=one.stdin, flush=True)
    told = [json.loads(one.stdout.readline()) for one in askers]
    assert sum(asked for asked, _ in told) == 1
    (answer,) = {answer for _, found in told for answer in found}
    assert answer.startswith("200 ")
    assert [(row.status, row.process) for row in rows()] == [(200, "")]


class Undertaker:
    """Looks for dead processes, as every gateway does every few seconds, with a shorter lease."""

    def __init__(self, database):
        self.lease = Lease(database, 0.3)

    def bury(self, *living):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            for one in living:
                one.answers.tend()
            if dead := self.lease.dead():
                self.lease.bury(dead)
                return dead
            time.sleep(0.02)
        raise AssertionError("nobody died")


def test_after_kill_9_of_the_first_the_one_that_waits_goes_to_the_host(gateway, upstream, start_asker):
    first = start_asker("crash", "a")
    assert first.stdout.readline() == "claimed\n"
    doors = []
    waiting = threading.Thread(target=lambda: doors.append(gateway.ask("a")))
    waiting.start()
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert upstream.asked == 0
    Undertaker(gateway.database).bury()
    waiting.join(60)
    assert (doors[0].status, upstream.asked) == (200, 1)
    assert gateway.ask("a").received == doors[0].received


def test_a_process_that_gives_signs_of_life_keeps_its_claim(make_gateway, upstream, start_asker):
    gateway, other = make_gateway(), make_gateway(idempotency_wait=0.05)
    gateway.answers.claim(make_call(principal=Principal("alice")), "mine")
    dying = start_asker("crash", "a")
    assert dying.stdout.readline() == "claimed\n"
    dying.kill()
    Undertaker(gateway.database).bury(gateway)
    assert other.ask("mine").status == 409
    assert upstream.asked == 0


def test_who_was_taken_for_dead_does_not_overwrite_the_answer_of_the_next(make_gateway, caplog):
    asleep, other = make_gateway(), make_gateway()
    first = asleep.answers.claim(make_call(), "a")
    bury_all(asleep.database)
    second = other.answers.claim(make_call(), "a")
    assert second.saved is None
    first.keep(Saved(200, {}, b"first"))
    assert "went to another call" in caplog.text
    second.keep(Saved(200, {}, b"second"))
    first.release()
    assert other.answers.claim(make_call(), "a").saved.body == b"second"


def bury_all(database):
    with database.writing() as connection:
        connection.execute(text("DELETE FROM key_processes"))


def test_who_was_taken_for_dead_can_claim_again(make_gateway):
    asleep, other = make_gateway(), make_gateway(idempotency_wait=0.05)
    asleep.answers.claim(make_call(), "a").release()
    bury_all(asleep.database)
    asleep.answers.claim(make_call(), "b")
    with pytest.raises(Conflict, match="still being answered"):
        other.answers.claim(make_call(), "b")


def test_an_answer_survives_its_process(make_gateway, upstream):
    first, second = make_gateway(), make_gateway()
    answer = first.ask("a")
    bury_all(first.database)
    assert (second.ask("a").received, upstream.asked) == (answer.received, 1)


def test_a_fork_has_a_name_and_claims_of_its_own(make_gateway):
    gateway = make_gateway()
    gateway.answers.claim(make_call(), "a")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, json.dumps([gateway.answers._lease.id, len(gateway.answers._live)]).encode())
        os._exit(0)
    os.waitpid(child, 0)
    name, live = json.loads(os.read(reader, 1000))
    assert (name != gateway.answers._lease.id, live, len(gateway.answers._live)) == (True, 0, 1)
