"""What a person is offered to say to an agent.

At most four, and for an agent of no thread: docs.slack.dev/reference/methods/assistant.threads.setSuggestedPrompts.
"""

from agents.commands import Command, Commands
from channels.slack.escaping import truncate

MAX_PROMPTS = 4
_MAX_TITLE_LENGTH = 75
"""No limit is documented; what a button holds can be read."""


def suggested_prompts(commands: Commands) -> tuple[dict[str, str], ...]:
    """The first commands that can be said as they are: Slack sends a prompt at once, nobody fills in its blanks."""
    said = [pattern for command in commands.commands if (pattern := _find_complete_phrase(command))]
    return tuple(
        {"title": truncate(text[:1].upper() + text[1:], _MAX_TITLE_LENGTH), "message": text}
        for text in said[:MAX_PROMPTS]
    )


def _find_complete_phrase(command: Command) -> str | None:
    return next((pattern for pattern in command.say if pattern.strip() and "{" not in pattern), None)
