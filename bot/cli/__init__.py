"""`handrail`, the command line; exit codes 0 done, 1 refused or failed, 2 wrong usage, 130 interrupted."""

import sys

from bot.cli.entry_point import run_command


def main() -> None:
    """Run the command the arguments name, and exit."""
    sys.exit(run_command(sys.argv[1:]))
