"""`handrail smtp | worker | clock`: one role in a process of its own, which takes a database for several."""

from typing import Annotated, cast, get_args

from typer import BadParameter, Option, Typer, echo

from agents.errors import ConfigurationError
from bot.database_setup import database_url
from bot.process_setup import ProcessRole, reject_sqlite
from bot.settings import load_settings
from bot.worker_process import run_worker
from storage.jobs import QUEUES, Queue

smtp, worker, clock = Typer(), Typer(), Typer()

DEFAULT_CONCURRENCY = 32
ALL_QUEUES = ",".join(QUEUES)

ConcurrencyOption = Annotated[
    int, Option("--concurrency", min=1, max=1000, help="How many jobs of each queue at once.")
]


def _validate_queues(names: str) -> str:
    wrong = [name for name in names.split(",") if name not in get_args(Queue)]
    if wrong:
        raise BadParameter(f"{wrong[0]!r} is no queue; there are: {', '.join(QUEUES)}")
    return names


QueuesOption = Annotated[
    str,
    Option(
        "--queues", callback=_validate_queues, metavar="NAMES", help=f"Which, of {', '.join(QUEUES)}; comma separated."
    ),
]


@smtp.command("smtp")
def _run_smtp() -> None:
    """Mail coming in, alone; not in this version."""
    reject_sqlite(database_url(load_settings()), ProcessRole("smtp"))
    raise ConfigurationError("mail comes with a later version: there is nothing for `handrail smtp` to do yet")


@worker.command("worker")
def _run_worker(*, concurrency: ConcurrencyOption = DEFAULT_CONCURRENCY, queues: QueuesOption = ALL_QUEUES) -> None:
    """What moves threads on, alone."""
    chosen = tuple(dict.fromkeys(cast("list[Queue]", queues.split(","))))
    run_worker(ProcessRole("worker", chosen, concurrency), _print_role)


@clock.command("clock")
def _run_clock() -> None:
    """Deadlines, alone; schedules in a later version."""
    run_worker(ProcessRole("clock", ("timer",), DEFAULT_CONCURRENCY), _print_role)


def _print_role(role: ProcessRole) -> None:
    echo(f"{role.name} takes jobs of {', '.join(role.queues)}, {role.concurrency} at once")
