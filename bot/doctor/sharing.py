"""The processes that share a database, and the work that lies between them."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from bot.doctor.age import age
from bot.doctor.finding import Finding
from storage.jobs.looking import Load, StalledJob
from storage.jobs.stalled import STALE
from storage.processes import Seen
from storage.wakeups import Backlog

LONG = timedelta(minutes=5)
"""Untouched for longer than this, a thread is no longer just between two steps."""
_MOST_NAMED = 5


def processes(seen: Sequence[Seen], now: datetime) -> Iterator[Finding]:
    """Each process there is; a problem when none of them takes jobs."""
    yield from (_process(one, now) for one in seen)
    if not any(one.process.queues for one in _alive(seen, now)):
        told, fix = "no process takes jobs: no thread moves on", "start `handrail worker`, best two of them"
        yield Finding(name="process", state="problem", told=told, fix=fix)


def queues(loads: Sequence[Load], seen: Sequence[Seen], now: datetime) -> Iterator[Finding]:
    """What each queue holds; a problem when nobody serves it."""
    for load in loads:
        servers = sum(load.queue in one.process.queues for one in _alive(seen, now))
        told = f"{load.queue}: {load.waiting} waiting, {load.doing} being done, {load.later} for later; served by "
        data = {**vars(load), "processes": servers}
        if servers:
            yield Finding(name="queue", state="ok", told=f"{told}{servers}", data=data)
        else:
            fix = f"start `handrail worker`; with `--queues` it has to name {load.queue}"
            yield Finding(name="queue", state="problem", told=f"{told}nobody", fix=fix, data=data)


def jobs(stalled: Sequence[StalledJob]) -> Finding:
    """Those whose worker is gone: any worker that lives gives them to others, so there are some for seconds only."""
    data = {"stalled": [vars(job) for job in stalled]}
    if not stalled:
        return Finding(name="jobs", state="ok", told="no job was left behind by a worker that is gone", data=data)
    named = ", ".join(f"{job.queue} of {job.thread_id or 'nobody'}" for job in stalled[:_MOST_NAMED])
    told = f"{len(stalled)} left behind by a worker that is gone: {named}{', …' if len(stalled) > _MOST_NAMED else ''}"
    fix = "look again in 15 s: a running worker takes them over; then look into the log of the one that ended"
    return Finding(name="jobs", state="warning", told=told, fix=fix, data=data)


def threads(backlog: Backlog, now: datetime) -> Finding:
    """The thread that has waited longest for a worker. Threads that wait for people or the clock are none of these."""
    oldest = backlog.oldest
    if oldest is None:
        told = "no thread waits for a worker"
        return Finding(name="threads", state="ok", told=told, data={"unfinished": 0, "oldest": None})
    since = now - oldest.at
    data = {"id": oldest.thread_id, "status": oldest.status, "untouched_seconds": _seconds(since)}
    told = f"{backlog.threads} under way; {oldest.thread_id} ({oldest.status}) was not touched for {age(since)}"
    fix = (
        f"`handrail threads events {oldest.thread_id}`, and what the workers' logs say of it" if since > LONG else None
    )
    state = "warning" if fix else "ok"
    return Finding(
        name="threads", state=state, told=told, fix=fix, data={"unfinished": backlog.threads, "oldest": data}
    )


def _process(seen: Seen, now: datetime) -> Finding:
    process, since = seen.process, now - seen.at
    does = f"takes {', '.join(process.queues)}, {process.concurrency} at once" if process.queues else "takes no jobs"
    told = f"{process.role} on {process.host}, pid {process.pid}, {does}; seen {age(since)} ago"
    data = {**vars(process), "queues": list(process.queues), "started_at": process.started_at.isoformat()}
    data["seen_seconds_ago"] = _seconds(since)
    if _silent(seen, now):
        fix = "when it was not stopped on purpose, look into its log and start it again; others have its jobs"
        return Finding(name="process", state="warning", told=f"{told}, and silent since", fix=fix, data=data)
    return Finding(name="process", state="ok", told=told, data=data)


def _alive(seen: Sequence[Seen], now: datetime) -> Iterator[Seen]:
    return (one for one in seen if not _silent(one, now))


def _silent(seen: Seen, now: datetime) -> bool:
    return now - seen.at > timedelta(seconds=STALE)


def _seconds(time: timedelta) -> float:
    return round(max(0.0, time.total_seconds()), 1)
