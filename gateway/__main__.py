"""``python -m gateway``: the command line where no script is on the path."""

from gateway.cli import main

main(prog_name="gateway")
