"""Who somebody is here."""

from agents.visible import visible
from channels.slack.escaping import clipped
from channels.slack.overview import Overview

_LONGEST = 1000


def introduction(overview: Overview) -> str:
    """Their name and roles, or what to write into handrail.toml so that they are somebody."""
    if overview.person is None:
        line = f'slack = "{visible(overview.by.rest)}"'
        return f"I do not know you. Whoever keeps handrail.toml can name you there, in your entry under people: {line}"
    roles = ", ".join(map(visible, overview.person.roles))
    told = f"You are {visible(overview.person.name)} ({visible(overview.person.key)})"
    return clipped(f"{told}, with the roles {roles}." if roles else f"{told}, without a role.", _LONGEST)
