"""What a person is offered to say to an agent.

At most four, and for an agent of no thread: docs.slack.dev/reference/methods/assistant.threads.setSuggestedPrompts.
"""

from agents.commands import Command, Commands
from channels.slack.escaping import clipped

MOST_PROMPTS = 4
_LONGEST_TITLE = 75
"""No limit is documented; what a button holds can be read."""


def suggested_prompts(commands: Commands) -> tuple[dict[str, str], ...]:
    """The first commands that can be said as they are: Slack sends a prompt at once, nobody fills in its blanks."""
    said = [pattern for command in commands.commands if (pattern := _complete(command))]
    return tuple(
        {"title": clipped(text[:1].upper() + text[1:], _LONGEST_TITLE), "message": text} for text in said[:MOST_PROMPTS]
    )


def _complete(command: Command) -> str | None:
    return next((pattern for pattern in command.say if pattern.strip() and "{" not in pattern), None)
