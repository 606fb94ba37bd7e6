"""Claude's four hosts on loopback: strict in what they accept, free in how they answer, never the real thing."""

from typing import TYPE_CHECKING, Any

from gateway_infra_simulator.answer import Answer, Reply, Stop
from gateway_infra_simulator.block import Block
from gateway_infra_simulator.flow import Flow, Insert
from gateway_infra_simulator.manner import Cut, Drip, Manner, Silence
from gateway_infra_simulator.notation import dump, load
from gateway_infra_simulator.reader import BrokenStreamError, assemble, read_stream
from gateway_infra_simulator.record import Record
from gateway_infra_simulator.simulator import DEMO_KEY, Simulator

if TYPE_CHECKING:
    from gateway_infra_simulator.plugin import SimulatorPlugin

__all__ = [
    "DEMO_KEY",
    "Answer",
    "Block",
    "BrokenStreamError",
    "Cut",
    "Drip",
    "Flow",
    "Insert",
    "Manner",
    "Record",
    "Reply",
    "Silence",
    "Simulator",
    "SimulatorPlugin",
    "Stop",
    "assemble",
    "dump",
    "load",
    "read_stream",
]


def __getattr__(name: str) -> Any:
    """The plugin is loaded only when it is asked for, so that the simulator works without the gateway."""
    if name != "SimulatorPlugin":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from gateway_infra_simulator.plugin import SimulatorPlugin  # noqa: PLC0415  # that is the point

    return SimulatorPlugin
