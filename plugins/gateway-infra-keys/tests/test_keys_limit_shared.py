"""Limits that several processes share, with a real redis-server."""

import multiprocessing
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest
import redis
from gateway_infra_keys.breaker import Broken
from gateway_infra_keys.limit import RateLimits
from gateway_infra_keys.limit_local import Local
from gateway_infra_keys.limit_shared import Shared
from gateway_infra_keys.limit_window import Want
from gateway_infra_keys.model import Key, Limits

from gateway import RateLimited, Secret
from gateway.testing import make_call

PROGRAM = shutil.which("redis-server") or shutil.which("valkey-server")

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="redis-server is not installed")

PASSWORD = "sesame-street"


def wait_until(true, seconds=5.0):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


class Server:
    """A redis-server on a unix socket, in a folder with a short name, because such a path has at most 107 bytes."""

    def __init__(self, folder):
        self.path = folder / "redis.sock"
        self.url = f"unix://:{PASSWORD}@{self.path}"
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            [
                PROGRAM,
                "--port",
                "0",
                "--unixsocket",
                self.path,
                "--save",
                "",
                "--requirepass",
                PASSWORD,
                "--enable-debug-command",
                "local",
                "--dir",
                self.path.parent,
            ],
            stdout=subprocess.DEVNULL,
        )
        wait_until(self.answers)

    def stop(self):
        self.send(signal.SIGCONT)
        self.process.kill()
        self.process.wait()

    def send(self, number):
        self.process.send_signal(number)

    def client(self):
        return Shared(self.url, patience=1)._client

    def answers(self):
        with suppress(Exception), closing(self.client()) as client:
            return client.ping()

    def tell(self, *words):
        with closing(self.client()) as client:
            client.execute_command(*words)


@pytest.fixture
def server():
    with tempfile.TemporaryDirectory(prefix="redis") as folder:
        server = Server(Path(folder))
        server.start()
        yield server
        server.stop()


@pytest.fixture
def share(server):
    """Makes shared limits and ends them."""
    made = []

    def make(url=server.url, **options):
        made.append(Shared(url, **{"patience": 20, **options}))  # the machine may be busy
        return made[-1]

    yield make
    for one in made:
        one.close()


class Clock:
    now = 1_800_000_000.0

    def __call__(self):
        return self.now


REQUEST = Want("key/a", "requests", 10)
PARALLEL = Want("key/a", "parallel", 1)


# -------------------------------------------------------------------------------------------------- counting


@pytest.mark.parametrize("seed", range(5))
def test_redis_counts_as_memory_does(share, monkeypatch, seed):
    clock, dice = Clock(), random.Random(seed)
    monkeypatch.setattr(time, "time", clock)
    shared, local, running = share(clock=clock, lease=10**6), Local(), []
    for number in range(300):
        clock.now += dice.choice([0, 0.5, 3, 20, 70])
        if running and dice.random() < 0.5:
            there, here, used = running.pop(dice.randrange(len(running)))
            shared.finish(there, used)
            local.finish(here, used)
        cost = dice.randrange(0, 500)
        wants = [
            Want("key/a", "requests", 5),
            Want("key/a", "tokens", 1000, cost),
            Want("team/b", "tokens", 1500, cost),
            Want("team/b", "parallel", 6),
        ]
        there, here = shared.take(f"call-{number}", wants), local.take(f"call-{number}", wants)
        assert there.fits == here.fits
        assert [count.used for count in there.counts] == [count.used for count in here.counts]
        assert there.counts[0].left == here.counts[0].left
        shared._renew()
        if there.fits:
            running.append((there, here, dice.choice([0, cost // 2, cost, 2 * cost])))


def test_the_clock_is_the_servers(share):
    taken = share().take("c", [REQUEST])
    assert abs(taken.at - time.time()) < 60


def _pass_many(shared, start, answer):
    start.wait()
    answer.send([shared.take(f"{os.getpid()}-{number}", [Want("key/a", "requests", 50)]).fits for number in range(100)])


def test_two_processes_share_one_limit_exactly(share):
    shared = share(clock=Clock())
    assert shared.take("parent", [Want("key/a", "requests", 50)]).fits
    fork = multiprocessing.get_context("fork")
    start, (receive, send) = fork.Barrier(2), multiprocessing.Pipe(duplex=False)
    children = [fork.Process(target=_pass_many, args=(shared, start, send)) for _ in range(2)]
    for child in children:
        child.start()
    answers = [receive.recv() for _ in children]
    for child in children:
        child.join(20)
    assert sum(map(sum, answers)) == 49


def test_of_two_hundred_calls_at_once_exactly_ten_pass(share):
    shared, start, passed = share(clock=Clock()), threading.Barrier(200), []

    def one(number):
        start.wait()
        passed.append(shared.take(f"c{number}", [REQUEST]).fits)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(passed), sum(passed)) == (200, 10)


def test_windows_and_leases_do_not_stay_for_ever(server, share):
    shared = share()
    shared.take("c", [REQUEST, PARALLEL])
    client = shared._client
    assert all(0 < client.ttl(key) <= 120 for key in client.keys("*"))
    assert len(client.keys("*")) == 2


# ---------------------------------------------------------------------------------------------------- leases


def test_the_calls_of_a_process_that_died_are_free_after_a_minute(share):
    clock = Clock()
    died, other = share(clock=clock), share(clock=clock)
    assert died.take("one", [PARALLEL]).fits
    clock.now += 59
    assert not other.take("two", [PARALLEL]).fits
    clock.now += 2
    assert other.take("two", [PARALLEL]).fits


def test_a_call_that_runs_for_long_keeps_its_place(share):
    clock = Clock()
    shared = share(clock=clock)
    taken = shared.take("one", [PARALLEL])
    for _ in range(9):
        clock.now += 20
        shared._renew()
        assert not shared.take("two", [PARALLEL]).fits
    shared.finish(taken, 0)
    assert shared.take("two", [PARALLEL]).fits


@pytest.mark.slow
def test_leases_are_renewed_in_the_background(share):
    shared, other = share(lease=1), share()
    shared.take("one", [PARALLEL])
    ends = time.monotonic() + 2.5
    while time.monotonic() < ends:
        assert not other.take("two", [PARALLEL]).fits
        time.sleep(0.05)
    shared.close()  # as good as dead
    wait_until(lambda: other.take("two", [PARALLEL]).fits)


def test_a_call_that_ended_while_leases_were_renewed_stays_ended(share):
    shared = share()
    shared.finish(shared.take("one", [PARALLEL]), 0)
    shared._leases.add(("gateway/parallel/key/a", "one"))
    shared._renew()
    assert shared.take("two", [PARALLEL]).fits


# ---------------------------------------------------------------------------------------------------- faults


class Proxy:
    """A way to the server that may be slow, or reset every connection."""

    def __init__(self, path):
        self.path, self.delay, self.resets = path, 0.0, False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://:{PASSWORD}@127.0.0.1:{self.listener.getsockname()[1]}"
        self.open = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with suppress(OSError):
            while True:
                self._connect(self.listener.accept()[0], socket.socket(socket.AF_UNIX))

    def _connect(self, client, server):
        if self.resets or server.connect_ex(str(self.path)):
            _end(client, server)
            return
        self.open += [client, server]
        for one, other in ((client, server), (server, client)):
            threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one, other):
        with suppress(OSError):
            while data := one.recv(65536):
                if self.delay:
                    time.sleep(self.delay)
                other.sendall(data)
        _end(one, other)

    def reset(self):
        self.resets = True
        for one in self.open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RD)  # wakes the thread that reads, which ends both

    def close(self):
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.reset()


def _end(*sockets):
    """With a reset, not a farewell."""
    for one in sockets:
        with suppress(OSError):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        one.close()


@pytest.fixture
def proxy(server):
    proxy = Proxy(server.path)
    yield proxy
    proxy.close()


def _stop(server, proxy):
    server.stop()
    return server.start


def _freeze(server, proxy):
    server.send(signal.SIGSTOP)
    return lambda: server.send(signal.SIGCONT)


def _sleep(server, proxy):
    """It sleeps for two seconds, and wakes by itself."""
    with suppress(TimeoutError, redis.exceptions.TimeoutError):
        server.tell("DEBUG", "SLEEP", "2")
    return lambda: wait_until(server.answers)


def _slow(server, proxy):
    proxy.delay = 2.0
    return lambda: setattr(proxy, "delay", 0.0)


def _reset(server, proxy):
    proxy.reset()
    return lambda: setattr(proxy, "resets", False)


def _readonly(server, proxy):
    server.tell("REPLICAOF", "127.0.0.1", "1")
    return lambda: server.tell("REPLICAOF", "NO", "ONE")


def _full(server, proxy):
    server.tell("CONFIG", "SET", "maxmemory", "1")
    return lambda: server.tell("CONFIG", "SET", "maxmemory", "0")


def _password(server, proxy):
    server.tell("CONFIG", "SET", "requirepass", "another")
    admin = Shared(server.url.replace(PASSWORD, "another"), patience=1)._client
    admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    return lambda: admin.execute_command("CONFIG", "SET", "requirepass", PASSWORD)


def a_key(**limits):
    return Key(
        id="k", alias="", team_id="", tags=(), models=("*",), capabilities=("*",), budget=None, limits=Limits(**limits),
        mode="strict", on_outage="closed", created_at=None, expires_at=None, revoked_at=None, hint="wxyz",
    )  # fmt: skip


def timed(limits, key):
    """Milliseconds to admit and release."""
    call = make_call()
    began = time.perf_counter()
    hold = limits.admit(call, None, key, None)
    hold.release()
    return (time.perf_counter() - began) * 1000


@pytest.mark.slow
@pytest.mark.parametrize("fault", [_stop, _freeze, _sleep, _slow, _reset, _readonly, _full, _password])
def test_a_server_that_fails_costs_a_moment_once(server, proxy, caplog, fault):
    limits, key = RateLimits({"redis_url": Secret(proxy.url)}), a_key(requests=10**6, tokens=10**9, parallel=100)
    breaker = limits._shared.breaker
    wait_until(lambda: not breaker.is_open and timed(limits, key) and not breaker.is_open)
    caplog.clear()
    heal = fault(server, proxy)
    try:
        until_open, waited = [], threading.Barrier(8)

        def one():
            waited.wait()
            until_open.append(timed(limits, key))

        threads = [threading.Thread(target=one) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert breaker.is_open
        after = sorted(timed(limits, key) for _ in range(200))
    finally:
        heal()
    healed = time.monotonic()
    wait_until(lambda: not breaker.is_open)
    recovered = time.monotonic() - healed
    wait_until(lambda: timed(limits, key) and not breaker.is_open)
    limits.close()
    print(
        f"{fault.__name__}: {max(until_open):.0f} ms until open, then {after[100]:.2f} ms (p99 {after[197]:.2f}), back after {recovered:.1f} s"
    )
    assert max(until_open) <= 250
    assert after[100] <= 5  # the median: a busy machine makes the slowest of any 200 calls slow
    lines = [record.getMessage() for record in caplog.records if "Redis" in record.getMessage()]
    assert all("is away, and every process counts for itself: " in line for line in lines[::2])
    assert {*lines[1::2]} == {"the limits' Redis is back"}
    assert PASSWORD not in caplog.text


def test_without_the_server_each_process_lets_its_share_through(server):
    limits = RateLimits({"redis_url": Secret(server.url), "workers": 4})
    server.stop()
    passed = 0
    for _ in range(12):
        with suppress(RateLimited):
            limits.admit(make_call(), None, a_key(requests=10), None)
            passed += 1
    limits.close()
    server.start()
    assert passed == 3


def test_a_server_that_was_never_there_does_not_stop_anything(tmp_path):
    limits = RateLimits({"redis_url": Secret(f"valkey+unix://{tmp_path}/none.sock")})
    assert limits.admit(make_call(), None, a_key(requests=10), None).limits[0].remaining == 9
    assert limits._shared.breaker.is_open
    limits.close()


def test_what_was_taken_before_an_outage_and_released_in_it_does_not_fail(server, share):
    shared = share()
    taken = shared.take("one", [PARALLEL, Want("key/a", "tokens", 1000, 10)])
    server.stop()
    shared.finish(taken, 5)
    with pytest.raises(Broken):
        shared.take("two", [PARALLEL])
    server.start()


def test_connections_that_the_server_closed_meanwhile_are_no_failure(server, share):
    shared = share()
    shared.take("one", [REQUEST])
    server.tell("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    assert shared.take("two", [REQUEST]).counts[0].used == 1
    assert not shared.breaker.is_open


def test_a_server_that_forgot_everything_still_knows_the_scripts(server, share):
    shared = share()
    assert shared.take("one", [REQUEST]).fits
    server.tell("FLUSHALL")
    server.tell("SCRIPT", "FLUSH")
    assert shared.take("two", [REQUEST]).counts[0].used == 0
