"""`handrail web | smtp | worker | clock`: one role in a process of its own, which takes a database for several."""

from typing import NoReturn

from typer import Typer

from agents.errors import Misconfigured
from bot.local_database import url_of
from bot.settings import load_settings

web, smtp, worker, clock = Typer(), Typer(), Typer(), Typer()


@web.command("web")
def _web() -> None:
    """HTTP alone, for a deployment of several processes."""
    _refuse("web")


@smtp.command("smtp")
def _smtp() -> None:
    """Mail coming in, alone."""
    _refuse("smtp")


@worker.command("worker")
def _worker() -> None:
    """What moves threads on, alone."""
    _refuse("worker")


@clock.command("clock")
def _clock() -> None:
    """Schedules and deadlines, alone."""
    _refuse("clock")


def _refuse(role: str) -> NoReturn:
    url_of(load_settings())
    raise Misconfigured(
        f"SQLite is for one process: `handrail {role}` cannot share it with the others. Use `handrail up`, which runs "
        "them all, or PostgreSQL once this Handrail has that engine"
    )
