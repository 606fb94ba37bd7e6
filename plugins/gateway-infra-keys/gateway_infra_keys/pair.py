"""The pair: a call's hold on money and its hold on limits, as the one that the core knows."""

from collections.abc import Mapping, Sequence

from gateway import Entry, Hold, Limit
from gateway.hold import release, spared


class Pair:
    """Several holds of one call.

    Attributes:
        headers, limits: those of all of them.
    """

    headers: Mapping[str, str]
    limits: Sequence[Limit]

    def __init__(self, holds: Sequence[Hold]) -> None:
        self._holds = holds
        self.headers = {name: value for hold in holds for name, value in hold.headers.items()}
        self.limits = [limit for hold in holds for limit in hold.limits]

    @classmethod
    def of(cls, *holds: Hold | None) -> Hold | None:
        """The holds that there are, as one."""
        there = [hold for hold in holds if hold is not None]
        return there[0] if len(there) == 1 else cls(there) if there else None

    def settle(self, entry: Entry) -> None:
        """Settle each of them, whatever another does."""
        for hold in self._holds:
            with spared(f"a hold could not be settled for call {entry.call_id}"):
                hold.settle(entry)

    def release(self) -> None:
        """Give back what each still holds."""
        release(self._holds)
