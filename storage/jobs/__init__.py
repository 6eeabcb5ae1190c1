"""Jobs on PostgreSQL, stored by Procrastinate: any of several workers may take one. Their arguments are ids only."""

from storage.jobs.queue import QUEUES, Job, Queue, RetryLater, RunningJob, defer, defer_on

__all__ = ["QUEUES", "Job", "Queue", "RetryLater", "RunningJob", "defer", "defer_on"]
