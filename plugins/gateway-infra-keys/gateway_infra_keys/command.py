"""``gateway keys`` and ``gateway teams``, put together."""

import click

from gateway_infra_keys import command_key, command_team
from gateway_infra_keys.command_key import OpenKeys


def commands(opened: OpenKeys) -> list[click.Command]:
    """Both commands.

    Args:
        opened: gives the store when one of them runs; only then is there a need for a pepper and a database.
    """
    context = {"obj": opened}
    return [
        click.Group("keys", command_key.COMMANDS, context_settings=context, help="Make, list, change and end keys."),
        click.Group("teams", command_team.COMMANDS, context_settings=context, help="Make, list, change and end teams."),
    ]
