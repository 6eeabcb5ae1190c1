"""The outside world, translated: one folder per channel, strangers to each other and to storage."""
