"""`python -m bot.cli`: the same as `handrail`, for when the script is not installed."""

from bot.cli import main

main()
