"""A wire: one host's paths, and who answers them."""

from collections.abc import Callable
from typing import Protocol

from gateway_infra_simulator.request import Request
from gateway_infra_simulator.response import Response

Endpoint = Callable[[Request, str], Response]
"""Answers one request; the text is the id that the request has in the simulator."""


class Wire(Protocol):
    """One host, told apart from the others by its paths.

    An endpoint words its refusals as its host does; a RefusalError that it lets through is worded as Anthropic does.

    Attributes:
        name: what ``Record.wire`` says.
    """

    @property
    def name(self) -> str:
        """The host."""
        ...

    def endpoint(self, request: Request) -> Endpoint | None:
        """Who answers a request; None if its path is not this host's."""
        ...
