"""Execution of threads: effects, model calls, tool calls, timers, in one process or with a job queue."""
