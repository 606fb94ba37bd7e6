import os
import stat
import subprocess
import sys

import pytest
from gateway_infra_keys.pepper import VARIABLE, read_pepper
from gateway_infra_ledger.address import Address

from gateway import ConfigError

GOOD = "tNb3yQ0mUu8jZr5Kx2Wd"
SERVER = Address.parse("postgresql://me@127.0.0.1:1/db")
START = """
import sys
from gateway_infra_keys.pepper import read_pepper
from gateway_infra_ledger.address import Address
print("ready", flush=True)
sys.stdin.readline()
print(read_pepper(Address.parse(sys.argv[1])).reveal())
"""


@pytest.fixture(autouse=True)
def no_variable(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture
def address(sqlite_url):
    return Address.parse(sqlite_url)


def test_the_first_start_makes_a_file_for_the_owner_only_beside_the_database(address, tmp_path):
    pepper = read_pepper(address)
    (path,) = tmp_path.iterdir()
    assert path.name == "gateway.db.pepper"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().strip() == pepper.reveal()
    assert len(pepper.reveal()) == 64
    assert read_pepper(address) == pepper


def test_the_environment_wins_and_makes_no_file(address, tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, f" {GOOD}\n")
    assert read_pepper(address).reveal() == GOOD
    assert list(tmp_path.iterdir()) == []


def test_another_place_can_be_named(address, tmp_path):
    path = tmp_path / "elsewhere"
    pepper = read_pepper(address, path)
    assert path.read_text().strip() == pepper.reveal()
    assert read_pepper(SERVER, path) == pepper


def test_with_postgresql_it_has_to_be_given(monkeypatch):
    with pytest.raises(ConfigError, match=r"set GATEWAY_PEPPER .* or pepper_file"):
        read_pepper(SERVER)
    monkeypatch.setenv(VARIABLE, GOOD)
    assert read_pepper(SERVER).reveal() == GOOD


SAMPLES = [
    "",
    "  ",
    "short",
    "changeme",
    "change-me-change-me-change-me",
    "a" * 40,
    "my-secret-pepper-0123456789",
    "0123456789abcde",
]


@pytest.mark.parametrize("text", SAMPLES)
def test_an_empty_a_short_and_a_sample_pepper_are_refused(address, monkeypatch, text):
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(ConfigError, match="the environment's GATEWAY_PEPPER is empty, too short or a sample"):
        read_pepper(address)


@pytest.mark.parametrize("text", SAMPLES)
def test_such_a_file_is_refused_too_and_not_quoted(address, tmp_path, text):
    path = tmp_path / "file"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="is empty, too short or a sample") as refused:
        read_pepper(address, path)
    assert len(text.strip()) < 10 or text not in refused.value.message


def test_a_file_that_others_may_read_is_refused(address, tmp_path):
    path = tmp_path / "file"
    path.write_text(GOOD)
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_pepper(address, path)


def test_a_place_that_is_not_there_is_named(address, tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere/pepper cannot be made: No such file"):
        read_pepper(address, tmp_path / "nowhere" / "pepper")


def test_a_file_that_cannot_be_read_is_named(address, tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        read_pepper(address, tmp_path)


def test_processes_that_start_at_once_agree(sqlite_url, tmp_path):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    command = [sys.executable, "-W", "error", "-c", START, sqlite_url]
    processes = [subprocess.Popen(command, text=True, env=dict(os.environ), **pipes) for _ in range(4)]
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * 4
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    peppers = {process.communicate()[0] for process in processes}
    assert len(peppers) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["gateway.db.pepper"]
