"""All commands by name, with the line `--help` shows; the module behind a name is imported when it is called for."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from typer.core import TyperCommand, TyperGroup
from typer.main import get_command


@dataclass(frozen=True)
class Entry:
    """One command: the module that has it as `app`, and what it is for."""

    module: str
    purpose: str


COMMANDS = {
    "up": Entry("bot.cli.up", "Start everything in one process; Ctrl-C stops it."),
    "chat": Entry("bot.cli.chat", "Talk to an agent of the running server, and answer what it asks."),
    "threads": Entry("bot.cli.threads", "List, show and steer threads."),
    "requests": Entry("bot.cli.requests", "List and answer what agents ask people."),
    "schedules": Entry("bot.cli.schedules", "What starts by the clock."),
    "people": Entry("bot.cli.people", "Who there is, and who an address belongs to."),
    "tokens": Entry("bot.cli.tokens", "List, make and revoke tokens of the API."),
    "send": Entry("bot.cli.send", "Send a message to an address."),
    "slack": Entry("bot.cli.slack", "Set up the Slack app."),
    "doctor": Entry("bot.cli.doctor", "Look for what is wrong here, and say what to do about it."),
    "config": Entry("bot.cli.config", "Check and show settings and configuration."),
    "migrate": Entry("bot.cli.migrate", "Bring the database to the form this version needs."),
    "web": Entry("bot.cli.web:app", "HTTP alone, for a deployment of several processes."),
    "smtp": Entry("bot.cli.roles:smtp", "Mail coming in, alone; not in this version."),
    "worker": Entry("bot.cli.roles:worker", "What moves threads on, alone."),
    "clock": Entry("bot.cli.roles:clock", "Deadlines, alone; schedules in a later version."),
}


class Table(TyperGroup):
    """Lists commands from the table alone: `handrail --help` imports none of them."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {name: TyperCommand(name, help=entry.purpose) for name, entry in COMMANDS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, found, rest = super().resolve_command(ctx, args)
        return name, found and _imported(COMMANDS[str(name)]), rest


def _imported(entry: Entry) -> Any:
    module, _, app = entry.module.partition(":")
    command = get_command(getattr(import_module(module), app or "app"))
    command.params = [one for one in command.params if one.name not in _COMPLETION]
    return command


_COMPLETION = ("install_completion", "show_completion")
"""Options that typer gives to every command; here the top level alone has them."""
