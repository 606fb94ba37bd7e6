"""The end of a process wakes whoever waits for a host."""

import os
import socket
import threading

import pytest

from gateway.drain import Drain
from gateway.errors import Stopping
from gateway.watch import Timeouts, Watch


def test_every_watch_is_woken_at_once():
    drain, ended = Drain(), []

    def wait():
        ours, theirs = socket.socketpair()
        with ours, theirs, pytest.raises(Stopping):
            Watch(Timeouts(), drain=drain).wait(ours)
        ended.append(True)

    threads = [threading.Thread(target=wait) for _ in range(5)]
    for thread in threads:
        thread.start()
    drain.begin(0.05)
    for thread in threads:
        thread.join(10)
    assert ended == [True] * 5
    assert drain.ended


def test_nobody_starts_to_wait_after_the_end():
    drain = Drain()
    drain.end()
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(Stopping):
        Watch(Timeouts(), drain=drain).wait(ours)


def test_a_forked_process_has_an_end_of_its_own():
    drain = Drain()
    Watch(Timeouts(), drain=drain)
    child = os.fork()
    if child == 0:
        drain.end()
        os._exit(0)
    os.waitpid(child, 0)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(b"x")
        Watch(Timeouts(), drain=drain).wait(ours)
    assert not drain.ended
