import random
import threading
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from gateway_infra_ledger.address import Address
from gateway_infra_ledger.database import Away, Database
from gateway_infra_ledger.keeper import BATCH, Keeper
from gateway_infra_ledger.record import Record
from gateway_infra_ledger.share import shares
from gateway_infra_ledger.store import Store
from gateway_infra_ledger.tally import COUNTED, SPLIT, days, parts, scopes, unfolded
from sqlalchemy import func, insert, select, text

from gateway import Bill, Factor, Line, Pass

NOON = datetime(2026, 2, 5, 12, tzinfo=UTC)


@pytest.fixture
def keeper(database):
    return Keeper(database)


@pytest.fixture
def another(url):
    """Opens the same database as another process would."""
    opened = []

    def make(lock_wait=0.05):
        opened.append(Database(Address.parse(url), lock_wait=lock_wait))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def random_entries(entry, chance, count):
    return [random_entry(entry, chance) for _ in range(count)]


def random_entry(entry, chance):
    factors = tuple(
        Factor(name, Decimal(times))
        for name, times in (("fast_mode", "6"), ("inference_geo", "1.1"), ("batch", "0.5"), ("odd", "1.2345678"))
        if chance.random() < 0.3
    )
    kinds = chance.sample(["input", "output", "cache_read"], chance.randint(0, 3))
    lines = [Line(kind, chance.randint(1, 10**6), Decimal("3.333333"), 10**6, factors) for kind in kinds]
    lines += [Line("web_search", 2, Decimal("0.01"), 1, ())] if chance.random() < 0.3 else []
    priced = chance.random() < 0.9
    return entry(
        at=NOON + timedelta(seconds=chance.randrange(5 * 86400)),
        key_id=f"key-{chance.randrange(3)}",
        team=chance.choice(["blue", "red"]),
        model=chance.choice(["m1", "m2"]),
        deployment=chance.choice(["d1", "d2"]),
        passes=tuple(
            Pass("message", "", {"input": chance.choice([5, 250_000]), "output": chance.randint(1, 99)})
            for _ in range(chance.randint(0, 2))
        ),
        served=chance.choice([{}, {"speed": "fast"}]),
        usage=chance.choice([{}, {"server_tool_use": {"web_search_requests": 2, "none": 0}, "input_tokens": 9}]),
        estimated=chance.random() < 0.2,
        bill=Bill(tuple(lines), "announcement", "digest") if priced else None,
        unpriced=() if priced else ("rates of m3", "geo=xx"),
    )


def recomputed(made):
    """Sums by the group of columns that matter, straight from the entries."""
    whole, beside = Counter(), Counter()
    for one in made:
        record = Record.of(one)
        row = record.entry
        group = (row["at"].date(), row["key_id"], row["team"], row["model"], row["deployment"])
        whole[(*group, "entries")] += 1
        whole[(*group, "units")] += row["cost"] or 0
        whole[(*group, "estimated")] += row["estimated"]
        whole[(*group, "estimated_units")] += (row["cost"] or 0) * row["estimated"]
        whole[(*group, "unpriced")] += row["unpriced"] != "[]"
        for name in COUNTED:
            whole[(*group, name)] += row[name]
        for line in record.lines:
            for share in shares(line):
                if share.kind != "base":
                    beside[(*group, share.kind, share.name)] += share.units
        for name in one.unpriced:
            beside[(*group, "unpriced", name)] += 1
        if "server_tool_use" in one.usage:
            beside[(*group, "count", "server_tool_use.web_search_requests")] += 2
    return nonzero(whole), nonzero(beside)


def nonzero(sums):
    return {key: count for key, count in sums.items() if count}


def kept(database):
    """The same sums from the tally."""
    whole, beside = Counter(), Counter()
    columns = [scopes.c[name] for name in ("key_id", "team", "model", "deployment")]
    with database.reading() as connection:
        for row in connection.execute(select(days, *columns).join(scopes, scopes.c.id == days.c.scope_id)).mappings():
            group = (row["day"], row["key_id"], row["team"], row["model"], row["deployment"])
            for name in ("entries", "estimated", "unpriced", *COUNTED):
                whole[(*group, name)] += row[name]
            whole[(*group, "units")] += row["high"] * SPLIT + row["low"]
            whole[(*group, "estimated_units")] += row["estimated_high"] * SPLIT + row["estimated_low"]
        for row in connection.execute(select(parts, *columns).join(scopes, scopes.c.id == parts.c.scope_id)).mappings():
            group = (row["day"], row["key_id"], row["team"], row["model"], row["deployment"], row["kind"], row["name"])
            value = {"unpriced": row["entries"], "count": row["quantity"]}
            beside[group] += value.get(row["kind"], row["high"] * SPLIT + row["low"])
    return nonzero(whole), nonzero(beside)


@pytest.mark.parametrize("seed", range(3))
def test_the_tally_equals_sums_over_the_entries_after_random_inserts(database, store, keeper, entry, seed):
    chance = random.Random(seed)
    made = random_entries(entry, chance, 150)
    rest = list(made)
    while rest:
        size = chance.randint(1, 40)
        store.add(rest[:size])
        store.add(rest[:size])  # a replay
        rest = rest[size:]
        if chance.random() < 0.7:
            keeper.fold(chance.randint(1, 50))
    keeper.catch_up()
    whole, beside = kept(database)
    expected, parts_expected = recomputed(made)
    assert whole == expected
    assert beside == parts_expected


@pytest.mark.parametrize("seed", range(3))
def test_a_correction_replaces_what_it_corrects_in_every_sum(database, store, keeper, entry, seed):
    """An attempt that nobody knew the end of, and then its end: the sums are those of the end alone."""
    chance = random.Random(seed)
    ends = random_entries(entry, chance, 60)
    guesses = [replace(random_entry(entry, chance), call_id=end.call_id, outcome="unknown") for end in ends]
    todo = [[guess, end] for guess, end in zip(guesses, ends, strict=True)]
    while todo:
        pair = chance.choice(todo)
        store.add([pair.pop(0)])
        todo = [pair for pair in todo if pair]
        if chance.random() < 0.4:
            keeper.fold(chance.randint(1, 9))
    keeper.catch_up()
    whole, beside = kept(database)
    expected, parts_expected = recomputed(ends)
    assert whole == expected
    assert beside == parts_expected


def test_a_pass_counts_in_the_step_of_its_prompt(database, store, keeper, entry):
    sizes = (1, 100_000, 100_001, 200_000, 200_001)
    store.add([entry(passes=(Pass("message", "", {"input": size, "output": 7}),)) for size in sizes])
    keeper.catch_up()
    with database.reading() as connection:
        found = connection.execute(select(scopes.c.step, days.c.passes).join(days, days.c.scope_id == scopes.c.id))
        assert sorted(map(tuple, found)) == [(0, 2), (1, 2), (2, 1)]


def test_an_entry_of_two_passes_is_one_entry(database, store, keeper, entry):
    store.add([entry(passes=(Pass("compaction", "", {"input": 5}), Pass("message", "m9", {"output": 7})))])
    keeper.catch_up()
    with database.reading() as connection:
        sums = connection.execute(select(func.sum(days.c.entries), func.sum(days.c.passes), func.count())).one()
        assert tuple(map(int, sums)) == (1, 2, 2)


def test_entries_are_folded_once_by_many_keepers(another, database, store, entry):
    store.add([entry(at=NOON) for _ in range(300)])

    def work(keeper):
        while keeper.fold(20):
            pass

    threads = [threading.Thread(target=work, args=(Keeper(another(10)),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.reading() as connection:
        assert int(connection.execute(select(func.sum(days.c.entries))).scalar()) == 300
        assert connection.execute(select(func.count()).select_from(unfolded)).scalar() == 0


def test_what_another_release_writes_is_counted_too(database, store, keeper, entry):
    record = Record.of(entry())
    with database.writing() as connection:
        from gateway_infra_ledger.schema import entries

        connection.execute(insert(entries), [dict(record.entry)])
    keeper.catch_up()
    with database.reading() as connection:
        assert connection.execute(select(days.c.entries)).scalar() == 1


def test_more_than_a_batch_is_caught_up(database, store, keeper, entry):
    store.add([entry(at=NOON, bill=None) for _ in range(BATCH + 1)])
    keeper.catch_up()
    with database.reading() as connection:
        assert int(connection.execute(select(func.sum(days.c.entries))).scalar()) == BATCH + 1
        assert connection.execute(select(days.c.day).distinct()).scalar() == date(2026, 2, 5)


def test_catching_up_with_nothing_does_not_write(another, store, keeper, entry):
    store.add([entry()])
    keeper.catch_up()
    with another().writing():
        keeper.catch_up()  # would wait for this transaction's lock


def test_following_never_raises(another, database, caplog):
    keeper = Keeper(another())
    with database.writing() as connection:
        connection.execute(text("DROP TABLE ledger_unfolded"))
    keeper.follow()
    with pytest.raises(Away):
        keeper.fold()


def test_a_lock_of_another_process_makes_the_sums_wait(sqlite_url, entry):
    database = Database(Address.parse(sqlite_url), lock_wait=0.01)
    Store(database).add([entry()])
    waiting = Database(Address.parse(sqlite_url), lock_wait=0.01)
    with database.writing():
        Keeper(waiting).follow()
        with pytest.raises(Away):
            Keeper(waiting).fold()
    assert Keeper(waiting).fold() == 1
    database.close()
    waiting.close()


def test_strange_numbers_of_a_host_are_kept_or_left_out(database, store, keeper, entry):
    deep = {"a": {"b": {"c": {"d": {"e": 1}}}}}
    usage = {"x": {"pieces": 3, "flag": True, "huge": 10**30, "words": "4", "less": -1}, "\0": {"y": 1}, **deep}
    store.add([entry(usage=usage)])
    keeper.catch_up()
    with database.reading() as connection:
        found = connection.execute(select(parts.c.name, parts.c.quantity).where(parts.c.kind == "count"))
        assert sorted(map(tuple, found)) == [("x.pieces", 3), ("\ufffd.y", 1)]


def test_long_names_from_clients_fit_into_the_indexes(database, store, keeper, entry):
    name = "\U0001f600" * 600
    store.add([entry(model=name, deployment=name, unpriced=(name,), bill=None)])
    keeper.catch_up()
    with database.reading() as connection:
        assert connection.execute(select(days.c.unpriced)).scalar() == 1


def test_sums_of_tallies_go_beyond_64_bits(database, store, keeper, entry, bill):
    store.add([entry(at=NOON, bill=bill("9223372.036854775807")) for _ in range(3)])
    keeper.catch_up()
    assert kept(database)[0][date(2026, 2, 5), "key-a", "blue", "claude-test-1", "test/one", "units"] == 3 * (2**63 - 1)


def test_an_older_database_is_counted_from_its_first_entry(sqlite_url, entry):
    from gateway_infra_ledger import migration

    database = Database(Address.parse(sqlite_url))
    Store(database).add([entry(), entry()])
    with database.writing() as connection:  # back to the time before, as far as it matters
        for table in ("ledger_scopes", "ledger_days", "ledger_parts", "ledger_unfolded"):
            connection.execute(text(f"DROP TABLE {table}"))
        connection.execute(text("DROP TRIGGER ledger_entries_unfolded"))
        connection.execute(text("UPDATE ledger_schema SET version_num = :before"), {"before": before_tally(migration)})
    database.close()
    Keeper(database).catch_up()
    assert sum(count for key, count in kept(database)[0].items() if key[-1] == "entries") == 2
    database.close()


def before_tally(migration):
    return migration.REVISIONS[migration.REVISIONS.index("0003") - 1]
