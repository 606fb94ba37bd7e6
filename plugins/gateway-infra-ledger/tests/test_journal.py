import errno
import json
import logging
import os
import shutil
import stat
import subprocess
import sys
import threading

import pytest
from gateway_infra_ledger import journal as module
from gateway_infra_ledger.journal import Journal
from gateway_infra_ledger.line import Line

from gateway import ConfigError, Unavailable

MEGABYTE = 1_000_000

FILL = """
import json, resource, sys
from pathlib import Path
from gateway import Unavailable
from gateway.testing import make_entry
from gateway_infra_ledger.journal import Journal
journal = Journal(Path(sys.argv[1]), "x", 100_000_000)
begun, refused = [], 0
for number in range(40):
    if number == 20:  # from here on the disk gives no more: the kernel writes half a line, then nothing
        resource.setrlimit(resource.RLIMIT_FSIZE, (journal._segments[-1].size + 300, resource.RLIM_INFINITY))
    if number == 30:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    try:
        journal.begin(make_entry(call_id=f"req_{number}"))
        begun.append(f"req_{number}")
    except Unavailable:
        refused += 1
print(json.dumps([begun, refused, journal.trouble()]))
"""


@pytest.fixture
def make_journal(tmp_path):
    made = []

    def make(limit=100 * MEGABYTE, **facts):
        made.append(Journal(tmp_path / "journals", "x", limit, **facts))
        return made[-1]

    yield make
    for one in made:
        one.close()


def keys(*entries):
    return [(one.call_id, one.attempt) for one in entries]


def files(tmp_path):
    return sorted((tmp_path / "journals").glob("*/*.journal"))


def lines(tmp_path):
    return [Line.parse(line) for path in files(tmp_path) for line in path.read_bytes().splitlines(keepends=True)]


def full_disk(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_nothing_is_made_before_the_first_attempt(make_journal, tmp_path):
    one = make_journal()
    one.check()
    assert one.trouble() is None
    assert list(tmp_path.iterdir()) == []


def test_what_was_begun_and_how_it_ended_is_on_disk_when_the_call_goes_on(make_journal, tmp_path, entry):
    one, given = make_journal(), entry()
    one.begin(given)
    assert [(line.ended, line.key) for line in lines(tmp_path)] == [(False, (given.call_id, 1))]
    one.end(given)
    assert [line.ended for line in lines(tmp_path)] == [False, True]
    assert stat.S_IMODE(files(tmp_path)[0].stat().st_mode) == 0o600


def test_a_place_is_where_its_line_can_be_read_again(make_journal, entry):
    one, given = make_journal(), [entry() for _ in range(5)]
    places = [one.end(each) for each in given]
    assert [place.read().entry().as_dict() for place in places] == [each.as_dict() for each in given]


def test_segments_that_nobody_needs_any_more_go_and_the_others_stay(make_journal, tmp_path, entry, monkeypatch):
    monkeypatch.setattr(module, "SEGMENT", 5000)
    one, running = make_journal(), entry()
    one.begin(running)
    for _ in range(30):
        given = entry()
        one.begin(given)
        one.end(given)
        one.done(keys(given))
    assert len(files(tmp_path)) == 2
    one.end(running)
    one.done(keys(running))
    assert len(files(tmp_path)) == 1


def test_closing_leaves_nothing_when_nothing_is_needed(make_journal, tmp_path, entry):
    one, given = make_journal(), entry()
    one.begin(given)
    one.end(given)
    one.done(keys(given))
    one.close()
    assert list((tmp_path / "journals").iterdir()) == []


def test_closing_leaves_what_is_not_done_and_says_where(make_journal, tmp_path, entry, caplog):
    one = make_journal()
    one.begin(entry())
    one.end(entry())
    one.close()
    assert len(lines(tmp_path)) == 2
    assert f"2 attempts wait in the journal at {files(tmp_path)[0].parent}" in caplog.text


def test_after_closing_it_can_be_used_again(make_journal, tmp_path, entry):
    one = make_journal()
    one.close()
    assert one.end(entry())
    assert len(lines(tmp_path)) == 1


def test_at_its_bound_new_calls_are_refused_and_those_that_run_can_end(make_journal, entry):
    one, begun = make_journal(limit=20_000), []

    def begin():
        for _ in range(1000):
            given = entry()
            one.begin(given)
            begun.append(given)

    with pytest.raises(Unavailable) as refused:
        begin()
    assert (refused.value.status, refused.value.retry_after) == (503, 5)
    assert one.trouble() == "its journal is full"
    assert all(one.end(each) for each in begun)
    assert one.end(entry()) is None
    one.done(keys(*begun))
    assert one.trouble() is None
    one.begin(entry())


def test_a_full_disk_refuses_calls_and_is_over_when_there_is_room(make_journal, entry, monkeypatch, caplog):
    one = make_journal()
    one.begin(entry())
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full_disk)
        for _ in range(3):
            with pytest.raises(Unavailable):
                one.begin(entry())
            assert one.end(entry()) is None
        assert one.trouble() == "its journal cannot be written; the log says why"
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "No space left on device" in caplog.text
    assert one.trouble() is None
    one.begin(entry())


def test_half_a_line_is_taken_back_when_the_disk_is_full(tmp_path):
    command = [sys.executable, "-W", "error", "-c", FILL, str(tmp_path / "journals")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    begun, refused, trouble = json.loads(done.stdout)
    assert (len(begun), refused, trouble) == (30, 10, None)
    assert [line.key[0] for line in lines(tmp_path)] == begun


def test_what_cannot_be_taken_back_is_left_behind(make_journal, tmp_path, entry, monkeypatch):
    one, before = make_journal(), entry()
    one.begin(before)

    def broken(*_):
        raise OSError(errno.EIO, "Input/output error")

    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:50]))
        patch.setattr(os, "ftruncate", broken)
        with pytest.raises(Unavailable):
            one.begin(entry())
    after = entry()
    one.begin(after)
    first, second = files(tmp_path)
    assert len(first.read_bytes().splitlines()[-1]) == 50
    assert Line.parse(second.read_bytes()).key == (after.call_id, 1)


def test_a_directory_that_somebody_takes_away_is_made_again(make_journal, tmp_path, entry):
    one = make_journal()
    one.begin(entry())
    shutil.rmtree(tmp_path / "journals")
    given = entry()
    one.begin(given)
    assert [line.key for line in lines(tmp_path)] == keys(given)


def test_a_place_that_cannot_be_written_stops_startup_and_refuses_calls(tmp_path, entry):
    (tmp_path / "file").write_text("")
    one = Journal(tmp_path / "file" / "journals", "x", MEGABYTE)
    with pytest.raises(ConfigError, match=r"ledger: journal_dir: .* cannot be written"):
        one.check()
    with pytest.raises(Unavailable):
        one.begin(entry())


def test_a_read_only_place_stops_startup(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(ConfigError, match="name another"):
        Journal(tmp_path / "journals", "x", MEGABYTE).check()


def test_a_line_is_one_write_and_nothing_is_synced_for_a_process(make_journal, entry, monkeypatch):
    written, write = [], os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: written.append(data) or write(descriptor, data))
    monkeypatch.setattr(os, "fdatasync", full_disk)
    one, given = make_journal(), entry()
    one.begin(given)
    one.end(given)
    assert [Line.parse(data).ended for data in written] == [False, True]


def test_full_durability_waits_for_the_disk(make_journal, entry, monkeypatch):
    synced, names, fdatasync, fsync = [], [], os.fdatasync, os.fsync
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: synced.append(descriptor) or fdatasync(descriptor))
    monkeypatch.setattr(os, "fsync", lambda descriptor: names.append(descriptor) or fsync(descriptor))
    one, given = make_journal(durable=True), entry()
    one.begin(given)
    assert (len(synced), len(names)) == (1, 2)
    one.end(given)
    assert (len(synced), len(names)) == (2, 2)


def test_a_disk_that_does_not_keep_its_word_refuses_calls(make_journal, tmp_path, entry, monkeypatch):
    one = make_journal(durable=True)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", full_disk)
        with pytest.raises(Unavailable):
            one.begin(entry())
    one.begin(entry())
    assert len(files(tmp_path)) == 2


def test_many_threads_share_a_sync(make_journal, entry, monkeypatch):
    """While one waits for the disk, others write; the next sync is for all of them."""
    calls, go_on, waiting = [], threading.Event(), threading.Event()

    def slow(descriptor):
        calls.append(descriptor)
        waiting.set()
        assert go_on.wait(10)

    monkeypatch.setattr(os, "fdatasync", slow)
    one = make_journal(durable=True)
    threads = [threading.Thread(target=one.begin, args=[entry()]) for _ in range(20)]
    threads[0].start()
    assert waiting.wait(10)
    for thread in threads[1:]:
        thread.start()
    while len(one._pins) < 20:
        assert any(thread.is_alive() for thread in threads)
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert len(calls) == 2
