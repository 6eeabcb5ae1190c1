"""`handrail schedules`: the configured schedules."""

from typing import Annotated

from typer import Argument, Typer

from agents.core.errors import Conflict, NotFound
from bot.cli.output import JsonOption, print_json, print_view
from bot.config.installation import load_installation
from bot.config.messages import describe_unknown_name
from bot.config.settings import load_settings
from channels.terminal.views import info_view, table

app = Typer(no_args_is_help=True, help="List schedules.")

ScheduleNameArgument = Annotated[str, Argument(metavar="NAME", help="The name of a configured schedule.")]


@app.command("list")
def list_schedules(*, as_json: JsonOption = False) -> None:
    """List the configured schedules."""
    settings = load_settings()
    schedules = load_installation(settings).configuration.schedules
    if as_json:
        return print_json([schedule.model_dump(mode="json") for schedule in schedules])
    rows = [(s.name, s.cron, s.timezone, s.agent or "", s.reply_to or "", s.message) for s in schedules]
    names = ("schedule", "cron", "time zone", "agent", "replies to", "message")
    return print_view(settings, table(names, rows) if rows else info_view("no schedules are configured"))


@app.command()
def run(name: ScheduleNameArgument) -> None:
    """Fire a schedule now."""
    _reject_as_unsupported(name, "fire it")


@app.command()
def pause(name: ScheduleNameArgument) -> None:
    """Keep a schedule from firing."""
    _reject_as_unsupported(name, "pause it")


@app.command()
def resume(name: ScheduleNameArgument) -> None:
    """Let a paused schedule fire again."""
    _reject_as_unsupported(name, "resume it")


def _reject_as_unsupported(name: str, action: str) -> None:
    names = {schedule.name for schedule in load_installation(load_settings()).configuration.schedules}
    if name not in names:
        raise NotFound(describe_unknown_name("schedule", name, names))
    raise Conflict(f"this version cannot {action}: it reads schedules, but does not run them yet")
