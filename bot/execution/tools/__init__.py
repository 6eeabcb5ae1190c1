"""Tool calls: their limits, OS threads and child processes, and the rules about their outcomes (ADR 0019)."""
