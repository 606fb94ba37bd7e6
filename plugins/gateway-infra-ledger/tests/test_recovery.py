import json
import os
from dataclasses import replace

import pytest
from gateway_infra_ledger import recovery as module
from gateway_infra_ledger.database import Away
from gateway_infra_ledger.journal import Journal
from gateway_infra_ledger.line import DIED, spelled
from gateway_infra_ledger.recovery import Recovery

LIMIT = 100_000_000


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "journals"


@pytest.fixture
def written():
    """What is in the database, by attempt."""
    return {}


@pytest.fixture
def make_recovery(folder, written):
    made = []

    def make(prefix="x", missing=None):
        def absent(batch):
            return [one for one in batch if (one.call_id, one.attempt) not in written]

        made.append(Recovery(folder, prefix, missing or absent))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def dead(folder):
    """The journal of a process that died: these were begun, and these had ended."""

    def make(begun=(), ended=(), prefix="x"):
        journal = Journal(folder, prefix, LIMIT)
        for entry in begun:
            journal.begin(entry)
        for entry in ended:
            journal.end(entry)
        journal.close()

    return make


def take(recovery, entries):
    for one in entries:
        recovery.take(one)


def told(entries):
    return sorted(str(one.as_dict()) for one in entries)


def test_without_journals_there_is_nothing_to_do(make_recovery, folder):
    assert make_recovery().look() == []
    assert not folder.exists()


def test_how_an_attempt_ended_counts_and_what_was_only_begun_is_an_estimate(make_recovery, dead, entry):
    whole, lost = entry(), entry()
    dead([whole, lost], [whole])
    by_call = {one.call_id: one for one in make_recovery().look()}
    assert by_call[whole.call_id].as_dict() == whole.as_dict()
    assert by_call[lost.call_id].as_dict() == replace(lost, outcome="unknown", estimated=True, error=DIED).as_dict()


def test_an_attempt_comes_again_until_it_is_in_a_journal_of_the_living(make_recovery, dead, folder, entry):
    given = [entry() for _ in range(3)]
    dead(ended=given)
    one = make_recovery()
    assert told(one.look()) == told(given)
    take(one, given[:2])
    assert told(one.look()) == told(given[2:])
    take(one, given[2:])
    assert one.look() == []
    assert list(folder.iterdir()) == []


def test_an_attempt_that_the_database_has_does_not_come(make_recovery, dead, folder, written, entry):
    there, other = entry(), entry()
    written[there.call_id, 1] = there
    dead([there, other])
    one = make_recovery()
    (found,) = one.look()
    assert found.call_id == other.call_id
    written[other.call_id, 1] = other
    assert one.look() == []
    assert list(folder.iterdir()) == []


def test_journals_of_the_living_are_left_alone(make_recovery, folder, entry):
    living = Journal(folder, "x", LIMIT)
    living.begin(entry())
    assert make_recovery().look() == []
    assert len(list(folder.glob("*/*.journal"))) == 1
    living.close()


def test_of_several_that_look_one_finds_it(make_recovery, dead, entry):
    given = entry()
    dead(ended=[given])
    looks = [make_recovery() for _ in range(5)]
    found = [one.look() for one in looks]
    assert [len(each) for each in found] == [1, 0, 0, 0, 0]
    looks[0].close()
    assert len(looks[3].look()) == 1


def test_journals_of_another_database_are_left_alone_and_told_once(make_recovery, dead, folder, entry, caplog):
    dead(ended=[entry()], prefix="another")
    one = make_recovery()
    assert one.look() == []
    assert one.look() == []
    assert len(list(folder.iterdir())) == 1
    assert [message for message in caplog.messages if "belongs to another database" in message] == caplog.messages[-1:]


def test_while_the_database_is_away_the_journal_stays(make_recovery, dead, folder, entry):
    dead(ended=[entry()])
    away = [True]

    def missing(batch):
        if away:
            raise Away("gone")
        return list(batch)

    one = make_recovery(missing=missing)
    for _ in range(3):
        with pytest.raises(Away):
            one.look()
    assert len(list(folder.glob("*/*.journal"))) == 1
    away.clear()
    assert len(one.look()) == 1


@pytest.mark.parametrize("rest", [b"begun 700 1234abcd {", b"\n", b"", b"\0" * 4096, b"nonsense\n"])
def test_torn_lines_are_left_out_and_the_others_count(make_recovery, dead, folder, entry, rest):
    given = [entry() for _ in range(3)]
    dead(ended=given)
    (path,) = folder.glob("*/*.journal")
    path.write_bytes(path.read_bytes() + rest)
    assert told(make_recovery().look()) == told(given)


def test_a_last_line_cut_anywhere_counts_as_not_written(make_recovery, dead, folder, entry):
    begun = entry()
    dead([begun])
    (path,) = folder.glob("*/*.journal")
    whole = spelled(b"ended", begun)
    first = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(first + whole[:length])
        one = make_recovery()
        assert [found.outcome for found in one.look()] == ["unknown"]
        one.close()


def test_a_journal_of_many_segments_is_read_whole(make_recovery, dead, folder, entry, monkeypatch):
    monkeypatch.setattr("gateway_infra_ledger.journal.SEGMENT", 3000)
    given = [entry() for _ in range(20)]
    dead(given, given)
    assert len(list(folder.glob("*/*.journal"))) > 5
    assert told(make_recovery().look()) == told(given)


def test_no_look_brings_more_than_memory_likes(make_recovery, dead, entry, monkeypatch):
    monkeypatch.setattr(module, "MOST", 7)
    monkeypatch.setattr(module, "BATCH", 3)
    dead(ended=[entry() for _ in range(10)])
    dead(ended=[entry() for _ in range(10)])
    one, counts = make_recovery(), []
    while found := one.look():
        counts.append(len(found))
        take(one, found)
    assert counts == [7, 7, 6]


def test_an_entry_of_another_release_is_logged_whole_and_stops_no_other(make_recovery, dead, folder, entry, caplog):
    import zlib

    given = entry()
    dead(ended=[given])
    (path,) = folder.glob("*/*.journal")
    body = json.dumps({"call_id": "req_future", "attempt": 1, "outcome": "ever"}).encode()
    path.write_bytes(path.read_bytes() + b"ended %d %08x %b\n" % (len(body), zlib.crc32(body), body))
    assert told(make_recovery().look()) == told([given])
    assert '{"call_id":"req_future","attempt":1,"outcome":"ever"}' in caplog.text


def test_a_file_in_the_way_is_no_journal(make_recovery, dead, folder, entry):
    given = entry()
    dead(ended=[given])
    (folder / "x-note").write_text("mine")
    assert told(make_recovery().look()) == told([given])
    assert (folder / "x-note").exists()


def test_a_fork_does_not_keep_what_its_parent_holds(make_recovery, dead, entry):
    dead(ended=[entry()])
    one = make_recovery()
    assert len(one.look()) == 1
    if (child := os.fork()) == 0:
        os._exit(len(one._held))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(one.look()) == 1


def test_who_knows_less_does_not_take_the_place_of_who_knows_more(make_recovery, dead, folder, entry):
    """Another plugin may have taken the attempt for dead before its process was."""
    ended, begun = entry(), entry()
    dead([ended, begun], [ended])
    one = make_recovery()
    assert len(one.look()) == 2
    take(one, [replace(each, outcome="unknown") for each in (ended, begun)])
    assert told(one.look()) == told([ended])
    take(one, [ended])
    assert one.look() == []
    assert list(folder.iterdir()) == []


def test_of_several_lines_the_one_that_knows_most_counts(make_recovery, dead, entry):
    known = entry()
    guess = replace(known, outcome="unknown", estimated=True)
    dead([guess, known], [guess, known, guess])
    assert told(make_recovery().look()) == told([known])
