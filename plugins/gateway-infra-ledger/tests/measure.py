"""What writing a call down costs the call itself, in microseconds: python plugins/gateway-infra-ledger/tests/measure.py."""

import statistics
import tempfile
import threading
import time
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from gateway_infra_ledger.journal import Journal
from gateway_infra_ledger.spool import Spool
from gateway_infra_ledger.writer import Writer

from gateway import Bill, Factor, Line, Pass
from gateway.testing import make_entry

CALLS = 2000
FAST = Factor("fast", Decimal(6), fact="speed", source="a page")
LINES = (
    Line("input", 1234, Decimal("5.00"), 1_000_000, (FAST,), "message", "claude-a"),
    Line("output", 77, Decimal(25), 1_000_000, (FAST,), "message", "claude-a"),
)
FACTS = {
    "bill": Bill(LINES, "announcement", "digest"),
    "passes": (Pass("message", "", {"input": 1234, "output": 77}),),
}


def microseconds(work, entries):
    """Median and 99th percentile."""
    spent = []
    for entry in entries:
        began = time.perf_counter()
        work(entry)
        spent.append((time.perf_counter() - began) * 1e6)
    return statistics.median(spent), statistics.quantiles(spent, n=100)[-1]


def together(work, threads=16):
    """The same from many threads at once, each with calls of its own; what one call takes on average."""
    entries = [[make_entry(**FACTS) for _ in range(CALLS // threads)] for _ in range(threads)]
    workers = [threading.Thread(target=lambda some=some: [work(one) for one in some]) for some in entries]
    began = time.perf_counter()
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    return (time.perf_counter() - began) / CALLS * 1e6


def show(name, work, entries):
    median, worst = microseconds(work, entries)
    print(f"{name:34} median {median:8.1f}   p99 {worst:8.1f}")


def main():
    """Nothing is written to a database: its thread is none of the call's business, and would only disturb."""
    started = [make_entry(**FACTS, outcome="unknown", estimated=True) for _ in range(CALLS)]
    ended = [replace(one, outcome="complete", estimated=False) for one in started]
    show("record_entry, memory alone", Writer(lambda batch: None, 10 * CALLS).put, ended)
    for durability in ("process", "full"):
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
            journal = Journal(Path(folder), "x", 10**9, durable=durability == "full")
            spool = Spool(journal, lambda batch: None, 10 * CALLS)
            show(f"start_attempt, {durability}", spool.begin, started)
            show(f"record_entry, {durability}", spool.put, ended)
            print(f"{f'start_attempt, {durability}, 16 threads':34} a call {together(spool.begin):8.1f}")
            journal.done([*journal._pins])
            spool.close()


if __name__ == "__main__":
    main()
