"""Long context: the window of a million tokens, and what prompts above 200,000 tokens cost.

Where a host charges more above some size is a fact of its model rows; by how much is a row of this package.
Sources: Anthropic context windows page; Anthropic pricing page, "Long context pricing".
"""

from collections.abc import Mapping

from gateway import Beta, Rows, hookimpl, rows

CAPABILITY = "long_context"


class LongContextPlugin:
    """Owns the beta token, and prices long prompts."""

    @hookimpl
    def register_params(self) -> list[Beta]:
        """The token, which the client sends where the operator lets it through."""
        return [Beta("context-1m-2025-08-07", needs=CAPABILITY)]

    @hookimpl
    def register_catalog(self) -> Rows:
        """Where it exists, and what it costs."""
        return rows(__package__)

    @hookimpl
    def adjust_cost(self, served: Mapping[str, str]) -> str | None:
        """A pass whose prompt is longer than what the base rates pay for."""
        return CAPABILITY if "prompt" in served else None
