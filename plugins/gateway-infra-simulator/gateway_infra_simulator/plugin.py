"""The plugin: brings the command ``gateway simulate``."""

import click

from gateway import hookimpl
from gateway_infra_simulator.command import simulate


class SimulatorPlugin:
    """Offers the simulator on the command line; it takes no part in calls."""

    @hookimpl
    def register_commands(self) -> list[click.Command]:
        """The command ``simulate``."""
        return [simulate]
