"""The command line `handrail`: the table of its commands, and errors as messages with exit codes."""

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any

from typer import Exit, Option, Typer, echo
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from agents.core.errors import HandrailError
from agents.core.visible_text import escape_hidden_except_newlines


@dataclass(frozen=True)
class LazyCommand:
    """A command: where its Typer application is, as `module` or `module:variable`, and its help line.

    The variable is `app` by default.
    """

    location: str
    purpose: str


COMMANDS = {
    "up": LazyCommand("bot.cli.serve:up_app", "Start everything in one process. Stop it with Ctrl-C."),
    "chat": LazyCommand("bot.cli.chat", "Chat with an agent of the running server and answer its requests."),
    "threads": LazyCommand("bot.cli.threads", "List, show and control threads."),
    "requests": LazyCommand("bot.cli.requests", "List and answer the requests of agents."),
    "schedules": LazyCommand("bot.cli.schedules", "List schedules."),
    "people": LazyCommand("bot.cli.people", "List people, and find the person of an address."),
    "agents": LazyCommand("bot.cli.agents", "List, create and check agents."),
    "tokens": LazyCommand("bot.cli.tokens", "List, create and revoke API tokens."),
    "send": LazyCommand("bot.cli.send", "Send a message. Not available in this version."),
    "slack": LazyCommand("bot.cli.slack", "Set up the Slack app."),
    "doctor": LazyCommand("bot.cli.admin:doctor_app", "Check the installation and suggest fixes."),
    "config": LazyCommand("bot.cli.admin:config_app", "Check and show settings and configuration."),
    "migrate": LazyCommand("bot.cli.admin:migrate_app", "Migrate the database to this version."),
    "web": LazyCommand("bot.cli.serve:web_app", "Run an HTTP server process; worker processes do the work."),
    "smtp": LazyCommand("bot.cli.roles:smtp", "Run a process that receives mail; worker processes do the work."),
    "worker": LazyCommand("bot.cli.roles:worker", "Run a worker process."),
    "clock": LazyCommand("bot.cli.roles:clock", "Run a process for deadlines. Schedules come in a later version."),
}


class LazyGroup(TyperGroup):
    """Command group that lists commands from the table, so that `handrail --help` imports none of them."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {name: TyperCommand(name, help=entry.purpose) for name, entry in COMMANDS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        return name, command and _load_command(COMMANDS[str(name)]), rest


def _load_command(entry: LazyCommand) -> Any:
    module, _, variable = entry.location.partition(":")
    command = get_command(getattr(import_module(module), variable or "app"))
    command.params = [param for param in command.params if param.name not in _COMPLETION_OPTIONS]
    return command


_COMPLETION_OPTIONS = ("install_completion", "show_completion")
"""Options that typer adds to every command; only the top level keeps them."""


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
    with suppress(ValueError):  # only the main OS thread may set signal handlers
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts background jobs with SIGINT ignored
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
    from bot.config.settings import load_settings  # noqa: PLC0415 - saves `--help` 0.1 s

    with suppress(HandrailError):
        return load_settings().log_level == "debug"
    return False
