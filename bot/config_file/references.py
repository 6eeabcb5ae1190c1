"""How names are written in `handrail.toml`, and the check that each reference leads somewhere."""

import re
from typing import Annotated

from pydantic import AfterValidator, ValidationInfo

from agents.addresses import Address
from agents.errors import Permanent
from bot.config_file.names import Names, names
from bot.mistakes import nearest, no_such, quoted, suggestion
from channels.slack.places import spot_of

REACHABLE = ("slack", "email", "sms", "webhook", "terminal", "web", "person", "role")
_PLACES = {
    "email": (re.compile(r"[^@\s:<>,]{1,64}@[^@\s:<>,]{1,189}"), "email:alice@example.com"),
    "sms": (re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII), "sms:+15550001001"),
}
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError(f"must be 1 to 64 of a-z, 0-9, dot, dash and underscore (found {quoted(value)})")
    return value


def _role(value: str) -> str:
    return value if value == "*" else _name(value)


def _held_role(value: str, info: ValidationInfo) -> str:
    known = names(info)
    if not known.with_role(value):
        raise ValueError(_held_by_nobody(value, known))
    return value


def _known_person(value: str, info: ValidationInfo) -> str:
    known = names(info).people
    if value not in known:
        raise ValueError(no_such("person", value, known))
    return value


def _known_tool(value: str, info: ValidationInfo) -> str:
    known = names(info).tools
    if value != "*" and value not in known:
        raise ValueError(no_such("tool", value, known))
    return value


def _known_agent(value: str, info: ValidationInfo) -> str:
    known = names(info).agents
    if value not in known:
        near = nearest(value, known) is not None
        advice = "" if near else "; name one that is there, or add this one first (docs/howto/add-an-agent.md)"
        raise ValueError(f"{no_such('agent', value, known)}{advice}")
    return value


def _known_address(address: Address, info: ValidationInfo) -> Address:
    known = names(info)
    match address.scheme:
        case "person":
            _known_person(address.rest, info)
        case "terminal" | "web" if nearest(address.rest, known.people):
            _known_person(address.rest, info)
        case "role" if address.rest == "*":
            raise ValueError('"role:*" reaches nobody in particular; name a role')
        case "role":
            _held_role(address.rest, info)
        case "webhook" if address.rest not in known.webhooks:
            raise ValueError(no_such("webhook", address.rest, known.webhooks))
        case scheme:
            _written_as_its_channel_does(scheme, address)
    return address


def _written_as_its_channel_does(scheme: str, address: Address) -> None:
    if scheme not in REACHABLE:
        raise ValueError(f"{quoted(scheme)} is no way to reach anybody; {suggestion(scheme, REACHABLE)}")
    if scheme in _PLACES and not _PLACES[scheme][0].fullmatch(address.rest):
        raise ValueError(f"must be written like {quoted(_PLACES[scheme][1])} (found {quoted(address)})")
    if scheme == "slack":
        _slack_place(address)


def _slack_place(address: Address) -> None:
    try:
        spot_of(address)
    except Permanent as error:
        raise ValueError(str(error)) from None


def _held_by_nobody(role: str, known: Names) -> str:
    if not known.roles:
        return f"nobody has the role {quoted(role)}, nor any other"
    return f"nobody has the role {quoted(role)}; {suggestion(role, known.roles)}"


Name = Annotated[str, AfterValidator(_name)]
"""A name the file gives: of a person, a webhook or a schedule; it may stand in addresses and in URLs."""

Role = Annotated[str, AfterValidator(_role)]
"""A role given to a person; `*` is every role."""

HeldRole = Annotated[str, AfterValidator(_held_role)]
"""A role that somebody holds; as an approver, `*` is everybody."""

KnownPerson = Annotated[str, AfterValidator(_known_person)]
"""The key of a person of the file."""

KnownTool = Annotated[str, AfterValidator(_known_tool)]
"""A tool of some agent, or `*` for every tool."""

KnownAgent = Annotated[str, AfterValidator(_known_agent)]
"""An agent there is."""

KnownAddress = Annotated[Address, AfterValidator(_known_address)]
"""An address on a channel, or of a person, a role or a webhook of the file."""


def only_once(kind: str, value: str, times: int) -> str:
    """Refuses a name that several tables of one kind carry."""
    if times > 1:
        raise ValueError(f"{quoted(value)} is the name of {times} {kind}; each needs its own")
    return value
