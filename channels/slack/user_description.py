"""Who somebody is here."""

from agents.visible_text import escape_hidden_characters
from channels.slack.escaping import truncate
from channels.slack.overview import Overview

_MAX_LENGTH = 1000


def describe_user(overview: Overview) -> str:
    """Their name and roles, or what to write into handrail.toml so that they are somebody."""
    if overview.person is None:
        line = f'slack = "{escape_hidden_characters(overview.by.id)}"'
        return f"I do not know you. Whoever keeps handrail.toml can name you there, in your entry under people: {line}"
    roles = ", ".join(map(escape_hidden_characters, overview.person.roles))
    told = f"You are {escape_hidden_characters(overview.person.name)} ({escape_hidden_characters(overview.person.key)})"
    return truncate(f"{told}, with the roles {roles}." if roles else f"{told}, without a role.", _MAX_LENGTH)
