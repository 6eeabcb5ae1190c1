"""Which installation of the app a payload of Slack came through: in one workspace, or in a whole organisation.

Slack says so beside what happened: in `authorizations` of events (docs.slack.dev/apis/events-api), in `team` and
`enterprise` of interactions, in `team_id` and `enterprise_id` of commands. Reading never fails.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from channels.slack.inbound_events import BotIdentity

_TEAM_ID = re.compile(r"[TE][A-Z0-9]{1,30}", re.ASCII)
_USER_ID = re.compile(r"[UW][A-Z0-9]{1,30}", re.ASCII)


@dataclass(frozen=True)
class _InstallationRef:
    """`workspace` is where the payload came from; `bot` is the user id of the app, where the payload has it."""

    workspace: str
    enterprise: str
    is_org_wide: bool
    bot_user_id: str


def identity_from_auth_test(response: Mapping[str, Any]) -> BotIdentity:
    """Who the app is, as `auth.test` says. For a whole organisation its team is missing, or is the organisation."""
    team, enterprise = _team_id_or_empty(response.get("team_id")), _team_id_or_empty(response.get("enterprise_id"))
    if team.startswith("E"):
        team, enterprise = "", enterprise or team
    if response.get("is_enterprise_install") is True and enterprise:
        team = ""
    bot_id, user_id = (str(response.get(name) or "") for name in ("bot_id", "user_id"))
    return BotIdentity(bot_id=bot_id, user_id=user_id, team=team, enterprise=enterprise)


def identity_from_payload(payload: Mapping[str, Any]) -> BotIdentity | None:
    """Who the app is, as the payload says; None when it does not say enough."""
    installed = _parse_installation(payload)
    team = "" if installed.is_org_wide else installed.workspace
    is_event = payload.get("type") == "event_callback"
    if not (team or installed.enterprise) or (is_event and not installed.bot_user_id):
        return None
    us = BotIdentity(bot_id="", user_id=installed.bot_user_id, team=team, enterprise=installed.enterprise)
    return with_payload_workspace(us, payload)


def with_payload_workspace(bot: BotIdentity, payload: Mapping[str, Any]) -> BotIdentity:
    """For an organisation: with the workspace of the payload, whose people are no strangers there."""
    installed = _parse_installation(payload)
    is_of_org = not bot.enterprise or installed.enterprise == bot.enterprise
    return replace(bot, workspace=installed.workspace) if not bot.team and is_of_org else bot


def _parse_installation(payload: Mapping[str, Any]) -> _InstallationRef:
    if payload.get("type") == "event_callback":
        return _parse_event_installation(payload)
    team, enterprise = _object_or_empty(payload.get("team")), _object_or_empty(payload.get("enterprise"))
    return _InstallationRef(
        workspace=_team_id_or_empty(team.get("id")) or _team_id_or_empty(payload.get("team_id")),
        enterprise=_team_id_or_empty(enterprise.get("id"))
        or _team_id_or_empty(team.get("enterprise_id"))
        or _team_id_or_empty(payload.get("enterprise_id")),
        is_org_wide=payload.get("is_enterprise_install") in (True, "true"),
        bot_user_id="",
    )


def _parse_event_installation(payload: Mapping[str, Any]) -> _InstallationRef:
    """A shared channel may belong to others: then only what says through whom the event came counts."""
    listed = payload.get("authorizations")
    granted = _object_or_empty(listed[0] if isinstance(listed, list) and listed else None)
    own = "" if payload.get("is_ext_shared_channel") is True else _team_id_or_empty(payload.get("team_id"))
    outside = None if payload.get("is_ext_shared_channel") is True else payload.get("enterprise_id")
    enterprises = (granted.get("enterprise_id"), payload.get("context_enterprise_id"), outside)
    bot = granted.get("user_id") if granted.get("is_bot") is True else None
    return _InstallationRef(
        workspace=_team_id_or_empty(granted.get("team_id")) or _team_id_or_empty(payload.get("context_team_id")) or own,
        enterprise=next(filter(None, map(_team_id_or_empty, enterprises)), ""),
        is_org_wide=granted.get("is_enterprise_install") is True,
        bot_user_id=bot if isinstance(bot, str) and _USER_ID.fullmatch(bot) else "",
    )


def _object_or_empty(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _team_id_or_empty(value: Any) -> str:
    return value if isinstance(value, str) and _TEAM_ID.fullmatch(value) else ""
