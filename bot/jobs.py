"""The jobs a commit asks for, where several processes share the work."""

from collections.abc import Iterator
from datetime import datetime

from agents.addresses import Address
from agents.deadlines import wake_at
from agents.events import RequestAnswered, RequestExpired, TimerFired
from agents.next_step import work
from bot.engine import Recorded, posted
from storage.jobs import Job, defer
from storage.writes import Writes

_DECIDED = (RequestAnswered, RequestExpired, TimerFired)
_FIRST = 10
"""The priority of what people or the clock have decided: it goes before new model calls."""


def defer_what_follows(writes: Writes, recorded: Recorded) -> None:
    """For commits from outside: somebody has to move the thread on."""
    defer(writes, (*_advance(recorded), *_deliver(recorded), *_timer(recorded)))


def defer_what_others_do(writes: Writes, recorded: Recorded) -> None:
    """For commits of the worker that is moving the thread on itself, and goes on with it."""
    defer(writes, (*_deliver(recorded), *_timer(recorded)))


def advance_job(thread_id: str, priority: int = 0, *, failed: int = 0) -> Job:
    """One at a time for each thread; of those that wait one is enough, since it looks at the thread as it is then."""
    arguments = {"thread": thread_id, "failed": str(failed)}
    return Job("advance", arguments, priority=priority, lock=thread_id, once=f"advance:{thread_id}")


def timer_job(thread_id: str, at: datetime, *, failed: int = 0, as_of: datetime | None = None) -> Job:
    """Without a lock: a job for later would keep all others of its thread waiting until then.

    `failed` tells how often in a row the thread could not be moved on, so that the wait is longer each time. `as_of` is
    the time of this process where the database's clock was seen to be ahead of it.
    """
    when = at.isoformat()
    arguments = {"thread": thread_id, "at": when, "failed": str(failed)}
    return Job("timer", arguments, once=f"timer:{thread_id}:{when}", at=at, as_of=as_of)


def deliver_job(thread_id: str, to: Address, priority: int = 0) -> Job:
    """In order for each destination, also while the first is tried again and again."""
    return Job("deliver", {"thread": thread_id, "to": to}, priority=priority, lock=f"to:{to}")


def deliver_again_job(thread_id: str, to: Address) -> Job:
    """For a message that lies there though its own job may be lost: some attempt may have arrived."""
    arguments = {"thread": thread_id, "to": to, "again": "yes"}
    return Job("deliver", arguments, lock=f"to:{to}", once=f"deliver:{thread_id}:{to}")


def _advance(recorded: Recorded) -> Iterator[Job]:
    if work(recorded.after):
        decided = any(isinstance(event, _DECIDED) for event in recorded.events)
        yield advance_job(recorded.after.thread_id, _FIRST if decided else 0)


def _deliver(recorded: Recorded) -> Iterator[Job]:
    """Cards before words: somebody waits for what is asked there."""
    effects = posted(recorded.before, recorded.after)
    for to in dict.fromkeys(effect.to for effect in effects):
        asks = any(effect.to == to and effect.message.card is not None for effect in effects)
        yield deliver_job(recorded.after.thread_id, to, _FIRST if asks else 0)


def _timer(recorded: Recorded) -> Iterator[Job]:
    at = wake_at(recorded.after)
    if at is not None and at != wake_at(recorded.before):
        yield timer_job(recorded.after.thread_id, at)
