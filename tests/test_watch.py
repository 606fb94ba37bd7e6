"""One thread minds two real sockets: who spoke, who left, and whose patience ended."""

import socket
import threading
import time
from contextlib import contextmanager

import pytest

from gateway import watch as watching
from gateway.errors import ClientLeft, UpstreamTimeout
from gateway.watch import Timeouts, Watch

SHORT = Timeouts(first_byte=0.05, idle=0.1, total=0.2, keepalive=0.03)


@pytest.fixture
def pair():
    opened = []

    def make():
        opened.extend(two := socket.socketpair())
        return two

    yield make
    for one in opened:
        one.close()


class Listener:
    """A client that streams; it notes each sign of life."""

    def __init__(self, client=None, *, streams=True):
        self.socket = client
        self.wrote_at = time.monotonic() if streams else float("inf")
        self.rings = 0

    def keepalive(self):
        self.rings += 1
        self.wrote_at = time.monotonic()


@contextmanager
def soon(work, after=0.05):
    timer = threading.Timer(after, work)
    timer.start()
    yield
    timer.join()


def test_what_is_there_already_is_not_waited_for(pair):
    ours, theirs = pair()
    theirs.send(b"x")
    watch = Watch(Timeouts())
    watch.wait(ours)
    assert ours.recv(1) == b"x"
    assert watch.waited < 1


def test_it_returns_when_the_host_speaks(pair):
    ours, theirs = pair()
    watch = Watch(Timeouts())
    with soon(lambda: theirs.send(b"x")):
        watch.wait(ours)
    assert watch.waited >= 0.04
    assert ours.recv(1) == b"x"


def test_it_returns_when_the_host_hangs_up(pair):
    ours, theirs = pair()
    theirs.close()
    Watch(SHORT).wait(ours)
    assert ours.recv(1) == b""


@pytest.mark.parametrize(("answering", "patience"), [(False, "0.05"), (True, "0.1")])
def test_silence_ends_when_patience_does(pair, answering, patience):
    ours, _theirs = pair()
    watch = Watch(SHORT)
    if answering:
        watch.answering()
    with pytest.raises(UpstreamTimeout, match=rf"silent for {patience} s") as silent:
        watch.wait(ours)
    assert silent.value.status == 504
    assert watch.waited >= float(patience)


def test_a_host_that_never_finishes_is_given_up(pair):
    ours, _theirs = pair()
    watch = Watch(Timeouts(total=0.05))
    with pytest.raises(UpstreamTimeout, match=r"did not finish within 0\.05 s"):
        watch.wait(ours)


def test_a_host_that_talks_for_ever_is_given_up_too(pair):
    ours, theirs = pair()
    watch = Watch(Timeouts(total=0.05))
    watch.answering()
    theirs.send(b"x")
    always = iter(lambda: watch.wait(ours), "never")  # it is never read, so there is always something
    with pytest.raises(UpstreamTimeout, match="did not finish"):
        list(always)


def test_time_in_which_nobody_listened_is_not_the_hosts_silence(pair):
    now = [0.0]
    ours, theirs = pair()
    watch = Watch(Timeouts(idle=0.5), clock=lambda: now[0] + time.monotonic())
    watch.answering()
    theirs.send(b"x")
    watch.wait(ours)
    ours.recv(1)
    now[0] += 400  # a slow client was written to meanwhile
    with soon(lambda: theirs.send(b"y")):
        watch.wait(ours)
    assert watch.waited < 1


def test_after_the_end_the_host_has_to_hurry(pair):
    ours, _theirs = pair()
    watch = Watch(Timeouts())
    watch.answering()
    watch.hurry(0.02)
    with pytest.raises(UpstreamTimeout, match=r"silent for 0\.02 s"):
        watch.wait(ours)


def test_a_silent_host_is_bridged_by_signs_of_life(pair):
    ours, theirs = pair()
    listener = Listener()
    watch = Watch(Timeouts(keepalive=0.02), listener)
    with soon(lambda: theirs.send(b"x"), 0.15):
        watch.wait(ours)
    assert listener.rings >= 2


def test_a_sign_of_life_is_due_even_if_the_host_sends_what_is_held_back(pair):
    ours, theirs = pair()
    theirs.send(b"x")
    listener = Listener()
    listener.wrote_at -= 20
    Watch(Timeouts(), listener).wait(ours)
    assert listener.rings == 1


def test_a_client_that_wants_json_gets_no_signs_of_life(pair):
    ours, _theirs = pair()
    listener = Listener(streams=False)
    with pytest.raises(UpstreamTimeout):
        Watch(SHORT, listener).wait(ours)
    assert listener.rings == 0


def test_a_client_that_cannot_be_told_has_left(pair):
    class Gone(Listener):
        def keepalive(self):
            raise ClientLeft

    ours, _theirs = pair()
    with pytest.raises(ClientLeft):
        Watch(SHORT, Gone()).wait(ours)


@pytest.fixture(params=["with the kernel's word", "by an empty peek"])
def either_kernel(request, monkeypatch):
    if request.param == "by an empty peek":
        monkeypatch.setattr(watching, "_LEAVING", 0)
    elif not watching._LEAVING:
        pytest.skip("this kernel has no word for leaving")


@pytest.mark.usefixtures("either_kernel")
@pytest.mark.parametrize("leave", [socket.socket.close, lambda client: client.shutdown(socket.SHUT_WR)])
def test_a_client_that_leaves_is_noticed_while_the_host_is_silent(pair, leave):
    ours, _theirs = pair()
    door, client = pair()
    watch = Watch(Timeouts(), Listener(door))
    began = time.monotonic()
    with soon(lambda: leave(client)), pytest.raises(ClientLeft):
        watch.wait(ours)
    assert time.monotonic() - began < 1


@pytest.mark.usefixtures("either_kernel")
def test_a_client_that_left_is_noticed_while_the_host_talks(pair):
    ours, theirs = pair()
    door, client = pair()
    theirs.send(b"x")
    client.close()
    with pytest.raises(ClientLeft):
        Watch(Timeouts(), Listener(door)).wait(ours)


@pytest.mark.usefixtures("either_kernel")
def test_a_client_that_sends_its_next_request_early_stays(pair):
    ours, theirs = pair()
    door, client = pair()
    client.send(b"GET / HTTP/1.1\r\n\r\n")
    watch = Watch(Timeouts(), Listener(door))
    with soon(lambda: theirs.send(b"x")):
        watch.wait(ours)
    watch.wait(ours)
    assert door.recv(3) == b"GET"


def test_a_client_whose_connection_is_gone_is_not_watched(pair):
    ours, theirs = pair()
    door, _client = pair()
    door.close()
    theirs.send(b"x")
    Watch(Timeouts(), Listener(door)).wait(ours)


def test_a_host_that_is_watched_twice_is_forgotten_in_between(pair):
    ours, theirs = pair()
    others, _ = pair()
    watch = Watch(SHORT)
    theirs.send(b"x")
    watch.wait(ours)
    with pytest.raises(UpstreamTimeout):
        watch.wait(others)  # what the first one has to say is nobody's business now


def test_the_usual_patience_bears_thinking_models():
    usual = Timeouts()
    assert usual.first_byte >= 600
    assert usual.keepalive == 15
