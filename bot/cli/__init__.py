"""The command line `handrail`. Exit codes: 0 success, 1 refused or failed, 2 wrong usage, 130 interrupted."""

import sys

from bot.cli.main import run_command


def main() -> None:
    """Run the command in `sys.argv` and exit with its code."""
    sys.exit(run_command(sys.argv[1:]))
