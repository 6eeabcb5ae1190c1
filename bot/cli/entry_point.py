"""The entrance of the command line, and the one place where an error becomes a sentence and an exit code."""

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

INTERRUPTED_EXIT_CODE = 130  # 128 + SIGINT, as shells say it

app = Typer(
    cls=LazyGroup,
    name="handrail",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def handrail(
    *, version: Annotated[bool, Option("--version", help="Say which version this is.", show_default=False)] = False
) -> None:
    """Agents propose, people hold the rail."""
    if version:
        from importlib.metadata import version as installed  # noqa: PLC0415 - 20 ms that no other command needs

        echo(installed("handrail"))
        raise Exit


def run_command(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code. Nobody is shown a stack trace who did not ask for it by LOG_LEVEL."""
    with suppress(ValueError):  # in another than the main thread, which has no signals
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job of a shell inherits "ignored"
    try:
        code = _invoke(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left has no reader
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED_EXIT_CODE
    except HandrailError as error:
        echo(f"handrail: {escape_hidden_except_newlines(str(error))}", err=True)
        return 1
    except Exception as error:  # noqa: BLE001 - whatever it is, a person reads it
        echo(f"handrail: {escape_hidden_except_newlines(_describe_unexpected(error))}", err=True)
        return 1
    return code


def _invoke(arguments: Sequence[str]) -> int:
    try:
        get_command(app).main(args=list(arguments), prog_name="handrail")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    return 0


def _describe_unexpected(error: Exception) -> str:
    if _is_debugging():
        return "".join(traceback.format_exception(error)).rstrip()
    return f"unexpected {type(error).__name__}; LOG_LEVEL=debug shows where. This is a mistake of ours: please tell us."


def _is_debugging() -> bool:
    from bot.settings import load_settings  # noqa: PLC0415 - 0.1 s that `--help` needs not

    with suppress(HandrailError):
        return load_settings().log_level == "debug"
    return False
