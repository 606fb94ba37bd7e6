import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from gateway_infra_keys.change import Missing
from gateway_infra_keys.model import Budget, Key, Limits, Team
from gateway_infra_keys.schema import keys as table
from gateway_infra_keys.store import Keys
from gateway_infra_keys.token import Token
from sqlalchemy import select

from gateway import ConfigError, Conflict, InvalidRequest, Secret

END = datetime(2099, 1, 1, tzinfo=UTC)


@pytest.fixture
def told(store):
    """How often the listeners were told."""
    calls = []
    store.listeners.append(lambda: calls.append(1))
    return calls


def test_a_key_of_which_nothing_is_said_may_do_everything_and_has_no_budget(store):
    before = datetime.now(UTC)
    key, token = store.create(actor="me")
    assert before <= key.created_at <= datetime.now(UTC)
    assert key == Key(
        id=token.id, alias="", team_id="", tags=(), models=("*",), capabilities=("*",), budget=None, limits=Limits(),
        mode="strict", on_outage="closed", created_at=key.created_at, expires_at=None, revoked_at=None, hint=token.hint,
    )  # fmt: skip


def test_a_key_is_found_again_with_all_that_was_said(store):
    team = store.teams.create(actor="me", name="blue", budget=Budget(Decimal("1E+3"), "daily"), limits=Limits(1, 2, 3))
    facts = {
        "alias": "alice",
        "team_id": team.id,
        "tags": ("night", "batch"),
        "models": ("claude-*",),
        "capabilities": ("effort",),
        "budget": Budget(Decimal("50.000000000001"), "monthly", "Europe/Berlin"),
        "limits": Limits(60, 10**9, 4),
        "mode": "soft",
        "on_outage": "open",
        "expires_at": END,
    }
    key, token = store.create(actor="me", **facts)
    assert {name: getattr(key, name) for name in facts} == facts
    assert [store.find(token), store.get(key.id), store.get("alice"), store.known(key.id)] == [key] * 4
    assert store.teams.get("blue") == store.teams.get(team.id) == store.teams.known(team.id) == team
    assert team == Team(team.id, "blue", Budget(Decimal(1000), "daily"), Limits(1, 2, 3), team.created_at)


def test_another_process_finds_it_too(store, open_database, url, pepper):
    key, token = store.create(actor="me", alias="alice")
    assert Keys(open_database(url), pepper).find(token) == key


def test_an_unknown_token_is_nobody(store):
    store.create(actor="me")
    assert store.find(Token.new()) is None
    assert store.known("nothing") is None
    assert store.teams.known("nothing") is None


def test_the_stored_hash_is_no_key(store, database):
    key, token = store.create(actor="me")
    with database.reading() as connection:
        row = connection.execute(select(table)).mappings().one()
    assert token.text not in str(dict(row))
    assert Token.parse(row["hash"]) is None
    forged = Token(key.id, Secret(row["hash"]))
    assert store.find(forged) is None


def test_without_the_pepper_the_database_knows_no_token(store, database):
    _, token = store.create(actor="me")
    other = Keys(database, Secret("another pepper, as good as any"))
    assert other.find(token) is None
    for act in (other.check, lambda: other.create(actor="me")):
        with pytest.raises(ConfigError, match="made with another pepper"):
            act()
    store.check()


def test_an_empty_database_takes_any_pepper(store):
    store.check()


def test_what_is_not_there_is_missing(store):
    team = store.teams.create(actor="me", name="blue")
    for act in (
        lambda: store.get(""),
        lambda: store.get("nobody"),
        lambda: store.update("nobody", actor="me", alias="x"),
        lambda: store.rotate("nobody", actor="me"),
        lambda: store.revoke(team.id, actor="me"),
        lambda: store.page(after="nobody"),
        lambda: store.teams.get("nobody"),
        lambda: store.teams.update("nobody", actor="me", budget=None),
        lambda: store.teams.revoke("nobody", actor="me"),
    ):
        with pytest.raises(Missing) as refused:
            act()
        assert (refused.value.status, refused.value.kind) == (404, "not_found_error")


def test_an_alias_belongs_to_one_key_until_that_is_revoked(store):
    first, _ = store.create(actor="me", alias="alice")
    second, _ = store.create(actor="me", alias="bob")
    with pytest.raises(InvalidRequest, match="alias: there is a key 'alice' already"):
        store.create(actor="me", alias="alice")
    with pytest.raises(InvalidRequest, match="alias"):
        store.update(second.id, actor="me", alias="alice")
    assert store.update(first.id, actor="me", alias="alice") == first
    store.revoke(first.id, actor="me")
    assert store.update(second.id, actor="me", alias="alice") == store.get("alice")
    assert store.get(first.id).alias == "alice"


def test_of_two_who_take_an_alias_at_once_one_gets_it(store):
    start, results = threading.Barrier(6), []

    def take():
        start.wait()
        try:
            results.append(store.create(actor="me", alias="alice")[0].alias)
        except (InvalidRequest, Conflict) as refused:
            results.append(refused.status)

    threads = [threading.Thread(target=take) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 6
    assert results.count("alice") == 1
    assert [key.alias for key in store.page()] == ["alice"]


def test_an_alias_that_is_another_keys_id_leads_nobody_astray(store):
    first, _ = store.create(actor="me")
    store.create(actor="me", alias=first.id)
    assert store.get(first.id) == first
    assert store.known(first.id) == first


def test_a_team_has_to_be_there_for_its_keys(store):
    team = store.teams.create(actor="me", name="blue")
    key, _ = store.create(actor="me", team_id=team.id)
    store.teams.revoke(team.id, actor="me")
    for act in (
        lambda: store.create(actor="me", team_id=team.id),
        lambda: store.create(actor="me", team_id="nobody"),
        lambda: store.update(key.id, actor="me", team_id="nobody"),
    ):
        with pytest.raises(InvalidRequest, match="team_id: there is no team with the id"):
            act()


def test_a_teams_name_is_for_good(store):
    team = store.teams.create(actor="me", name="blue")
    store.teams.revoke(team.id, actor="me")
    with pytest.raises(InvalidRequest, match="there is, or was, a team 'blue'"):
        store.teams.create(actor="me", name="blue")
    with pytest.raises(InvalidRequest, match="name: no such field"):
        store.teams.update(team.id, actor="me", name="green")
    with pytest.raises(InvalidRequest, match="name: must not be empty"):
        store.teams.create(actor="me")


def test_a_change_leaves_the_rest_as_it_was(store):
    key, token = store.create(actor="me", alias="alice", budget=Budget(Decimal(5)), limits=Limits(requests=1))
    changed = store.update(key.id, actor="me", budget=None, tags=("x",))
    assert changed == store.find(token)
    assert (changed.alias, changed.budget, changed.tags, changed.limits) == ("alice", None, ("x",), key.limits)


def test_what_is_said_of_nothing_else_is_refused(store):
    key, _ = store.create(actor="me")
    for name in ("id", "hash", "hint", "created_at", "revoked_at"):
        with pytest.raises(InvalidRequest, match=f"{name}: no such field"):
            store.update(key.id, actor="me", **{name: "x"})


def test_a_rotation_ends_the_old_token_and_keeps_the_key(store):
    key, old = store.create(actor="me", alias="alice")
    new = store.rotate(key.id, actor="me")
    assert store.find(old) is None
    found = store.find(new)
    assert (found.id, found.alias, found.hint) == (key.id, "alice", new.hint)


def test_a_revoked_key_and_team_stay_as_they_are(store):
    key, token = store.create(actor="me")
    team = store.teams.create(actor="me", name="blue")
    ended, gone = store.revoke(key.id, actor="me"), store.teams.revoke(team.id, actor="me")
    assert store.find(token) == ended
    assert (ended.revoked_at is None, gone.revoked_at is None) == (False, False)
    assert store.revoke(key.id, actor="me") == ended
    assert store.teams.revoke(team.id, actor="me") == gone
    for act in (
        lambda: store.update(key.id, actor="me", alias="x"),
        lambda: store.rotate(key.id, actor="me"),
        lambda: store.teams.update(team.id, actor="me", budget=None),
    ):
        with pytest.raises(InvalidRequest, match="is revoked, and that is for good"):
            act()


def test_pages_hold_each_once_in_the_order_of_their_age(store):
    team = store.teams.create(actor="me", name="blue")
    other = store.teams.create(actor="me", name="green")
    made = [store.create(actor="me", team_id=team.id if number % 2 else "")[0] for number in range(7)]
    store.revoke(made[3].id, actor="me")
    living = [key.id for key in made if key is not made[3]]
    found, after = [], ""
    while page := store.page(after=after, limit=2):
        found += [key.id for key in page]
        after = found[-1]
    assert found == living
    assert [key.id for key in store.page(revoked=True)] == [key.id for key in made]
    assert [key.id for key in store.page(team_id=team.id)] == [made[1].id, made[5].id]
    assert len(store.page(team_id="")) == 4
    assert [one.name for one in store.teams.page(after=team.id)] == ["green"]
    store.teams.revoke(other.id, actor="me")
    assert [one.name for one in store.teams.page()] == ["blue"]
    assert [one.name for one in store.teams.page(revoked=True)] == ["blue", "green"]


def test_keys_of_one_moment_are_paged_too(store, database):
    moment = datetime.now(UTC)
    made = sorted(store.create(actor="me")[0].id for _ in range(4))
    with database.writing() as connection:
        connection.execute(table.update().values(created_at=moment))
    assert [key.id for key in store.page(after=made[1])] == made[2:]


def test_each_change_is_in_the_audit_with_who_and_what(store):
    key, _ = store.create(actor="alice", alias="one", budget=Budget(Decimal("2.50"), "daily"))
    store.update(key.id, actor="bob", alias="two", budget=None, tags=())
    store.update(key.id, actor="bob", alias="two")
    token = store.rotate(key.id, actor="carol")
    store.revoke(key.id, actor="dave")
    store.revoke(key.id, actor="dave")
    said = [(one["actor"], one["action"], one["object"], one["before"], one["after"]) for one in store.history(key.id)]
    revoked, rotated, updated, created = said
    assert revoked[:4] == ("dave", "revoke", "key", {"revoked_at": None})
    assert rotated == ("carol", "rotate", "key", {"hint": key.hint}, {"hint": token.hint})
    budget = {"amount": "2.5", "window": "daily", "time_zone": "UTC"}
    assert updated == ("bob", "update", "key", {"alias": "one", "budget": budget}, {"alias": "two", "budget": None})
    assert created[:4] == ("alice", "create", "key", {})
    assert (created[4]["alias"], created[4]["budget"], created[4]["mode"]) == ("one", budget, "strict")


def test_the_audit_of_a_team(store):
    team = store.teams.create(actor="me", name="blue")
    store.teams.update(team.id, actor="me", limits=Limits(parallel=3))
    store.teams.revoke(team.id, actor="me")
    assert [(one["action"], one["object"]) for one in store.history(team.id)] == [
        ("revoke", "team"), ("update", "team"), ("create", "team"),
    ]  # fmt: skip


def test_a_change_that_is_refused_leaves_no_trace(store):
    key, _ = store.create(actor="me")
    with pytest.raises(InvalidRequest):
        store.update(key.id, actor="me", tags=("x",), team_id="nobody")
    assert store.get(key.id) == key
    assert len(store.history(key.id)) == 1


def test_changes_at_once_are_all_kept(store):
    key, _ = store.create(actor="me")
    threads = [
        threading.Thread(target=lambda name=name, value=value: store.update(key.id, actor="me", **{name: value}))
        for name, value in (("alias", "x"), ("tags", ("t",)), ("mode", "soft"), ("on_outage", "open"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = store.get(key.id)
    assert (found.alias, found.tags, found.mode, found.on_outage) == ("x", ("t",), "soft", "open")


def test_whoever_remembers_something_is_told_of_every_change(store, told):
    key, _ = store.create(actor="me", expires_at=datetime.now(UTC) + timedelta(days=1))
    store.update(key.id, actor="me", alias="x")
    store.rotate(key.id, actor="me")
    store.revoke(key.id, actor="me")
    team = store.teams.create(actor="me", name="blue")
    store.teams.update(team.id, actor="me", limits=Limits(1))
    store.teams.revoke(team.id, actor="me")
    assert len(told) == 7
