import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from gateway_infra_keys import identity as module
from gateway_infra_keys.identity import FRESH, STALE, Identity
from gateway_infra_keys.patience import FILE_WAIT, Patience
from gateway_infra_keys.schema import keys as table
from gateway_infra_keys.store import Keys
from gateway_infra_keys.token import Token, _checksum
from gateway_infra_ledger.database import Away

from gateway import Permissions, Principal, Secret, Unavailable
from gateway.auth import read_credential

FORK = """
import os, sys
from gateway import Secret
from gateway_infra_keys.identity import Identity
from gateway_infra_keys.schema import SCHEMA
from gateway_infra_keys.store import Keys
from gateway_infra_ledger.address import Address
from gateway_infra_ledger.database import Database
keys = Keys(Database(Address.parse(sys.argv[1]), schema=SCHEMA), Secret("0123456789abcdef"))
identity = Identity(keys, fresh=0)
key, token = keys.create(actor="me")
assert identity.of(token.text) == key
child = os.fork()
if child == 0:
    os._exit(0 if identity.of(token.text) == key else 1)
print(os.waitpid(child, 0)[1])
"""


class Clock:
    """A clock that goes when it is told to."""

    now = 1000.0

    def __call__(self):
        return self.now


class Watched(Keys):
    """A store that counts how often the database is asked, and that can be cut off from it."""

    asked = 0
    away = False

    def find(self, token):
        return self._ask(super().find, token)

    def known(self, key_id):
        return self._ask(super().known, key_id)

    def _ask(self, ask, name):
        self.asked += 1
        if self.away:
            raise Away("cut off")
        return ask(name)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def keys(database, pepper):
    store = Watched(database, pepper)
    known = store.teams.known
    store.teams.known = lambda team_id: store._ask(known, team_id)
    return store


@pytest.fixture
def identity(keys, clock):
    return patient(Identity(keys, clock=clock))


def patient(identity):
    """Without the pause after an outage, for which nobody wants to wait here."""
    identity._patience = Patience(2, quiet=60, pause=0)
    return identity


@pytest.fixture
def elsewhere(open_database, url, pepper):
    """The store of another process."""
    return Keys(open_database(url), pepper)


def test_a_credential_is_its_key_with_what_it_may_do(keys, identity):
    team = keys.teams.create(actor="me", name="blue")
    facts = {"models": ("claude-*",), "capabilities": ("effort",), "tags": ("night",)}
    key, token = keys.create(actor="me", alias="alice", team_id=team.id, **facts)
    permissions = Permissions(models=("claude-*",), capabilities=("effort",), operator=False)
    assert identity.principal(token.text, {}) == Principal(key.id, "alice", "blue", ("night",), permissions)
    assert identity.of(token.text) == key
    assert identity.key(key.id) == key
    assert identity.team(team.id) == team


def test_without_a_team_there_is_none(keys, identity):
    key, token = keys.create(actor="me")
    assert identity.principal(token.text, {}) == Principal(key.id)


def test_who_is_nobody_is_none_in_every_way(keys, identity, database, clock):
    team = keys.teams.create(actor="me", name="blue")
    revoked, first = keys.create(actor="me")
    orphan, second = keys.create(actor="me", team_id=team.id)
    expiring, third = keys.create(actor="me", expires_at=datetime.now(UTC) + timedelta(hours=1))
    rotated, fourth = keys.create(actor="me")
    tokens = [first, second, third, fourth]
    assert [identity.of(token.text) for token in tokens] == [revoked, orphan, expiring, rotated]
    clock.now += 0.1
    keys.revoke(revoked.id, actor="me")
    keys.teams.revoke(team.id, actor="me")
    keys.rotate(rotated.id, actor="me")
    with database.writing() as connection:
        connection.execute(
            table.update().where(table.c.id == expiring.id).values(expires_at=datetime(2020, 1, 1, tzinfo=UTC))
        )
    identity.forget()
    assert [identity.principal(one.text, {}) for one in [*tokens, Token.new()]] == [None] * 5
    assert identity.principal(None, {}) is None
    assert identity.key("0" * 12) is None
    assert identity.team("nobody") is None


def test_a_key_ends_at_its_moment_whatever_is_remembered(keys, identity, monkeypatch):
    end = datetime.now(UTC) + timedelta(hours=1)

    class Then(datetime):
        moment = end - timedelta(microseconds=1)

        @classmethod
        def now(cls, zone=None):
            return cls.moment

    monkeypatch.setattr(module, "datetime", Then)
    key, token = keys.create(actor="me", expires_at=end)
    assert identity.of(token.text) == key
    Then.moment = end
    assert identity.of(token.text) is None
    assert keys.asked == 1


def malformed():
    good = Token.new().text
    kinds = [
        "é" * 40, "\xff\xfe", f"{good},{good}", f"{good} {good}", f"Basic {good}", "x" * 1_000_000, f"{good}\0", "Bearer",
        "' OR 1=1 --", "sk-gw-" + "'; DROP TABLE keys; --".ljust(63), "null", "%00", "${jndi:x}", good[:-1], good + "A",
    ]  # fmt: skip
    return kinds + [
        good[:place] + ("A" if good[place] != "A" else "B") + good[place + 1 :]
        for good in (Token.new().text for _ in range(20))
        for place in range(50)
    ]


def test_a_thousand_malformed_credentials_are_nobody_without_a_question(keys, identity):
    found = malformed()
    assert len(found) >= 1000
    assert {identity.principal(credential, {}) for credential in found} == {None}
    read = (read_credential({"authorization": f"Bearer {credential}"}) for credential in found)
    assert {identity.principal(credential, {}) for credential in read} == {None}
    assert keys.asked == 0


def test_ten_thousand_tokens_that_share_forty_characters_are_told_apart(keys, identity, database):
    row_of, _ = keys.create(actor="me")
    with database.reading() as connection:
        row = dict(connection.execute(table.select()).mappings().one())
    shared = Token.new().text[:40]
    texts = [f"{shared}{number:022}-" for number in range(10_000)]
    tokens = [Token.parse(text + _checksum(text)) for text in texts]
    rows = [row | {"id": f"{n:012}", "hash": keys.hash(token), "alias": str(n)} for n, token in enumerate(tokens)]
    with database.writing() as connection:
        connection.execute(table.insert(), rows[::2])
    places = [*range(0, 10_000, 53), *range(1, 10_000, 71), 9_998, 9_999]
    for _ in range(2):  # the second time from memory
        found = [identity.principal(tokens[place].text, {}) for place in places]
        assert [one and one.alias for one in found] == [None if place % 2 else str(place) for place in places]
    with database.reading() as connection:
        known = dict(connection.execute(table.select().with_only_columns(table.c.hash, table.c.alias)).all())
    assert [known.get(keys.hash(token)) for token in tokens] == [None if n % 2 else str(n) for n in range(10_000)]
    assert row_of.alias == ""


def test_the_database_is_asked_once_in_four_seconds(keys, identity, clock):
    key, token = keys.create(actor="me")
    stranger = Token.new()
    for _ in range(50):
        assert identity.principal(token.text, {})
        assert identity.key(key.id) == key
        assert identity.of(stranger.text) is None
    assert keys.asked == 2
    clock.now += FRESH
    assert identity.principal(token.text, {})
    assert keys.asked == 3


def test_using_a_key_writes_nothing(keys, identity, database, clock):
    _, token = keys.create(actor="me")
    writes = []

    @contextmanager
    def writing():
        writes.append(1)
        yield

    database.writing = writing
    for _ in range(3):
        assert identity.principal(token.text, {})
        clock.now += FRESH
    assert writes == []


@pytest.mark.parametrize("act", ["revoke", "rotate", "update", "team"])
def test_a_change_is_seen_at_once_here_and_within_five_seconds_elsewhere(keys, identity, elsewhere, clock, act):
    team = keys.teams.create(actor="me", name="blue")
    key, token = keys.create(actor="me", team_id=team.id, models=("*",))
    other = patient(Identity(elsewhere, clock=clock))
    allowed = Permissions()
    assert identity.principal(token.text, {}).permissions == other.principal(token.text, {}).permissions == allowed
    clock.now += 0.1
    if act == "team":
        keys.teams.revoke(team.id, actor="me")
    elif act == "update":
        keys.update(key.id, actor="me", models=("a",))
    else:
        getattr(keys, act)(key.id, actor="me")

    def is_old(one):
        found = one.principal(token.text, {})
        return found is not None and found.permissions == allowed

    assert not is_old(identity)
    assert is_old(other)
    clock.now += 4.9
    assert not is_old(other)


def test_a_revocation_is_seen_by_a_real_clock_too(keys, elsewhere):
    key, token = keys.create(actor="me")
    other = patient(Identity(elsewhere))
    assert other.of(token.text)
    keys.revoke(key.id, actor="me")
    start = time.monotonic()
    while other.of(token.text) and time.monotonic() < start + 30:
        time.sleep(0.02)
    assert time.monotonic() - start <= 5


def test_what_was_read_before_a_change_is_not_believed_after_it(keys, identity, clock):
    key, token = keys.create(actor="me")
    find = keys.find

    def slowly(token):
        found = find(token)
        clock.now += 0.1
        keys.revoke(key.id, actor="me")  # while the answer is on its way
        keys.find = find
        return found

    keys.find = slowly
    identity.of(token.text)
    assert identity.of(token.text) is None


def test_while_the_database_is_away_an_open_key_goes_on_and_a_closed_one_waits(keys, identity, clock):
    team = keys.teams.create(actor="me", name="blue")
    going, first = keys.create(actor="me", on_outage="open", team_id=team.id)
    waiting, second = keys.create(actor="me", on_outage="closed")
    assert [identity.of(first.text), identity.of(second.text)] == [going, waiting]
    keys.away = True
    assert identity.of(second.text) == waiting  # for four seconds nobody notices
    clock.now += FRESH
    for _ in range(3):
        assert identity.principal(first.text, {}).team == "blue"
        assert identity.key(going.id) == going
        with pytest.raises(Unavailable) as refused:
            identity.principal(second.text, {})
        assert (refused.value.status, refused.value.retry_after) == (503, 1)
    keys.away = False
    assert identity.of(second.text) == waiting


def test_while_the_database_is_away_a_stranger_is_told_to_come_again_never_that_it_is_one(keys, identity, clock):
    stranger = Token.new()
    assert identity.of(stranger.text) is None
    clock.now += FRESH
    keys.away = True
    for token in (stranger, Token.new()):
        with pytest.raises(Unavailable):
            identity.principal(token.text, {})
    assert identity.principal("malformed", {}) is None


def test_an_open_key_is_not_believed_for_ever(keys, identity, clock):
    _, token = keys.create(actor="me", on_outage="open")
    assert identity.of(token.text)
    keys.away = True
    clock.now += STALE - 1
    assert identity.of(token.text)
    clock.now += 1
    with pytest.raises(Unavailable):
        identity.of(token.text)


def test_an_open_key_that_has_expired_or_was_seen_revoked_does_not_go_on(keys, identity, clock):
    key, token = keys.create(actor="me", on_outage="open")
    keys.revoke(key.id, actor="me")
    assert identity.of(token.text) is None
    clock.now += FRESH
    keys.away = True
    assert identity.of(token.text) is None


def test_a_change_that_fails_for_the_outage_does_not_end_an_open_key(keys, identity, clock):
    _, token = keys.create(actor="me", on_outage="open")
    assert identity.of(token.text)
    keys.away = True
    identity.forget()
    assert identity.of(token.text)


def test_a_database_that_hangs_is_away_and_whoever_comes_then_need_not_wait(keys, clock):
    _, token = keys.create(actor="me")
    identity = Identity(keys, quiet=0.2, clock=clock)
    held, start = threading.Event(), time.monotonic()
    keys.find = lambda token: held.wait(60)
    for _ in range(20):
        with pytest.raises(Unavailable):
            identity.of(token.text)
    assert 0.2 <= time.monotonic() - start < 4  # twenty times 0.2 s
    held.set()


def test_a_server_that_hangs_is_away_within_a_second_and_a_file_says_so_by_itself(keys, database):
    assert Identity(keys)._quiet == {"sqlite": FILE_WAIT, "postgresql": 0.8}[database.dialect]


def test_the_operator_has_no_key_and_costs_no_question(keys, identity):
    keys.create(actor="me", alias="master")
    assert [identity.key(name) for name in ("master", "anonymous", "")] == [None] * 3
    assert keys.asked == 0


def test_after_a_fork_the_child_asks_by_itself(sqlite_url):
    line = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORK, sqlite_url]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_the_promise_of_five_seconds_is_kept_by_the_numbers():
    assert module.FRESH < 5


def test_another_pepper_knows_nobody(keys, database):
    _, token = keys.create(actor="me")
    assert patient(Identity(Keys(database, Secret("another pepper of good length")))).of(token.text) is None
