"""Entry point of the command line. It turns errors into a message on stderr and an exit code."""

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated

from typer import Exit, Option, Typer, echo
from typer.main import get_command

from agents.errors import HandrailError
from agents.visible_text import escape_hidden_except_newlines
from bot.cli.lazy_group import LazyGroup

INTERRUPTED_EXIT_CODE = 130  # 128 + SIGINT, as in shells

app = Typer(
    cls=LazyGroup,
    name="handrail",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def handrail(
    *, should_show_version: Annotated[bool, Option("--version", help="Show the version.", show_default=False)] = False
) -> None:
    """ChatOps bot whose risky tool calls need the approval of a person."""
    if should_show_version:
        from importlib.metadata import version  # noqa: PLC0415 - 20 ms that only `--version` needs

        echo(version("handrail"))
        raise Exit


def run_command(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code. A stack trace is printed only with LOG_LEVEL=debug."""
    with suppress(ValueError):  # only the main thread may set signal handlers
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job of a shell inherits "ignored"
    try:
        code = _invoke(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # stdout has no reader any more
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED_EXIT_CODE
    except HandrailError as error:
        echo(f"handrail: {escape_hidden_except_newlines(str(error))}", err=True)
        return 1
    except Exception as error:  # noqa: BLE001 - report every error to the user
        echo(f"handrail: {escape_hidden_except_newlines(_describe_unexpected(error))}", err=True)
        return 1
    return code


def _invoke(arguments: Sequence[str]) -> int:
    try:
        get_command(app).main(args=list(arguments), prog_name="handrail")
    except SystemExit as exit_request:
        return exit_request.code if isinstance(exit_request.code, int) else 0
    return 0


def _describe_unexpected(error: Exception) -> str:
    if _is_debugging():
        return "".join(traceback.format_exception(error)).rstrip()
    return f"unexpected {type(error).__name__}: a bug in Handrail, please report it; set LOG_LEVEL=debug to see where"


def _is_debugging() -> bool:
    from bot.settings import load_settings  # noqa: PLC0415 - saves `--help` 0.1 s

    with suppress(HandrailError):
        return load_settings().log_level == "debug"
    return False
