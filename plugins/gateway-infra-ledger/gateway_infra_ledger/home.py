"""A journal's home: a directory of its own, locked for as long as the process that writes it lives.

The lock is the kernel's, so it is gone the moment that the process is, however it ended. It has to be a local disk.
"""

import fcntl
import os
import secrets
from contextlib import suppress
from pathlib import Path


class Home:
    """A directory of a journal that this process holds.

    Args:
        path: where it is.
        descriptor: the open directory with the lock on it.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    @classmethod
    def make(cls, folder: Path, prefix: str) -> "Home":
        """A new one.

        Raises:
            OSError: it cannot be made.
        """
        folder.mkdir(0o700, parents=True, exist_ok=True)
        while True:
            path = folder / f"{prefix}-{os.getpid()}-{secrets.token_hex(4)}"
            path.mkdir(0o700)
            home = cls.take(path)
            if home is not None:  # else somebody who looks for what the dead left was faster, and has taken it away
                return home

    @classmethod
    def take(cls, path: Path) -> "Home | None":
        """One that is there, if it is one and nobody holds it.

        Raises:
            OSError: it cannot be opened.
        """
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return None
        home = cls(path, descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            home.close()
            return None
        if home.gone():  # its last holder took it away while we opened it
            home.close()
            return None
        return home

    def gone(self) -> bool:
        """Whether it was taken away, or another one is in its place."""
        try:
            there = self.path.stat()
        except FileNotFoundError:
            return True
        return not os.path.samestat(there, os.fstat(self._descriptor))

    def segments(self) -> list[Path]:
        """Its files, oldest first."""
        return sorted(self.path.glob("*.journal"))

    def sync(self) -> None:
        """Have the names in it, and its own, survive a power cut."""
        os.fsync(self._descriptor)
        parent = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(parent)
        finally:
            os.close(parent)

    def remove(self) -> None:
        """Take it away, with everything in it."""
        for path in self.segments():
            path.unlink(missing_ok=True)
        with suppress(OSError):  # something else in it is not ours to take away
            self.path.rmdir()
        self.close()

    def close(self) -> None:
        """Let go of it; with the process's last descriptor goes the lock."""
        os.close(self._descriptor)
