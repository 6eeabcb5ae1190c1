"""Measurements. They print figures and the ratio to raw commits of the same run; nothing here is a test."""
