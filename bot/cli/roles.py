"""`handrail smtp | worker | clock`: run one role in its own process. It requires a PostgreSQL database."""

from typing import Annotated, cast, get_args

from typer import BadParameter, Option, Typer, echo

from bot.process import ProcessRole, run_worker
from bot.smtp_process import run_smtp
from storage.jobs import QUEUES, Queue

smtp, worker, clock = Typer(), Typer(), Typer()

DEFAULT_CONCURRENCY = 32
ALL_QUEUES = ",".join(QUEUES)

ConcurrencyOption = Annotated[
    int, Option("--concurrency", min=1, max=1000, help="Number of jobs of each queue to run at once.")
]


def _validate_queues(names: str) -> str:
    unknown = [name for name in names.split(",") if name not in get_args(Queue)]
    if unknown:
        raise BadParameter(f"unknown queue {unknown[0]!r}; use one of: {', '.join(QUEUES)}")
    return names


QueuesOption = Annotated[
    str,
    Option(
        "--queues",
        callback=_validate_queues,
        metavar="NAMES",
        help=f"Queues to work on, separated by commas: {', '.join(QUEUES)}.",
    ),
]


@smtp.command("smtp")
def _run_smtp() -> None:
    """Run a process that receives mail; worker processes do the work."""
    run_smtp(lambda names: echo(f"smtp receives for {', '.join(names)}"))


@worker.command("worker")
def _run_worker(*, concurrency: ConcurrencyOption = DEFAULT_CONCURRENCY, queues: QueuesOption = ALL_QUEUES) -> None:
    """Run a worker process."""
    unique_queues = tuple(dict.fromkeys(cast("list[Queue]", queues.split(","))))
    run_worker(ProcessRole("worker", unique_queues, concurrency), _print_role)


@clock.command("clock")
def _run_clock() -> None:
    """Run a process for deadlines. Schedules come in a later version."""
    run_worker(ProcessRole("clock", ("timer",), DEFAULT_CONCURRENCY), _print_role)


def _print_role(role: ProcessRole) -> None:
    echo(f"{role.name} takes jobs of {', '.join(role.queues)}, {role.concurrency} of each at once")
