"""A gateway in memory that answers under idempotency keys: used by the tests, or run by them as a process beside others.

``python asker.py URL race KEY CALLS``: asks so often at once when a line comes on its standard input, and prints how
often its host was asked, and the distinct answers. ``python asker.py URL crash KEY``: claims, prints a line, and waits
to be killed.
"""

import hashlib
import json
import sys
import threading
from types import SimpleNamespace

from gateway_infra_keys.idempotency import Answers
from gateway_infra_keys.schema import SCHEMA
from gateway_infra_ledger.address import Address
from gateway_infra_ledger.database import Database

from gateway import ClientLeft, Principal, Unreachable, hookimpl, strictjson
from gateway import config as configuration
from gateway.app import create_app
from gateway.testing import FakeDoor, TestHostPlugin, found, make_call, sample_message
from gateway.transport import Transport

CONFIG = "model_list: [{model_name: '*', litellm_params: {model: 'test/*'}}]"


class Upstream:
    """A host in memory that numbers its answers.

    Attributes:
        asked: how many requests came.
        arrived: set when one is there.
        gate: a request is answered once this is set.
        faults: so many requests fail first.
        text: what it says.
    """

    def __init__(self, name="host"):
        self.name, self.asked, self.faults, self.text = name, 0, 0, "Hello"
        self.arrived, self.gate = threading.Event(), threading.Event()
        self.gate.set()
        self._lock = threading.Lock()

    def send(self, outbound, auth, watch):
        with self._lock:
            self.asked += 1
            number, failing = self.asked, self.faults > 0
            self.faults -= failing
        self.arrived.set()
        assert self.gate.wait(60)
        if failing:
            raise Unreachable("No connection.")
        watch.answering()
        message = {
            **sample_message(),
            "id": f"msg_{self.name}_{number}",
            "content": [{"type": "text", "text": self.text}],
        }
        data = strictjson.dumps(message)
        return SimpleNamespace(
            status=200,
            headers={"request-id": f"req_{self.name}"},
            chunks=lambda: iter([data]),
            read=lambda: data,
            finish=lambda: None,
            close=lambda: None,
        )


class Hurried(FakeDoor):
    """A client that leaves before its answer comes."""

    def write(self, data):
        raise ClientLeft


class Gateway:
    """The real corridor with answers under idempotency keys; a credential is the id of its own key."""

    def __init__(self, database, **settings):
        clock = settings.pop("clock", None)
        self.answers = answers = Answers(database, settings, **({"clock": clock} if clock else {}))

        class Desk:
            @hookimpl
            def authenticate_request(self, credential):
                return Principal(credential) if credential else None

            @hookimpl
            def claim_answer(self, call, key):
                return answers.claim(call, key)

        plugins = [found(TestHostPlugin, "test", "provider"), found(Desk, "keys", "infra")]
        self._parts = create_app(configuration.parse(CONFIG), found=plugins).extensions["gateway"]

    def ask(self, key, body=None, who="alice", door=FakeDoor):
        """One request; the door that it went through."""
        surface = next(one for one in self._parts.surfaces if one.name == "messages")
        headers = {"x-api-key": who, **({} if key is None else {"idempotency-key": key})}
        used = door(strictjson.dumps({**make_call().body, **(body or {})}), headers)
        self._parts.pipeline.serve(surface, "create", used)
        return used


def opened(url, **options):
    return Database(Address.parse(url), schema=SCHEMA, **options)


def together(count, work):
    """What each of so many threads returned, all of them released at once."""
    barrier, results = threading.Barrier(count), [None] * count

    def run(number):
        barrier.wait()
        results[number] = work()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def digest(door):
    """Short for an answer: its status and its bytes."""
    return f"{door.status} {hashlib.sha256(door.received).hexdigest()}"


def main(url, what, key, calls="1"):
    gateway, upstream = Gateway(opened(url)), Upstream(what)
    gateway.answers.tend()  # the tables are there before the race begins
    if what == "crash":
        gateway.answers.claim(make_call(principal=Principal("alice")), key)
        print("claimed", flush=True)
        sys.stdin.read()
    Transport.send = lambda _self, *given: upstream.send(*given)
    print("ready", flush=True)
    sys.stdin.readline()
    doors = together(int(calls), lambda: gateway.ask(key))
    print(json.dumps([upstream.asked, sorted({digest(door) for door in doors})]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
