"""All commands by name, with the line `--help` shows; the module behind a name is imported when it is called for."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from typer.core import TyperCommand, TyperGroup
from typer.main import get_command


@dataclass(frozen=True)
class LazyCommand:
    """One command: the module that has it as `app`, and what it is for."""

    module: str
    purpose: str


COMMANDS = {
    "up": LazyCommand("bot.cli.up", "Start everything in one process; Ctrl-C stops it."),
    "chat": LazyCommand("bot.cli.chat", "Talk to an agent of the running server, and answer what it asks."),
    "threads": LazyCommand("bot.cli.threads", "List, show and steer threads."),
    "requests": LazyCommand("bot.cli.requests", "List and answer what agents ask people."),
    "schedules": LazyCommand("bot.cli.schedules", "What starts by the clock."),
    "people": LazyCommand("bot.cli.people", "Who there is, and who an address belongs to."),
    "tokens": LazyCommand("bot.cli.tokens", "List, make and revoke tokens of the API."),
    "send": LazyCommand("bot.cli.send", "Send a message to an address."),
    "slack": LazyCommand("bot.cli.slack", "Set up the Slack app."),
    "doctor": LazyCommand("bot.cli.doctor", "Look for what is wrong here, and say what to do about it."),
    "config": LazyCommand("bot.cli.config", "Check and show settings and configuration."),
    "migrate": LazyCommand("bot.cli.migrate", "Bring the database to the form this version needs."),
    "web": LazyCommand("bot.cli.web:app", "HTTP alone, for a deployment of several processes."),
    "smtp": LazyCommand("bot.cli.roles:smtp", "Mail coming in, alone; not in this version."),
    "worker": LazyCommand("bot.cli.roles:worker", "What moves threads on, alone."),
    "clock": LazyCommand("bot.cli.roles:clock", "Deadlines, alone; schedules in a later version."),
}


class LazyGroup(TyperGroup):
    """Lists commands from the table alone: `handrail --help` imports none of them."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {name: TyperCommand(name, help=entry.purpose) for name, entry in COMMANDS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, found, rest = super().resolve_command(ctx, args)
        return name, found and _load_command(COMMANDS[str(name)]), rest


def _load_command(entry: LazyCommand) -> Any:
    module, _, app = entry.module.partition(":")
    command = get_command(getattr(import_module(module), app or "app"))
    command.params = [one for one in command.params if one.name not in _COMPLETION_OPTIONS]
    return command


_COMPLETION_OPTIONS = ("install_completion", "show_completion")
"""Options that typer gives to every command; here the top level alone has them."""
