"""Slack, wired: what comes in reaches threads and requests, and people are told what came of it."""
