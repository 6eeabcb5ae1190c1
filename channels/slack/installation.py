"""Which installation of the app a payload of Slack came through: in one workspace, or in a whole organisation.

Slack says so beside what happened: in `authorizations` of events (docs.slack.dev/apis/events-api), in `team` and
`enterprise` of interactions, in `team_id` and `enterprise_id` of commands. Reading never fails.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from channels.slack.facts import Ourselves

_TEAM = re.compile(r"[TE][A-Z0-9]{1,30}", re.ASCII)
_USER = re.compile(r"[UW][A-Z0-9]{1,30}", re.ASCII)


@dataclass(frozen=True)
class _Installed:
    """`workspace` is where the payload came from; `bot` is the user id of the app, where the payload has it."""

    workspace: str
    enterprise: str
    is_org_wide: bool
    bot: str


def ourselves_of(told: Mapping[str, Any]) -> Ourselves:
    """Who the app is, as `auth.test` says. For a whole organisation its team is missing, or is the organisation."""
    team, enterprise = _id(told.get("team_id")), _id(told.get("enterprise_id"))
    if team.startswith("E"):
        team, enterprise = "", enterprise or team
    if told.get("is_enterprise_install") is True and enterprise:
        team = ""
    bot_id, user_id = (str(told.get(name) or "") for name in ("bot_id", "user_id"))
    return Ourselves(bot_id=bot_id, user_id=user_id, team=team, enterprise=enterprise)


def ourselves_in(payload: Mapping[str, Any]) -> Ourselves | None:
    """Who the app is, as the payload says; None when it does not say enough."""
    installed = _installed(payload)
    team = "" if installed.is_org_wide else installed.workspace
    is_event = payload.get("type") == "event_callback"
    if not (team or installed.enterprise) or (is_event and not installed.bot):
        return None
    us = Ourselves(bot_id="", user_id=installed.bot, team=team, enterprise=installed.enterprise)
    return seen_in(us, payload)


def seen_in(us: Ourselves, payload: Mapping[str, Any]) -> Ourselves:
    """For an organisation: with the workspace of the payload, whose people are no strangers there."""
    installed = _installed(payload)
    is_of_org = not us.enterprise or installed.enterprise == us.enterprise
    return replace(us, workspace=installed.workspace) if not us.team and is_of_org else us


def _installed(payload: Mapping[str, Any]) -> _Installed:
    if payload.get("type") == "event_callback":
        return _of_event(payload)
    team, enterprise = _part(payload.get("team")), _part(payload.get("enterprise"))
    return _Installed(
        workspace=_id(team.get("id")) or _id(payload.get("team_id")),
        enterprise=_id(enterprise.get("id")) or _id(team.get("enterprise_id")) or _id(payload.get("enterprise_id")),
        is_org_wide=payload.get("is_enterprise_install") in (True, "true"),
        bot="",
    )


def _of_event(payload: Mapping[str, Any]) -> _Installed:
    """A shared channel may belong to others: then only what says through whom the event came counts."""
    listed = payload.get("authorizations")
    granted = _part(listed[0] if isinstance(listed, list) and listed else None)
    own = "" if payload.get("is_ext_shared_channel") is True else _id(payload.get("team_id"))
    outside = None if payload.get("is_ext_shared_channel") is True else payload.get("enterprise_id")
    enterprises = (granted.get("enterprise_id"), payload.get("context_enterprise_id"), outside)
    bot = granted.get("user_id") if granted.get("is_bot") is True else None
    return _Installed(
        workspace=_id(granted.get("team_id")) or _id(payload.get("context_team_id")) or own,
        enterprise=next(filter(None, map(_id, enterprises)), ""),
        is_org_wide=granted.get("is_enterprise_install") is True,
        bot=bot if isinstance(bot, str) and _USER.fullmatch(bot) else "",
    )


def _part(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _id(value: Any) -> str:
    return value if isinstance(value, str) and _TEAM.fullmatch(value) else ""
