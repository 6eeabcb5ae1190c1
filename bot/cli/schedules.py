"""`handrail schedules`: what the configuration starts by the clock."""

from typing import Annotated

from typer import Argument, Typer

from agents.errors import NotFound, Refused
from bot.cli.screen import AsJson, show, show_json
from bot.house import load_house
from bot.mistakes import no_such
from bot.settings import load_settings
from channels.terminal.outbound import notice, table

app = Typer(no_args_is_help=True, help="What starts by the clock.")

Name = Annotated[str, Argument(metavar="NAME", help="A schedule of the configuration.")]


@app.command("list")
def list_schedules(*, as_json: AsJson = False) -> None:
    """The schedules of the configuration."""
    settings = load_settings()
    schedules = load_house(settings).schedules
    if as_json:
        return show_json([schedule.model_dump(mode="json") for schedule in schedules])
    rows = [(s.name, s.cron, s.timezone, s.agent or "", s.reply_to or "", s.message) for s in schedules]
    names = ("schedule", "cron", "time zone", "agent", "replies to", "says")
    return show(settings, table(names, rows) if rows else notice("no schedules are configured"))


@app.command()
def run(name: Name) -> None:
    """Fire a schedule now."""
    _refuse(name, "fire it")


@app.command()
def pause(name: Name) -> None:
    """Keep a schedule from firing."""
    _refuse(name, "pause it")


@app.command()
def resume(name: Name) -> None:
    """Let a schedule fire again."""
    _refuse(name, "resume it")


def _refuse(name: str, order: str) -> None:
    names = {schedule.name for schedule in load_house(load_settings()).schedules}
    if name not in names:
        raise NotFound(no_such("schedule", name, names))
    raise Refused(f"this version reads schedules but has no clock that fires them, so it cannot {order}")
