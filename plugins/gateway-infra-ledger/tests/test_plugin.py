import signal
import socket
import subprocess
import sys
import time

import pytest
from gateway_infra_ledger import LedgerPlugin
from gateway_infra_ledger.address import Address
from gateway_infra_ledger.database import Database
from gateway_infra_ledger.schema import entries
from sqlalchemy import select

from gateway import ConfigError
from gateway.plugins import build, discover
from gateway.testing import check_plugin, found

APP = """
import os
from gateway.testing import make_entry
from gateway_infra_ledger import LedgerPlugin

plugin = LedgerPlugin(LedgerPlugin.settings().load({"database_url": os.environ["LEDGER"]}))
plugin.register_views()
plugin.record_entry(make_entry(call_id="req_before_the_fork"))

def app(environ, start_response):
    plugin.record_entry(make_entry(call_id="req_" + environ["PATH_INFO"].strip("/"), alias=str(os.getpid())))
    start_response("200 OK", [("content-length", "8")])
    return [b"%08d" % os.getpid()]
"""


def built(**section):
    return build(found(LedgerPlugin, "ledger", "infra"), section)


def test_it_is_a_plugin_of_its_kind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_plugin(LedgerPlugin, "infra")


def test_it_is_found_by_its_name():
    assert [one.factory for one in discover(["ledger"])] == [LedgerPlugin]


def test_without_settings_the_environment_says_where(tmp_path, monkeypatch, entry):
    monkeypatch.setenv("GATEWAY_DATABASE_URL", f"sqlite:///{tmp_path}/from-environment.db")
    plugin = built()
    plugin.record_entry(entry())
    plugin.close()
    assert (tmp_path / "from-environment.db").exists()


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        ({"database_url": "mysql://me:pass-word@db/x"}, "ledger: database_url: 'mysql' is not supported"),
        ({"database_url": ""}, "ledger: database_url: "),
        ({"queue_size": 0}, "ledger: queue_size: "),
        ({"durability": "perhaps"}, "ledger: durability: "),
        ({"journal_size_mb": 0}, "ledger: journal_size_mb: "),
        ({"databse_url": "sqlite:///x.db"}, "Did you mean 'database_url'"),
    ],
)
def test_wrong_settings_stop_startup(section, reason):
    with pytest.raises(ConfigError, match=reason) as refused:
        built(**section)
    assert "pass-word" not in str(refused.value)


def test_a_wrong_environment_stops_startup_too(monkeypatch):
    monkeypatch.setenv("GATEWAY_DATABASE_URL", "pass-word")
    with pytest.raises(ConfigError, match="is no database URL") as refused:
        built()
    assert "pass-word" not in str(refused.value)


def test_a_database_that_will_not_do_stops_startup(tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        built(database_url=f"sqlite:///{tmp_path}/nowhere/ledger.db").register_views()


def test_a_journal_that_cannot_be_written_stops_startup(tmp_path):
    (tmp_path / "file").write_text("")
    section = {"database_url": f"sqlite:///{tmp_path}/ledger.db", "journal_dir": f"{tmp_path}/file/journal"}
    with pytest.raises(ConfigError, match="journal_dir"):
        built(**section).register_views()


@pytest.mark.parametrize(
    ("url", "section", "variable", "place"),
    [
        ("sqlite:///data/ledger.db", {}, "", "data/gateway-journal"),
        ("postgresql://me@127.0.0.1:1/none", {}, "", "gateway-journal"),
        ("sqlite:///data/ledger.db", {}, "from/environment", "from/environment"),
        ("sqlite:///data/ledger.db", {"journal_dir": "said"}, "from/environment", "said"),
    ],
)
def test_where_the_journal_is(tmp_path, monkeypatch, entry, url, section, variable, place):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATEWAY_JOURNAL_DIR", variable)
    (tmp_path / "data").mkdir()
    plugin = built(database_url=url, **section)
    plugin.start_attempt(entry())
    plugin.close()
    assert list((tmp_path / place).glob("*/*.journal"))


def test_full_durability_holds_for_the_database_too(make_plugin, sqlite_url):
    plugin = make_plugin(database_url=sqlite_url, durability="full")
    with plugin._database.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2


def test_a_call_leaves_one_entry_and_no_journal(plugin, url, entry, tmp_path):
    given = entry()
    plugin.start_attempt(entry(call_id=given.call_id, outcome="unknown", estimated=True))
    plugin.record_entry(given)
    plugin.close()
    assert list(stored(url)) == [given.call_id]
    assert not list(tmp_path.glob("*/*/*.journal"))


def test_what_a_dead_process_left_is_recovered_by_the_next(make_plugin, tmp_path, url, entry):
    section = {"database_url": url, "journal_dir": str(tmp_path / "journals")}
    dead, begun, ended = make_plugin(**section), entry(), entry()
    dead._journal.begin(begun)
    dead._journal.end(ended)
    dead._journal.close()
    plugin = make_plugin(**section)
    found = list(plugin.recover_entries())
    assert sorted((one.call_id, one.outcome) for one in found) == sorted(
        [(begun.call_id, "unknown"), (ended.call_id, "complete")]
    )
    for one in found:
        plugin.record_entry(one)
    assert plugin.flush(30)
    assert list(plugin.recover_entries()) == []
    plugin.close()
    assert list((tmp_path / "journals").iterdir()) == []
    assert set(stored(url)) == {begun.call_id, ended.call_id}


def test_the_end_of_a_process_is_enough(tmp_path, url):
    """Nobody says goodbye: the interpreter ends with entries in the backlog, written or not."""
    script = APP + "[plugin.record_entry(make_entry(call_id=f'req_{number}')) for number in range(500)]\n"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        env={"LEDGER": url},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert len(stored(url)) == 501


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGQUIT])
def test_gunicorn_forks_it_and_ends_it_and_nothing_is_lost(tmp_path, url, ending):
    (tmp_path / "application.py").write_text(APP)
    with gunicorn(tmp_path, url) as server:
        processes = [request(tmp_path / "socket", number) for number in range(100)]
        while len(set(processes)) < 2:  # a worker that is not up yet would not hear the signal
            processes.append(request(tmp_path / "socket", len(processes)))
        server.send_signal(ending)
        assert server.wait(60) == 0
    found = stored(url)
    assert found.pop("req_before_the_fork") == ""
    assert found == {f"req_{number}": process for number, process in enumerate(processes)}
    log = (tmp_path / "log").read_text()
    assert "Traceback" not in log
    assert "is not in the ledger" not in log


def gunicorn(folder, url):
    """Two workers, forked from an application that is loaded, and has been used, before."""
    options = ["--preload", "--workers", "2", "--threads", "8", "--worker-class", "gthread", "--no-control-socket"]
    command = [
        sys.executable,
        "-W",
        "error",
        "-m",
        "gunicorn",
        *options,
        "--bind",
        f"unix:{folder}/socket",
        "application:app",
    ]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env={"LEDGER": url}, stdout=log, stderr=log)
    deadline = time.monotonic() + 30
    while not (folder / "socket").exists():
        assert process.poll() is None, (folder / "log").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


def request(path, number):
    """Ask for an entry; the answer is the process that wrote it."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.sendall(f"GET /{number} HTTP/1.1\r\nHost: ledger\r\nConnection: close\r\n\r\n".encode())
        with connection.makefile("rb") as answer:
            return str(int(answer.read()[-8:]))


def stored(url):
    """Call ids, and which process wrote them."""
    database = Database(Address.parse(url))
    with database.reading() as connection:
        rows = {row.call_id: row.alias for row in connection.execute(select(entries.c.call_id, entries.c.alias))}
    database.close()
    return rows
