"""A token is fetched once for everybody, and anew before it expires."""

import threading

import pytest
from requests import Request

from gateway import Bearer, Token, Unidentified


class Clock:
    now = 1_000.0

    def __call__(self):
        return self.now


class Service:
    """Gives tokens that are good for an hour."""

    def __init__(self, clock):
        self.clock = clock
        self.asked = 0
        self.down = False

    def __call__(self):
        self.asked += 1
        if self.down:
            raise Unidentified("The service gave no token.")
        return Token(f"token-{self.asked}", self.clock.now + 3600)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def service(clock):
    return Service(clock)


@pytest.fixture
def bearer(service, clock):
    return Bearer(service, early=240, clock=clock)


def test_it_signs_a_finished_request(bearer):
    request = Request("POST", "https://h.example/", data=b"x", auth=bearer).prepare()
    assert request.headers["authorization"] == "Bearer token-1"


def test_nothing_is_fetched_before_it_is_needed(bearer, service):
    assert service.asked == 0


def test_one_token_serves_until_it_grows_old(bearer, service, clock):
    assert bearer.token() == "token-1"
    clock.now += 3600 - 241
    assert bearer.token() == "token-1"
    clock.now += 1
    assert bearer.token() == "token-2"
    assert service.asked == 2


def test_a_hundred_at_once_fetch_once(clock):
    gate, asked = threading.Event(), []

    def fetch():
        asked.append(1)
        assert gate.wait(10)
        return Token("t", clock.now + 3600)

    bearer, got = Bearer(fetch, clock=clock), []
    threads = [threading.Thread(target=lambda: got.append(bearer.token())) for _ in range(100)]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join(10)
    assert (got, asked) == (["t"] * 100, [1])


def test_others_go_on_with_the_old_token_while_one_fetches_the_next(clock):
    asked, held = threading.Event(), threading.Event()
    tokens = iter([Token("old", clock.now + 300), Token("new", clock.now + 3600)])

    def fetch():
        token = next(tokens)
        if token.value == "new":
            asked.set()
            assert held.wait(10)
        return token

    bearer = Bearer(fetch, early=240, clock=clock)
    assert bearer.token() == "old"
    clock.now += 100
    fetching = threading.Thread(target=bearer.token)
    fetching.start()
    assert asked.wait(10)
    assert bearer.token() == "old"
    held.set()
    fetching.join(10)
    assert bearer.token() == "new"


def test_a_failed_renewal_is_no_failure_while_the_old_token_works(bearer, service, clock):
    bearer.token()
    service.down = True
    clock.now += 3500
    assert bearer.token() == "token-1"
    assert bearer.token() == "token-1"
    assert service.asked == 2  # the second call did not ask again at once
    clock.now += 11
    assert bearer.token() == "token-1"
    assert service.asked == 3
    clock.now += 100
    with pytest.raises(Unidentified, match="gave no token"):
        bearer.token()
    service.down = False
    assert bearer.token() == "token-5"


def test_a_token_does_not_show():
    assert "secret" not in repr(Token("secret", 1.0))


def test_a_failure_is_everybodys_who_waited_for_it(clock):
    gate, asked, told = threading.Event(), [], []

    def fetch():
        asked.append(1)
        assert gate.wait(10)
        raise Unidentified("The service gave no token.")

    bearer = Bearer(fetch, clock=clock)

    def ask():
        with pytest.raises(Unidentified) as failed:
            bearer.token()
        told.append(failed.value.message)

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    while sum(thread.is_alive() for thread in threads) < 20 or not asked:
        pass
    gate.set()
    for thread in threads:
        thread.join(10)
    assert told == ["The service gave no token."] * 20
    assert len(asked) < 10  # only threads that came when the first had failed already ask again
    with pytest.raises(Unidentified):
        bearer.token()


def test_a_token_that_a_host_refused_is_fetched_anew_but_not_over_and_over(bearer, service, clock):
    bearer.token()
    bearer.forget()
    assert bearer.token() == "token-1"  # it is fresh; another would fare no better
    clock.now += 61
    bearer.forget()
    assert bearer.token() == "token-2"
