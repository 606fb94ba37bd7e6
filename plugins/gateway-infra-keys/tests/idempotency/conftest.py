"""Gateways that answer under idempotency keys, on both servers, with a host in memory that counts."""

import runpy
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from gateway_infra_keys.answer import answers
from sqlalchemy import select

from gateway.transport import Transport

ASKER = Path(__file__).with_name("asker.py")


@pytest.fixture(scope="session")
def asker():
    """The asker's parts."""
    return SimpleNamespace(**runpy.run_path(str(ASKER)))


@pytest.fixture
def upstream(asker, monkeypatch):
    host = asker.Upstream()
    monkeypatch.setattr(Transport, "send", lambda _self, *given: host.send(*given))
    yield host
    host.gate.set()


class Clock:
    """A time that only tests move."""

    def __init__(self):
        self.now = datetime(2026, 11, 25, tzinfo=UTC)

    def __call__(self):
        return self.now

    def pass_hours(self, hours):
        self.now += timedelta(hours=hours)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def make_gateway(asker, url, clock, upstream):
    """Makes gateways on one database; each is like a process of its own."""
    databases = []

    def make(**settings):
        databases.append(asker.opened(url))
        gateway = asker.Gateway(databases[-1], clock=clock, **settings)
        gateway.database = databases[-1]
        gateway.answers.tend()  # the tables are there, as they are once a key was looked up
        return gateway

    yield make
    for database in databases:
        database.close()


@pytest.fixture
def gateway(make_gateway):
    return make_gateway()


@pytest.fixture
def rows(database):
    """Reads the table."""

    def read():
        with database.reading() as connection:
            return connection.execute(select(answers).order_by(answers.c.created_at)).all()

    return read


@pytest.fixture
def start_asker(url):
    """Starts askers as processes on the same database, and ends those that still run."""
    started = []

    def start(*words):
        command = [sys.executable, str(ASKER), url, *words]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
