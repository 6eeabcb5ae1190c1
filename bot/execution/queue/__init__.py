"""Execution with jobs in PostgreSQL that several processes share (ADR 0015)."""
