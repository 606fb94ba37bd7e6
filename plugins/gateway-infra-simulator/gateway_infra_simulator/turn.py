"""Turns: the messages with consecutive ones of the same role put together, as the API reads them."""

from dataclasses import dataclass
from typing import Any

from gateway_infra_simulator.prompt import plain

Body = dict[str, Any]


@dataclass(frozen=True)
class Placed:
    """A content block and where it stands in the body."""

    path: str
    block: Body

    @property
    def kind(self) -> str:
        """The block's type."""
        return str(self.block.get("type"))


@dataclass(frozen=True)
class Turn:
    """What one side said before the other spoke again; ``index`` is the message that it began with."""

    role: str
    index: int
    blocks: tuple[Placed, ...]

    @property
    def text(self) -> str:
        """All text of the turn, one block a line."""
        return "\n".join(placed.block["text"] for placed in self.blocks if placed.kind == "text")

    def of_kind(self, *kinds: str) -> list[Placed]:
        """The blocks of these types."""
        return [placed for placed in self.blocks if placed.kind in kinds]


def turns(messages: list[Body]) -> tuple[Turn, ...]:
    """The turns of a conversation."""
    merged: list[Turn] = []
    for index, message in enumerate(messages):
        blocks = _placed(index, message)
        if merged and merged[-1].role == message["role"]:
            last = merged.pop()
            merged.append(Turn(last.role, last.index, last.blocks + blocks))
        else:
            merged.append(Turn(message["role"], index, blocks))
    return tuple(merged)


def _placed(index: int, message: Body) -> tuple[Placed, ...]:
    blocks = plain(message.get("content"))
    return tuple(Placed(f"messages.{index}.content.{at}", block) for at, block in enumerate(blocks))
