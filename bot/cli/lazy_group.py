"""Table of all commands. The module of a command is imported only when the command runs."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from typer.core import TyperCommand, TyperGroup
from typer.main import get_command


@dataclass(frozen=True)
class LazyCommand:
    """A command: the module (and variable, `app` by default) of its Typer application, and its help line."""

    module: str
    purpose: str


COMMANDS = {
    "up": LazyCommand("bot.cli.up", "Start everything in one process. Stop it with Ctrl-C."),
    "chat": LazyCommand("bot.cli.chat", "Chat with an agent of the running server and answer its requests."),
    "threads": LazyCommand("bot.cli.threads", "List, show and control threads."),
    "requests": LazyCommand("bot.cli.requests", "List and answer the requests of agents."),
    "schedules": LazyCommand("bot.cli.schedules", "List schedules."),
    "people": LazyCommand("bot.cli.people", "List people, and find the person of an address."),
    "tokens": LazyCommand("bot.cli.tokens", "List, create and revoke API tokens."),
    "send": LazyCommand("bot.cli.send", "Send a message. Not available in this version."),
    "slack": LazyCommand("bot.cli.slack", "Set up the Slack app."),
    "doctor": LazyCommand("bot.cli.doctor", "Check the installation and suggest fixes."),
    "config": LazyCommand("bot.cli.config", "Check and show settings and configuration."),
    "migrate": LazyCommand("bot.cli.migrate", "Migrate the database to this version."),
    "web": LazyCommand("bot.cli.web:app", "Run an HTTP server process, next to worker processes."),
    "smtp": LazyCommand("bot.cli.roles:smtp", "Run a mail process. Not available in this version."),
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
    module, _, app = entry.module.partition(":")
    command = get_command(getattr(import_module(module), app or "app"))
    command.params = [param for param in command.params if param.name not in _COMPLETION_OPTIONS]
    return command


_COMPLETION_OPTIONS = ("install_completion", "show_completion")
"""Options that typer adds to every command; only the top level keeps them."""
