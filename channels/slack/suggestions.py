"""Suggested prompts: messages that Slack offers to a person who opens the conversation with the bot.

Source: docs.slack.dev/reference/methods/assistant.threads.setSuggestedPrompts (at most four prompts).
"""

from agents.commands import Command, Commands
from channels.slack.escaping import truncate

MAX_PROMPTS = 4
_MAX_TITLE_LENGTH = 75
"""Slack documents no limit; this is the limit of button labels."""


def suggested_prompts(commands: Commands) -> tuple[dict[str, str], ...]:
    """Return the first commands without slots as prompts: Slack sends a prompt as it is when it is clicked."""
    phrases = [pattern for command in commands.commands if (pattern := _find_complete_phrase(command))]
    return tuple(
        {"title": truncate(text[:1].upper() + text[1:], _MAX_TITLE_LENGTH), "message": text}
        for text in phrases[:MAX_PROMPTS]
    )


def _find_complete_phrase(command: Command) -> str | None:
    return next((pattern for pattern in command.say if pattern.strip() and "{" not in pattern), None)
