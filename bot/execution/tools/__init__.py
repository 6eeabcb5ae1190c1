"""Tool calls: their slots, threads and processes, and the rules about their outcomes (ADR 0019)."""
