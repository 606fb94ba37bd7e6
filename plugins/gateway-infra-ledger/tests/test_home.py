import multiprocessing
import os
import signal
import stat

import pytest
from gateway_infra_ledger.home import Home

SOON = 10


def hold(folder, pipe):
    home = Home.make(folder, "x")
    pipe.send(home.path)
    signal.pause()


def test_it_is_its_owners_alone(tmp_path):
    home = Home.make(tmp_path / "new" / "folder", "x")
    assert stat.S_IMODE(home.path.stat().st_mode) == 0o700
    assert stat.S_IMODE(home.path.parent.stat().st_mode) == 0o700
    assert home.path.name.startswith(f"x-{os.getpid()}-")


def test_nobody_takes_it_while_its_process_lives_and_somebody_can_at_once_after_a_kill(tmp_path):
    here, there = multiprocessing.Pipe()
    owner = multiprocessing.get_context("fork").Process(target=hold, args=(tmp_path, there))
    owner.start()
    path = here.recv()
    assert Home.take(path) is None
    os.kill(owner.pid, signal.SIGSTOP)
    assert Home.take(path) is None
    os.kill(owner.pid, signal.SIGKILL)
    owner.join(SOON)
    taken = Home.take(path)
    assert taken.path == path
    assert Home.take(path) is None
    taken.remove()
    assert list(tmp_path.iterdir()) == []


def test_one_that_went_away_cannot_be_taken(tmp_path):
    assert Home.take(tmp_path / "never") is None


def test_one_that_its_last_holder_removed_meanwhile_is_not_taken(tmp_path, monkeypatch):
    home = Home.make(tmp_path, "x")
    open_ = os.open

    def slowly(path, *arguments):
        descriptor = open_(path, *arguments)
        if path == home.path:
            home.remove()
        return descriptor

    monkeypatch.setattr(os, "open", slowly)
    assert Home.take(home.path) is None


def test_a_new_one_that_was_taken_for_a_dead_one_is_made_anew(tmp_path, monkeypatch):
    take, taken = Home.take, []

    def first_somebody_else(path):
        if not taken:
            taken.append(path)
            take(path).remove()
        return take(path)

    monkeypatch.setattr(Home, "take", first_somebody_else)
    home = Home.make(tmp_path, "x")
    assert home.path not in taken
    assert [*tmp_path.iterdir()] == [home.path]


def test_what_is_not_ours_stays(tmp_path):
    home = Home.make(tmp_path, "x")
    (home.path / "note").write_text("mine")
    (home.path / "00000001.journal").write_text("")
    home.remove()
    assert [path.name for path in home.path.iterdir()] == ["note"]


def test_a_place_that_cannot_be_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        Home.make(tmp_path / "file", "x")
