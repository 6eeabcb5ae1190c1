"""Description of a Slack user: their linked person and roles."""

from agents.visible_text import escape_hidden_characters
from channels.slack.escaping import truncate
from channels.slack.overview import Overview

_MAX_LENGTH = 1000


def describe_user(overview: Overview) -> str:
    """Return the user's name and roles, or how to link their Slack account in `handrail.toml`."""
    if overview.person is None:
        line = f'slack = "{escape_hidden_characters(overview.by.id)}"'
        return (
            "Your Slack account is not linked to a person. Ask an administrator to add this line to your entry under "
            f"people in handrail.toml: {line}"
        )
    roles = ", ".join(map(escape_hidden_characters, overview.person.roles))
    name, key = escape_hidden_characters(overview.person.name), escape_hidden_characters(overview.person.key)
    roles_text = f"with the roles {roles}" if roles else "without a role"
    return truncate(f"You are {name} ({key}), {roles_text}.", _MAX_LENGTH)
