from datetime import UTC, datetime
from decimal import Decimal

import pytest
from gateway_infra_ledger.line import BEGUN, DIED, ENDED, Line, Torn, spelled

from gateway import Pass
from gateway.ledger import Timings


def test_an_entry_comes_back_as_it_was(entry, bill):
    one = entry(
        at=datetime(2026, 2, 5, 23, 59, 59, 999999, UTC),
        bill=bill("0.000000000001", "12345.678901234567890123"),
        timings=Timings(None, 1.25, 0.001),
        passes=(Pass("message", "m", {"input": 3}), Pass("compaction", "", {"output": 2})),
    )
    line = Line.parse(spelled(ENDED, one))
    assert line.ended
    assert line.key == (one.call_id, one.attempt)
    assert line.entry() == one


def test_what_was_only_begun_is_an_estimate_of_a_call_that_nobody_knows_more_of(entry, bill):
    found = Line.parse(spelled(BEGUN, entry(bill=bill("2"), outcome="complete", estimated=False))).entry()
    assert (found.outcome, found.estimated, found.error) == ("unknown", True, DIED)
    assert found.cost == Decimal(2)


@pytest.mark.parametrize("usage", [{"count": 10**30}, {"text": "\ud800"}, {"text": "one\nline\u2028"}])
def test_odd_values_come_back_too(entry, usage):
    one = entry(usage=usage, error="half a pair: \udfff")
    found = Line.parse(spelled(ENDED, one)).entry()
    assert {name: str(value) for name, value in found.usage.items()} == {
        name: str(value) for name, value in usage.items()
    }
    assert found.error == one.error


def test_a_line_cut_anywhere_is_noticed(entry):
    data = spelled(ENDED, entry())
    for length in range(len(data)):
        with pytest.raises(Torn):
            Line.parse(data[:length])


def test_a_changed_byte_anywhere_is_noticed(entry):
    data = spelled(ENDED, entry())
    for place in range(len(ENDED), len(data)):
        changed = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        with pytest.raises(Torn):
            Line.parse(changed)


def test_a_line_written_into_the_rest_of_a_torn_one_is_noticed(entry):
    with pytest.raises(Torn):
        Line.parse(spelled(ENDED, entry())[:100] + spelled(ENDED, entry()))
