"""A child process that talks to the simulator as if it were the hosts."""

import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

FORWARDED = (signal.SIGTERM, signal.SIGINT)
NOT_FOUND = 127
BY_SIGNAL = 128


def run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command in an environment that leads to a simulator; its exit code, as a shell would give it."""
    try:
        child = subprocess.Popen(command, env=environment)
    except OSError:
        return NOT_FOUND
    with _forwarding(child):
        code = child.wait()
    return code if code >= 0 else BY_SIGNAL - code


@contextmanager
def _forwarding(child: "subprocess.Popen[bytes]") -> Iterator[None]:
    def forward(number: int, _frame: FrameType | None) -> None:
        child.send_signal(number)

    before = {number: signal.signal(number, forward) for number in FORWARDED}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
