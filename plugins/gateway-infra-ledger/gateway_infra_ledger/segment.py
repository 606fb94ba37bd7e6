"""A segment: one file of a journal, which only grows, and goes when nobody needs it any more."""

import errno
import os
import threading
from dataclasses import dataclass
from pathlib import Path

from gateway_infra_ledger.line import Line


class Segment:
    """A file with lines, held open.

    Args:
        path: where to make it.

    Attributes:
        size: its length in bytes.
        pins: how many lines in it are still needed.
        broken: something could not be written and may be there by half; nothing more goes into it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self.pins = 0
        self.broken = False
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o600)
        self._syncing = threading.Lock()
        self._synced = 0

    def gone(self) -> bool:
        """Whether somebody took the file away: what is written to it then is lost with this process."""
        return os.fstat(self._descriptor).st_nlink == 0

    def append(self, data: bytes) -> "Place":
        """Write a line, in one go: from then on it survives this process.

        Raises:
            OSError: it is not there, or not whole.
        """
        written = os.write(self._descriptor, data)
        if written < len(data):
            self._take_back()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        place = Place(self, self.size, len(data))
        self.size += len(data)
        return place

    def _take_back(self) -> None:
        """Cut off what was written by half; until that is done, nothing may come after it."""
        self.broken = True
        os.ftruncate(self._descriptor, self.size)
        self.broken = False

    def sync(self, end: int) -> None:
        """Have everything up to ``end`` survive a power cut. Who waits here often finds it done by another.

        Raises:
            OSError: it may not.
        """
        with self._syncing:
            if self._synced < end:
                size = self.size
                try:
                    os.fdatasync(self._descriptor)
                except OSError:
                    self.broken = True  # what failed once may seem to work the next time
                    raise
                self._synced = size

    def read(self, offset: int, length: int) -> bytes:
        """What is written there."""
        return os.pread(self._descriptor, length, offset)

    def close(self) -> None:
        """Close the file; it stays."""
        descriptor, self._descriptor = self._descriptor, -1  # whoever comes too late must not meet another file
        os.close(descriptor)

    def remove(self) -> None:
        """Take the file away."""
        with self._syncing:
            self.path.unlink(missing_ok=True)
            self.close()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a line stands."""

    segment: Segment
    offset: int
    length: int

    def sync(self) -> None:
        """Have the line survive a power cut."""
        self.segment.sync(self.offset + self.length)

    def read(self) -> Line:
        """The line.

        Raises:
            Torn: it is not what was written.
            OSError: it cannot be read.
        """
        return Line.parse(self.segment.read(self.offset, self.length))
