"""The command line `handrail`. Exit codes: 0 success, 1 refused or failed, 2 wrong usage, 130 interrupted."""

import sys

from bot.package_conflicts import find_conflict


def main() -> None:
    """Run the command in `sys.argv` and exit with its code."""
    if (conflict := find_conflict()) is not None:
        sys.exit(f"handrail: {conflict}")
    from bot.cli.main import run_command  # noqa: PLC0415 - a conflict makes this import fail

    sys.exit(run_command(sys.argv[1:]))
