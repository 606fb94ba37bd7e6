"""Lacks: what a host does not have of the API, and the refusal of it in the API's words."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gateway_infra_simulator import shape
from gateway_infra_simulator.ask import Ask
from gateway_infra_simulator.refusal import bad

Body = dict[str, Any]


@dataclass(frozen=True)
class Lacks:
    """What is not there.

    Attributes:
        fields: top-level fields of the body.
        tools: how the types of tools begin.
        sources: types of the source of an image or a document.
        scope: a cache mark may not name its scope.
    """

    fields: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    scope: bool = True

    def check_fields(self, body: Body) -> None:
        """Refuse top-level fields; the body need not be well-formed yet."""
        for name in self.fields:
            if name in body:
                raise bad(name, "Extra inputs are not permitted")

    def check(self, ask: Ask) -> None:
        """Refuse what stands deeper in a body that is well-formed."""
        for index, tool in enumerate(ask.body.get("tools") or ()):
            if self.tools and str(tool.get("type")).startswith(self.tools):
                raise bad(f"tools.{index}", f"Input tag '{tool['type']}' does not match any of the expected tags")
        for path, source in _sources("messages", ask.body["messages"]):
            if source.get("type") in self.sources:
                raise bad(path, f"`{source['type']}` sources are not supported")
        for part in ask.whole if self.scope else ():
            if part.control and "scope" in part.control:
                path = shape.under(part.path, "cache_control.ephemeral.scope")
                raise bad(path, "Extra inputs are not permitted")


def _sources(path: str, value: Any) -> Iterator[tuple[str, Body]]:
    """Every source of an image or a document, in tool results too."""
    if isinstance(value, list):
        for index, part in enumerate(value):
            yield from _sources(f"{path}.{index}", part)
    elif isinstance(value, dict):
        if value.get("type") in ("image", "document") and isinstance(value.get("source"), dict):
            yield f"{path}.{value['type']}.source", value["source"]
        yield from _sources(f"{path}.content", value.get("content"))
