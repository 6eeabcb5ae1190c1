"""`handrail smtp | worker | clock`: one role in a process of its own, which takes a database for several."""

from typing import Annotated, cast, get_args

from typer import BadParameter, Option, Typer, echo

from agents.errors import Misconfigured
from bot.assembly import Role, refuse_sqlite
from bot.database import url_of
from bot.settings import load_settings
from bot.working import work
from storage.jobs import QUEUES, Queue

smtp, worker, clock = Typer(), Typer(), Typer()

AT_ONCE = 32
ALL = ",".join(QUEUES)

AtOnce = Annotated[int, Option("--concurrency", min=1, max=1000, help="How many jobs of each queue at once.")]


def _queues(names: str) -> str:
    wrong = [name for name in names.split(",") if name not in get_args(Queue)]
    if wrong:
        raise BadParameter(f"{wrong[0]!r} is no queue; there are: {', '.join(QUEUES)}")
    return names


Queues = Annotated[
    str, Option("--queues", callback=_queues, metavar="NAMES", help=f"Which, of {', '.join(QUEUES)}; comma separated.")
]


@smtp.command("smtp")
def _smtp() -> None:
    """Mail coming in, alone; not in this version."""
    refuse_sqlite(url_of(load_settings()), Role("smtp"))
    raise Misconfigured("mail comes with a later version: there is nothing for `handrail smtp` to do yet")


@worker.command("worker")
def _worker(*, concurrency: AtOnce = AT_ONCE, queues: Queues = ALL) -> None:
    """What moves threads on, alone."""
    chosen = tuple(dict.fromkeys(cast("list[Queue]", queues.split(","))))
    work(Role("worker", chosen, concurrency), _announce)


@clock.command("clock")
def _clock() -> None:
    """Deadlines, alone; schedules in a later version."""
    work(Role("clock", ("timer",), AT_ONCE), _announce)


def _announce(role: Role) -> None:
    echo(f"{role.name} takes jobs of {', '.join(role.queues)}, {role.concurrency} at once")
