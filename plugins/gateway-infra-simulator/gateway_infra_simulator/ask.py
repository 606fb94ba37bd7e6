"""An ask: a request for a message once its envelope is open, as the rules and the default answer read it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gateway_infra_simulator.beta import Needs, betas, granted
from gateway_infra_simulator.editing import Edited, edited
from gateway_infra_simulator.model import Model
from gateway_infra_simulator.prompt import Part, input_tokens, live, parts, sized
from gateway_infra_simulator.turn import Turn, turns

Body = dict[str, Any]


@dataclass(frozen=True)
class Ask:
    """One request for a message or for a count of its tokens.

    Attributes:
        body: the JSON object.
        model: what its ``model`` names.
        version: the ``anthropic-version`` header.
        tokens: the ``anthropic-beta`` tokens.
        counting: only the tokens are to be counted.
    """

    body: Body
    model: Model
    version: str
    tokens: frozenset[str] = frozenset()
    counting: bool = False

    @cached_property
    def turns(self) -> tuple[Turn, ...]:
        """The conversation."""
        return turns(self.body["messages"])

    @cached_property
    def whole(self) -> tuple[Part, ...]:
        """Everything that was sent to be read."""
        return parts(self.body)

    @property
    def edits(self) -> list[Body]:
        """What is to be done about a long prompt."""
        return (self.body.get("context_management") or {}).get("edits") or []

    @cached_property
    def edited(self) -> Edited:
        """What is read of it, once summaries and edits have taken their part away."""
        return edited(sized(live(self.whole)), self.edits)

    @property
    def parts(self) -> tuple[Part, ...]:
        """The prompt."""
        return self.edited.parts

    @cached_property
    def input_tokens(self) -> int:
        """How long the prompt is."""
        return input_tokens(self.parts)

    @property
    def original_tokens(self) -> int:
        """How long it would be with everything that was sent."""
        return input_tokens(sized(self.whole))

    @property
    def said(self) -> str:
        """The text of the last user turn, if that is where the conversation stands."""
        last = [turn for turn in self.turns if turn.role != "system"][-1:]
        return last[0].text if last and last[0].role == "user" else ""

    @property
    def stream(self) -> bool:
        """Whether a stream is wanted."""
        return self.body.get("stream") is True

    @property
    def thinking(self) -> str:
        """The type of thinking that was asked for; empty if none was."""
        return str((self.body.get("thinking") or {}).get("type", ""))

    @property
    def thinks(self) -> bool:
        """Whether thinking was asked for."""
        return self.thinking in ("adaptive", "enabled")

    @property
    def effort(self) -> str:
        """The level of effort that was asked for; empty if none was."""
        return (self.body.get("output_config") or {}).get("effort") or ""

    @property
    def forced(self) -> bool:
        """Whether a tool must be called."""
        return (self.body.get("tool_choice") or {}).get("type") in ("any", "tool")

    def may(self, needs: Needs, name: str) -> bool:
        """Whether the beta tokens allow a name of the beta table."""
        return granted(needs, name, self.tokens)

    def may_field(self, path: str) -> bool:
        """Whether the beta tokens allow a field."""
        return self.may(betas().fields, path)
