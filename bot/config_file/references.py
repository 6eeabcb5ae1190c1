"""Types for names in `handrail.toml`, and for references, which must refer to something that exists."""

import re
from typing import Annotated

from pydantic import AfterValidator, ValidationInfo

from agents.addresses import Address
from agents.errors import Permanent
from bot.config_file.declared_names import DeclaredNames, get_declared_names
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
    known = get_declared_names(info)
    if not known.people_with_role(value):
        raise ValueError(_describe_unheld_role(value, known))
    return value


def _check_person(value: str, info: ValidationInfo) -> str:
    known = get_declared_names(info).people
    if value not in known:
        raise ValueError(describe_unknown_name("person", value, known))
    return value


def _check_tool(value: str, info: ValidationInfo) -> str:
    known = get_declared_names(info).tools
    if value != "*" and value not in known:
        raise ValueError(describe_unknown_name("tool", value, known))
    return value


def _check_agent(value: str, info: ValidationInfo) -> str:
    known = get_declared_names(info).agents
    if value not in known:
        has_closest = closest_name(value, known) is not None
        advice = "" if has_closest else "; use one of these, or add this one first (docs/howto/add-an-agent.md)"
        raise ValueError(f"{describe_unknown_name('agent', value, known)}{advice}")
    return value


def _check_address(address: Address, info: ValidationInfo) -> Address:
    known = get_declared_names(info)
    match address.scheme:
        case "person":
            _check_person(address.id, info)
        case "terminal" | "web" if closest_name(address.id, known.people):
            _check_person(address.id, info)
        case "role" if address.id == "*":
            raise ValueError('"role:*" is not a role that can be reached; name a role')
        case "role":
            _check_held_role(address.id, info)
        case "webhook" if address.id not in known.webhooks:
            raise ValueError(describe_unknown_name("webhook", address.id, known.webhooks))
        case scheme:
            _check_channel_address(scheme, address)
    return address


def _check_channel_address(scheme: str, address: Address) -> None:
    if scheme not in ADDRESS_SCHEMES:
        raise ValueError(f"{quote(scheme)} is not a type of address; {suggest_name(scheme, ADDRESS_SCHEMES)}")
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
        return f"no person has the role {quote(role)}, or any other role"
    return f"no person has the role {quote(role)}; {suggest_name(role, known.roles)}"


Name = Annotated[str, AfterValidator(_check_name)]
"""Name of a person, a webhook or a schedule; it may be part of addresses and URLs."""

RoleName = Annotated[str, AfterValidator(_check_role)]
"""Role of a person; `*` is every role."""

HeldRole = Annotated[str, AfterValidator(_check_held_role)]
"""Role that at least one person has; for approvers, `*` means all people."""

KnownPerson = Annotated[str, AfterValidator(_check_person)]
"""Key of a person in the file."""

KnownTool = Annotated[str, AfterValidator(_check_tool)]
"""Tool of any agent, or `*` for every tool."""

KnownAgent = Annotated[str, AfterValidator(_check_agent)]
"""Name of an existing agent."""

KnownAddress = Annotated[Address, AfterValidator(_check_address)]
"""Address on a channel, or of a person, a role or a webhook in the file."""


def check_unique(kind: str, value: str, count: int) -> str:
    """Return the name. Raises ValueError if `count`, the number of tables of this kind with the name, is above 1."""
    if count > 1:
        raise ValueError(f"{quote(value)} is the name of {count} {kind}; each needs its own")
    return value
