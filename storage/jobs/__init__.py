"""Jobs on PostgreSQL, kept by Procrastinate: wake-ups that any of several workers may take. They carry ids only."""

from storage.jobs.deferring import QUEUES, Job, Later, Queue, defer
from storage.jobs.held import HeldJob

__all__ = ["QUEUES", "HeldJob", "Job", "Later", "Queue", "defer"]
