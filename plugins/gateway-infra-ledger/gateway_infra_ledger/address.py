"""Where the database is: a URL that was understood before anything is opened."""

import os
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

VARIABLE = "GATEWAY_DATABASE_URL"
DEFAULT = "sqlite:///gateway.db"

_DRIVERS = {
    "sqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}


@dataclass(frozen=True, slots=True)
class Address:
    """A database that the ledger can be kept in.

    Attributes:
        url: with the driver that we use; prints without its password.
        path: SQLite's file, absolute, so that a later change of directory does not move the ledger.
    """

    url: URL
    path: Path | None

    def __str__(self) -> str:
        return self.url.render_as_string(hide_password=True)

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Understand a URL.

        Raises:
            ValueError: it is none, or of a database that we do not speak to; never quotes the URL.
        """
        try:
            url = make_url(text)
        except (ArgumentError, ValueError):  # the latter for a port that is no number
            raise ValueError(
                "is no database URL; write sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DB."
            ) from None
        driver = _DRIVERS.get(url.drivername)
        if driver is None:
            raise ValueError(f"{url.drivername!r} is not supported; use sqlite or postgresql.")
        url = url.set(drivername=driver)
        return cls._file(url) if driver == "sqlite" else cls(url, None)

    @classmethod
    def _file(cls, url: URL) -> "Address":
        if url.database in (None, "", ":memory:") or str(url.database).startswith("file:"):
            raise ValueError("needs a file, because several processes share the ledger: sqlite:///FILE.")
        path = Path(str(url.database)).expanduser().absolute()
        return cls(url.set(database=str(path)), path)


def default() -> str:
    """What holds when nothing is configured: the environment, else a file in the working directory."""
    return os.environ.get(VARIABLE, "").strip() or DEFAULT
