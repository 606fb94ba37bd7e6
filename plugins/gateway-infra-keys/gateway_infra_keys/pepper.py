"""The pepper: a secret outside of the database, without which nobody can make a hash that is in it."""

import os
import secrets
from pathlib import Path

from gateway_infra_ledger.address import Address

from gateway import ConfigError, Secret

VARIABLE = "GATEWAY_PEPPER"

SHORTEST = 16
"""Characters that a pepper has at least; ours has 64."""

FEWEST = 6
"""Different characters that it has at least."""

SAMPLES = ("changeme", "change-me", "change_me", "example", "sample", "password", "pepper", "secret")
"""Words of documentation. A random text of usual length has one of them once in millions of times."""


def read_pepper(address: Address, path: Path | None = None) -> Secret:
    """The pepper: from the environment, else from the file, which is made at the first start.

    Args:
        address: the database; beside SQLite's file is the pepper's usual place.
        path: another place.

    Raises:
        ConfigError: there is none and none can be made, or it is no secret.
    """
    given = os.environ.get(VARIABLE)
    if given is not None:
        return _checked(given.strip(), f"the environment's {VARIABLE}")
    path = path or _usual_place(address)
    if not path.exists():
        _make(path)
    return _checked(_read(path), str(path))


def _usual_place(address: Address) -> Path:
    if address.path is None:
        raise ConfigError(
            f"keys: with PostgreSQL every gateway needs the same pepper: set {VARIABLE} to a random text of "
            f"at least {SHORTEST} characters, or pepper_file to a file that has one."
        )
    return address.path.with_name(f"{address.path.name}.pepper")


def _make(path: Path) -> None:
    """Make the file whole, for its owner only; of several processes that do this at once, one wins.

    Raises:
        ConfigError: it cannot be made.
    """
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "w") as file:
                file.write(f"{secrets.token_hex(32)}\n")
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, path)
        finally:
            draft.unlink()
    except FileExistsError:
        return
    except OSError as error:
        raise ConfigError(f"keys: the pepper's file {path} cannot be made: {error.strerror}.") from None


def _read(path: Path) -> str:
    try:
        mode, text = path.stat().st_mode, path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"keys: the pepper's file {path} cannot be read: {error}.") from None
    if mode & 0o077:
        raise ConfigError(f"keys: others may read the pepper's file {path}; do: chmod 600 {path}")
    return text


def _checked(text: str, where: str) -> Secret:
    """The pepper, if it is a secret.

    Raises:
        ConfigError: it is too short, or stands in somebody's documentation.
    """
    sample = any(one in text.lower() for one in SAMPLES)
    if sample or len(text) < SHORTEST or len(set(text)) < FEWEST:
        raise ConfigError(
            f"keys: the pepper in {where} is empty, too short or a sample; it takes {SHORTEST} random characters "
            "or more, such as those of: openssl rand -base64 32"
        )
    return Secret(text)
