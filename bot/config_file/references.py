"""How names are written in `handrail.toml`, and the check that each reference leads somewhere."""

import re
from typing import Annotated

from pydantic import AfterValidator, ValidationInfo

from agents.addresses import Address
from agents.errors import Permanent
from bot.config_file.declared_names import DeclaredNames, declared_names
from bot.config_messages import closest_name, describe_unknown_name, quote, suggest_name
from channels.slack.destinations import parse_destination

ADDRESS_SCHEMES = ("slack", "email", "sms", "webhook", "terminal", "web", "person", "role")
_ADDRESS_FORMATS = {
    "email": (re.compile(r"[^@\s:<>,]{1,64}@[^@\s:<>,]{1,189}"), "email:alice@example.com"),
    "sms": (re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII), "sms:+15550001001"),
}
_NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)


def _check_name(value: str) -> str:
    if not _NAME_PATTERN.fullmatch(value):
        raise ValueError(f"must be 1 to 64 of a-z, 0-9, dot, dash and underscore (found {quote(value)})")
    return value


def _check_role(value: str) -> str:
    return value if value == "*" else _check_name(value)


def _check_held_role(value: str, info: ValidationInfo) -> str:
    known = declared_names(info)
    if not known.people_with_role(value):
        raise ValueError(_describe_unheld_role(value, known))
    return value


def _check_person(value: str, info: ValidationInfo) -> str:
    known = declared_names(info).people
    if value not in known:
        raise ValueError(describe_unknown_name("person", value, known))
    return value


def _check_tool(value: str, info: ValidationInfo) -> str:
    known = declared_names(info).tools
    if value != "*" and value not in known:
        raise ValueError(describe_unknown_name("tool", value, known))
    return value


def _check_agent(value: str, info: ValidationInfo) -> str:
    known = declared_names(info).agents
    if value not in known:
        near = closest_name(value, known) is not None
        advice = "" if near else "; name one that is there, or add this one first (docs/howto/add-an-agent.md)"
        raise ValueError(f"{describe_unknown_name('agent', value, known)}{advice}")
    return value


def _check_address(address: Address, info: ValidationInfo) -> Address:
    known = declared_names(info)
    match address.scheme:
        case "person":
            _check_person(address.id, info)
        case "terminal" | "web" if closest_name(address.id, known.people):
            _check_person(address.id, info)
        case "role" if address.id == "*":
            raise ValueError('"role:*" reaches nobody in particular; name a role')
        case "role":
            _check_held_role(address.id, info)
        case "webhook" if address.id not in known.webhooks:
            raise ValueError(describe_unknown_name("webhook", address.id, known.webhooks))
        case scheme:
            _check_channel_address(scheme, address)
    return address


def _check_channel_address(scheme: str, address: Address) -> None:
    if scheme not in ADDRESS_SCHEMES:
        raise ValueError(f"{quote(scheme)} is no way to reach anybody; {suggest_name(scheme, ADDRESS_SCHEMES)}")
    if scheme in _ADDRESS_FORMATS and not _ADDRESS_FORMATS[scheme][0].fullmatch(address.id):
        raise ValueError(f"must be written like {quote(_ADDRESS_FORMATS[scheme][1])} (found {quote(address)})")
    if scheme == "slack":
        _check_slack_destination(address)


def _check_slack_destination(address: Address) -> None:
    try:
        parse_destination(address)
    except Permanent as error:
        raise ValueError(str(error)) from None


def _describe_unheld_role(role: str, known: DeclaredNames) -> str:
    if not known.roles:
        return f"nobody has the role {quote(role)}, nor any other"
    return f"nobody has the role {quote(role)}; {suggest_name(role, known.roles)}"


Name = Annotated[str, AfterValidator(_check_name)]
"""A name the file gives: of a person, a webhook or a schedule; it may stand in addresses and in URLs."""

RoleName = Annotated[str, AfterValidator(_check_role)]
"""A role given to a person; `*` is every role."""

HeldRole = Annotated[str, AfterValidator(_check_held_role)]
"""A role that somebody holds; as an approver, `*` is everybody."""

KnownPerson = Annotated[str, AfterValidator(_check_person)]
"""The key of a person of the file."""

KnownTool = Annotated[str, AfterValidator(_check_tool)]
"""A tool of some agent, or `*` for every tool."""

KnownAgent = Annotated[str, AfterValidator(_check_agent)]
"""An agent there is."""

KnownAddress = Annotated[Address, AfterValidator(_check_address)]
"""An address on a channel, or of a person, a role or a webhook of the file."""


def check_unique(kind: str, value: str, count: int) -> str:
    """Refuses a name that several tables of one kind carry."""
    if count > 1:
        raise ValueError(f"{quote(value)} is the name of {count} {kind}; each needs its own")
    return value
