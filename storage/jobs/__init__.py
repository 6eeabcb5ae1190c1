"""Jobs on PostgreSQL, kept by Procrastinate: wake-ups that any of several workers may take. They carry ids only."""

from storage.jobs.queue import QUEUES, Job, Queue, RetryLater, defer
from storage.jobs.running_job import RunningJob

__all__ = ["QUEUES", "Job", "Queue", "RetryLater", "RunningJob", "defer"]
