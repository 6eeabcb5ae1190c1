"""`python -m bot.cli`: the same as `handrail`, where that is not installed."""

from bot.cli import main

main()
