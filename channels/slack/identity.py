"""The bot's identity on Slack, and the app installation that a payload belongs to."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from agents.core.errors import Unavailable
from channels.base import Runtime
from channels.slack.background_tasks import BackgroundTasks
from channels.slack.client import SlackClient
from channels.slack.inbound_events import BotIdentity

AUTH_TEST_RETRY_SECONDS = 10.0
"""Minimum time between two attempts on behalf of received payloads."""


@dataclass
class BotIdentityCache:
    """Result of `auth.test` for the bot token, fetched on first use."""

    client: SlackClient
    _cached: BotIdentity | None = None
    _retry_at: float | None = None

    async def get(self) -> BotIdentity:
        """Return the identity. Raises the errors of SlackClient."""
        if self._cached is None:
            self._cached = identity_from_auth_test(await self.client.call("auth.test"))
        return self._cached

    def for_payload(self, payload: Mapping[str, Any]) -> BotIdentity:
        """Return the identity for a received payload; until `auth.test` has succeeded, derive it from the payload.

        No call to Slack delays the acknowledgement of a payload. Raises Unavailable if the payload does not contain the
        identity either.
        """
        if self._cached is not None:
            return with_payload_workspace(self._cached, payload)
        if (derived := identity_from_payload(payload)) is not None:
            return derived
        raise Unavailable("the bot's identity on Slack is not known yet")

    def fetch_in_background(self, background_tasks: BackgroundTasks, runtime: Runtime) -> None:
        """Call `auth.test` in a background task, if the identity is not known and no attempt was made recently."""
        now = self.client.monotonic()
        if self._cached is None and (self._retry_at is None or now >= self._retry_at):
            self._retry_at = now + AUTH_TEST_RETRY_SECONDS
            background_tasks.spawn(runtime, self.get())


_TEAM_ID = re.compile(r"[TE][A-Z0-9]{1,30}", re.ASCII)
_USER_ID = re.compile(r"[UW][A-Z0-9]{1,30}", re.ASCII)


@dataclass(frozen=True)
class _InstallationRef:
    """Installation as a payload names it. `workspace` is the payload's origin; `bot_user_id` may be empty."""

    workspace: str
    enterprise: str
    is_org_wide: bool
    bot_user_id: str


def identity_from_auth_test(response: Mapping[str, Any]) -> BotIdentity:
    """Return the identity from a response of `auth.test`, where an organization's team is missing or its own id."""
    team, enterprise = _team_id_or_empty(response.get("team_id")), _team_id_or_empty(response.get("enterprise_id"))
    if team.startswith("E"):
        team, enterprise = "", enterprise or team
    if response.get("is_enterprise_install") is True and enterprise:
        team = ""
    bot_id, user_id = (str(response.get(name) or "") for name in ("bot_id", "user_id"))
    return BotIdentity(bot_id=bot_id, user_id=user_id, team=team, enterprise=enterprise)


def identity_from_payload(payload: Mapping[str, Any]) -> BotIdentity | None:
    """Return the identity that the payload names, None if the payload does not contain enough."""
    installation = _parse_installation(payload)
    team = "" if installation.is_org_wide else installation.workspace
    is_event = payload.get("type") == "event_callback"
    if not (team or installation.enterprise) or (is_event and not installation.bot_user_id):
        return None
    bot = BotIdentity(bot_id="", user_id=installation.bot_user_id, team=team, enterprise=installation.enterprise)
    return with_payload_workspace(bot, payload)


def with_payload_workspace(bot: BotIdentity, payload: Mapping[str, Any]) -> BotIdentity:
    """Return the identity of an organization's installation with the payload's workspace, whose users are internal."""
    installation = _parse_installation(payload)
    is_of_org = not bot.enterprise or installation.enterprise == bot.enterprise
    return replace(bot, workspace=installation.workspace) if not bot.team and is_of_org else bot


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
    """Parse the installation of an event.

    In an externally shared channel `team_id` and `enterprise_id` may be another organization's, so they do not count.
    """
    authorizations = payload.get("authorizations")
    authorization = _object_or_empty(authorizations[0] if isinstance(authorizations, list) and authorizations else None)
    is_shared = payload.get("is_ext_shared_channel") is True
    team, enterprise = (None, None) if is_shared else (payload.get("team_id"), payload.get("enterprise_id"))
    teams = (authorization.get("team_id"), payload.get("context_team_id"), team)
    enterprises = (authorization.get("enterprise_id"), payload.get("context_enterprise_id"), enterprise)
    bot_user_id = authorization.get("user_id") if authorization.get("is_bot") is True else None
    return _InstallationRef(
        workspace=next(filter(None, map(_team_id_or_empty, teams)), ""),
        enterprise=next(filter(None, map(_team_id_or_empty, enterprises)), ""),
        is_org_wide=authorization.get("is_enterprise_install") is True,
        bot_user_id=bot_user_id if isinstance(bot_user_id, str) and _USER_ID.fullmatch(bot_user_id) else "",
    )


def _object_or_empty(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _team_id_or_empty(value: Any) -> str:
    return value if isinstance(value, str) and _TEAM_ID.fullmatch(value) else ""
