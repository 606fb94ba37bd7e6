from pathlib import Path

import pytest
from gateway_infra_ledger import address
from gateway_infra_ledger.address import Address


def test_a_relative_file_is_fixed_to_the_directory_of_the_start(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = Address.parse("sqlite:///gateway.db")
    monkeypatch.chdir("/")
    assert found.path == tmp_path / "gateway.db"
    assert found.url.database == str(tmp_path / "gateway.db")


def test_an_absolute_file():
    assert Address.parse("sqlite:////var/lib/gateway/ledger.db").path == Path("/var/lib/gateway/ledger.db")


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_way_to_write_postgresql_uses_our_driver(scheme):
    found = Address.parse(f"{scheme}://me:pass-word@db/ledger")
    assert found.url.drivername == "postgresql+psycopg"
    assert found.path is None


def test_it_prints_without_its_password():
    found = Address.parse("postgresql://me:pass-word@db/ledger")
    assert "pass-word" not in f"{found} {found!r}"
    assert str(found) == "postgresql+psycopg://me:***@db/ledger"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mysql://me:pass-word@db/ledger", "'mysql' is not supported"),
        ("postgresql+asyncpg://me:pass-word@db/ledger", "not supported"),
        ("pass-word", "is no database URL"),
        ("postgresql://me:pass-word@db:port/ledger", "is no database URL"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("sqlite:///file:x?mode=memory&uri=true", "needs a file"),
    ],
)
def test_other_urls_are_refused_without_being_quoted(url, reason):
    with pytest.raises(ValueError, match=reason) as refused:
        Address.parse(url)
    assert "pass-word" not in str(refused.value)


def test_the_environment_comes_before_the_default(monkeypatch):
    monkeypatch.delenv(address.VARIABLE, raising=False)
    assert address.default() == "sqlite:///gateway.db"
    monkeypatch.setenv(address.VARIABLE, " sqlite:///elsewhere.db ")
    assert address.default() == "sqlite:///elsewhere.db"
