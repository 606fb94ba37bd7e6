"""What a request says about the answer's form; read again from the client's body, so that no state is kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway_surface_chat.names import originals
from gateway_surface_chat.request import merged
from gateway_surface_chat.tools import declared, is_legacy


@dataclass(frozen=True, slots=True)
class Wishes:
    """How a client wants its answer.

    Attributes:
        names: names of tools that were made to fit, to the client's own.
        legacy: it knows ``function_call`` and no ``tool_calls``.
        usage: its stream ends with a chunk of usage.
    """

    names: Mapping[str, str]
    legacy: bool
    usage: bool

    @classmethod
    def of(cls, asked: Mapping[str, Any]) -> "Wishes":
        """The wishes in a body that was read without complaint."""
        body = merged(asked)
        return cls(
            names=originals(declared(body)),
            legacy=is_legacy(body),
            usage=body.get("stream_options", {}).get("include_usage") is True,
        )

    def name(self, name: Any) -> str:
        """A tool's name as the client knows it."""
        return self.names.get(str(name), str(name))
