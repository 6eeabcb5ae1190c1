"""The processes that share a database, and the work that lies between them."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from bot.doctor.age import format_age
from bot.doctor.finding import Finding
from storage.jobs.recovery import HEARTBEAT_TIMEOUT_SECONDS
from storage.jobs.stats import QueueStats, StalledJob
from storage.processes import ProcessStatus
from storage.schedule import Backlog

MAX_UNTOUCHED_TIME = timedelta(minutes=5)
"""Untouched for longer than this, a thread is no longer just between two steps."""
_MAX_NAMED_JOBS = 5


def process_findings(statuses: Sequence[ProcessStatus], now: datetime) -> Iterator[Finding]:
    """Each process there is; a problem when none of them takes jobs."""
    yield from (_process_finding(one, now) for one in statuses)
    if not any(one.process.queues for one in _alive_processes(statuses, now)):
        told, fix = "no process takes jobs: no thread moves on", "start `handrail worker`, best two of them"
        yield Finding(name="process", state="problem", message=told, fix=fix)


def queue_findings(stats: Sequence[QueueStats], statuses: Sequence[ProcessStatus], now: datetime) -> Iterator[Finding]:
    """What each queue holds; a problem when nobody serves it."""
    for load in stats:
        servers = sum(load.queue in one.process.queues for one in _alive_processes(statuses, now))
        told = f"{load.queue}: {load.waiting} waiting, {load.doing} being done, {load.later} for later; served by "
        data = {**vars(load), "processes": servers}
        if servers:
            yield Finding(name="queue", state="ok", message=f"{told}{servers}", data=data)
        else:
            fix = f"start `handrail worker`; with `--queues` it has to name {load.queue}"
            yield Finding(name="queue", state="problem", message=f"{told}nobody", fix=fix, data=data)


def stalled_job_finding(stalled: Sequence[StalledJob]) -> Finding:
    """Those whose worker is gone: any worker that lives gives them to others, so there are some for seconds only."""
    data = {"stalled": [vars(job) for job in stalled]}
    if not stalled:
        return Finding(name="jobs", state="ok", message="no job was left behind by a worker that is gone", data=data)
    named = ", ".join(f"{job.queue} of {job.thread_id or 'nobody'}" for job in stalled[:_MAX_NAMED_JOBS])
    told = (
        f"{len(stalled)} left behind by a worker that is gone: {named}{', …' if len(stalled) > _MAX_NAMED_JOBS else ''}"
    )
    fix = "look again in 15 s: a running worker takes them over; then look into the log of the one that ended"
    return Finding(name="jobs", state="warning", message=told, fix=fix, data=data)


def backlog_finding(backlog: Backlog, now: datetime) -> Finding:
    """The thread that has waited longest for a worker. Threads that wait for people or the clock are none of these."""
    oldest = backlog.oldest
    if oldest is None:
        told = "no thread waits for a worker"
        return Finding(name="threads", state="ok", message=told, data={"unfinished": 0, "oldest": None})
    since = now - oldest.updated_at
    data = {"id": oldest.thread_id, "status": oldest.status, "untouched_seconds": _round_seconds(since)}
    told = f"{backlog.threads} under way; {oldest.thread_id} ({oldest.status}) was not touched for {format_age(since)}"
    fix = (
        f"`handrail threads events {oldest.thread_id}`, and what the workers' logs say of it"
        if since > MAX_UNTOUCHED_TIME
        else None
    )
    state = "warning" if fix else "ok"
    return Finding(
        name="threads", state=state, message=told, fix=fix, data={"unfinished": backlog.threads, "oldest": data}
    )


def _process_finding(status: ProcessStatus, now: datetime) -> Finding:
    process, since = status.process, now - status.last_seen_at
    does = f"takes {', '.join(process.queues)}, {process.concurrency} at once" if process.queues else "takes no jobs"
    told = f"{process.role} on {process.host}, pid {process.pid}, {does}; seen {format_age(since)} ago"
    data = {**vars(process), "queues": list(process.queues), "started_at": process.started_at.isoformat()}
    data["seen_seconds_ago"] = _round_seconds(since)
    if _is_silent(status, now):
        fix = "when it was not stopped on purpose, look into its log and start it again; others have its jobs"
        return Finding(name="process", state="warning", message=f"{told}, and silent since", fix=fix, data=data)
    return Finding(name="process", state="ok", message=told, data=data)


def _alive_processes(statuses: Sequence[ProcessStatus], now: datetime) -> Iterator[ProcessStatus]:
    return (one for one in statuses if not _is_silent(one, now))


def _is_silent(status: ProcessStatus, now: datetime) -> bool:
    return now - status.last_seen_at > timedelta(seconds=HEARTBEAT_TIMEOUT_SECONDS)


def _round_seconds(duration: timedelta) -> float:
    return round(max(0.0, duration.total_seconds()), 1)
