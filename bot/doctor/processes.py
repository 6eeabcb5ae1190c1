"""Findings about the processes that share a database, and about their queues and jobs."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from channels.abilities import Finding
from storage.jobs.queue import QueueStats, StalledJob
from storage.jobs.recovery import HEARTBEAT_TIMEOUT_SECONDS
from storage.processes import ProcessStatus
from storage.schedule import Backlog

_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60))


def format_age(duration: timedelta) -> str:
    """Return the duration in the largest unit of which it has at least two, such as "90 s" or "2 min".

    A negative duration, due to another machine's clock, is "0 s".
    """
    seconds = max(0, round(duration.total_seconds()))
    unit, size = next(((unit, size) for unit, size in _UNITS if seconds >= 2 * size), ("s", 1))
    return f"{seconds // size} {unit}"


MAX_UNTOUCHED_TIME = timedelta(minutes=5)
"""A thread without a commit for longer than this is not just between two steps."""
_MAX_NAMED_JOBS = 5


def process_findings(statuses: Sequence[ProcessStatus], now: datetime) -> Iterator[Finding]:
    """Yield a finding for each process, and a problem if none of them executes jobs."""
    yield from (_process_finding(status, now) for status in statuses)
    if not any(status.process.queues for status in _alive_processes(statuses, now)):
        message = "no worker is running; threads will not make progress"
        yield Finding(name="process", state="problem", message=message, fix="start `handrail worker`, preferably twice")


def queue_findings(stats: Sequence[QueueStats], statuses: Sequence[ProcessStatus], now: datetime) -> Iterator[Finding]:
    """Yield the load of each queue; a problem if no process serves it."""
    for load in stats:
        count = sum(load.queue in status.process.queues for status in _alive_processes(statuses, now))
        numbers = f"{load.queue}: {load.waiting} waiting, {load.doing} running, {load.later} scheduled"
        data = {**vars(load), "processes": count}
        if count:
            yield Finding(
                name="queue",
                state="ok",
                message=f"{numbers}; served by {count} {'process' if count == 1 else 'processes'}",
                data=data,
            )
        else:
            fix = f"start `handrail worker`; if you use `--queues`, include {load.queue}"
            message = f"{numbers}; served by no process"
            yield Finding(name="queue", state="problem", message=message, fix=fix, data=data)


def stalled_job_finding(stalled: Sequence[StalledJob]) -> Finding:
    """Return a finding about jobs of dead workers. A running worker requeues them within seconds."""
    data = {"stalled": [vars(job) for job in stalled]}
    if not stalled:
        return Finding(name="jobs", state="ok", message="no jobs of dead workers", data=data)
    jobs = ", ".join(f"{job.queue} of {job.thread_id or 'no thread'}" for job in stalled[:_MAX_NAMED_JOBS])
    message = f"{len(stalled)} jobs of dead workers: {jobs}{', …' if len(stalled) > _MAX_NAMED_JOBS else ''}"
    fix = "check again in 15 s: a running worker takes them over; then read the log of the worker that ended"
    return Finding(name="jobs", state="warning", message=message, fix=fix, data=data)


def backlog_finding(backlog: Backlog, now: datetime) -> Finding:
    """Return a finding about the thread that has waited longest for a worker, not for people or a timer."""
    oldest = backlog.oldest
    if oldest is None:
        message = "no thread waits for a worker"
        return Finding(name="threads", state="ok", message=message, data={"unfinished": 0, "oldest": None})
    since = now - oldest.updated_at
    data = {"id": oldest.thread_id, "status": oldest.status, "untouched_seconds": _round_seconds(since)}
    oldest_text = f"{oldest.thread_id} ({oldest.status}) had no event for {format_age(since)}"
    message = f"threads in progress: {backlog.threads}; {oldest_text}"
    fix = (
        f"run `handrail threads events {oldest.thread_id}`, and search the workers' logs for it"
        if since > MAX_UNTOUCHED_TIME
        else None
    )
    state = "warning" if fix else "ok"
    return Finding(
        name="threads", state=state, message=message, fix=fix, data={"unfinished": backlog.threads, "oldest": data}
    )


def _process_finding(status: ProcessStatus, now: datetime) -> Finding:
    process, since = status.process, now - status.last_seen_at
    jobs = (
        f"takes jobs of {', '.join(process.queues)}, {process.concurrency} of each at once"
        if process.queues
        else "takes no jobs"
    )
    message = f"{process.role} on {process.host}, pid {process.pid}, {jobs}; seen {format_age(since)} ago"
    data = {**vars(process), "queues": list(process.queues), "started_at": process.started_at.isoformat()}
    data["seen_seconds_ago"] = _round_seconds(since)
    if _is_silent(status, now):
        fix = (
            "if it was not stopped on purpose, read its log and start it again; other workers have taken over its jobs"
        )
        message = f"{message}; its heartbeats have stopped"
        return Finding(name="process", state="warning", message=message, fix=fix, data=data)
    return Finding(name="process", state="ok", message=message, data=data)


def _alive_processes(statuses: Sequence[ProcessStatus], now: datetime) -> Iterator[ProcessStatus]:
    return (status for status in statuses if not _is_silent(status, now))


def _is_silent(status: ProcessStatus, now: datetime) -> bool:
    return now - status.last_seen_at > timedelta(seconds=HEARTBEAT_TIMEOUT_SECONDS)


def _round_seconds(duration: timedelta) -> float:
    return round(max(0.0, duration.total_seconds()), 1)
