"""Our app as Slack has to know it: what people see of it, what it may do, and what Slack tells it. Pure.

The fields are those of https://docs.slack.dev/reference/app-manifest.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from channels.slack.action_ids import SHORTCUT_ID

EVENTS_PATH = "/channels/slack/events"
"""Below PUBLIC_URL: events, interactivity and the slash command all come in here."""

SLASH_COMMAND = "/handrail"

SCOPES: Mapping[str, str] = MappingProxyType(
    {
        "app_mentions:read": "the event app_mention: somebody calls the bot",
        "assistant:write": "the agent view: its prompts (assistant.threads.setSuggestedPrompts), its stop button",
        "channels:history": "the event message.channels; looking in public channels whether a message has arrived",
        "chat:write": "messages, cards, streams (chat.*), and the line on what the bot does (….setStatus)",
        "commands": "the slash command and the message shortcut",
        "files:write": "a file with the whole of a reply that is too long for messages (files.…UploadExternal)",
        "groups:history": "the event message.groups; looking in private channels whether a message has arrived",
        "im:history": "the event message.im; looking in direct messages whether a message has arrived",
        "im:write": "opening a direct message with somebody who is asked there (conversations.open)",
        "mpim:history": "the event message.mpim; looking in group messages whether a message has arrived",
    }
)
"""Each scope of the bot token, and which use needs it. views.*, auth.test and app_home_opened need none; nobody's
profile is looked up, so users:read is not here (docs.slack.dev/reference/scopes)."""

BOT_EVENTS = (
    "agent_session_stopped",
    "app_home_opened",
    "app_mention",
    "message.channels",
    "message.groups",
    "message.im",
    "message.mpim",
)
"""What `channels/slack/events_api.py` understands."""

_SUGGESTED_PROMPTS = (("What can you do?", "What can you do?"), ("What is deployed?", "What is deployed?"))
_LOCAL_HOSTS = ("localhost", "localhost.localdomain")


def build_manifest(public_url: str, *, socket_mode: bool, name: str = "Handrail") -> dict[str, Any]:
    """The whole manifest, ready for JSON. With Socket Mode it names no URL; `name` has at most 35 characters."""
    url = None if socket_mode else request_url(public_url)
    return {
        "display_information": {"name": name, "description": "Agents propose, people hold the rail."},
        "features": _features(name, url),
        "oauth_config": {"scopes": {"bot": list(SCOPES)}},
        "settings": _settings(url),
    }


def request_url(public_url: str) -> str:
    """Where Slack sends everything to."""
    return f"{public_url.rstrip('/')}{EVENTS_PATH}"


def unreachable_reason(public_url: str) -> str | None:
    """Why Slack cannot send anything there; None for what looks as if it could."""
    url = urlsplit(public_url)
    if url.scheme != "https":
        return "Slack sends to https:// only"
    if _is_local(url.hostname or ""):
        return "only this machine or its network can reach that"
    return None


def _features(name: str, url: str | None) -> dict[str, Any]:
    told = "Carries out what you ask for, and asks the right people before anything risky."
    prompts = [{"title": title, "message": message} for title, message in _SUGGESTED_PROMPTS]
    return {
        "agent_view": {"agent_description": told, "suggested_prompts": prompts},
        "app_home": {"home_tab_enabled": True, "messages_tab_enabled": True, "messages_tab_read_only_enabled": False},
        "bot_user": {"display_name": name, "always_online": True},
        "shortcuts": [_shortcut()],
        "slash_commands": [_command() if url is None else {**_command(), "url": url}],
    }


def _shortcut() -> dict[str, Any]:
    told = "Start a thread with an agent about this message"
    return {"name": "Ask Handrail", "type": "message", "callback_id": SHORTCUT_ID, "description": told}


def _command() -> dict[str, Any]:
    told, hint = "Look after threads and approvals", "help|status|approvals|whoami|cancel"
    return {"command": SLASH_COMMAND, "description": told, "usage_hint": hint, "should_escape": False}


def _settings(url: str | None) -> dict[str, Any]:
    """Tokens are not rotated: nobody here would renew them."""
    address = {} if url is None else {"request_url": url}
    return {
        "event_subscriptions": {**address, "bot_events": list(BOT_EVENTS)},
        "interactivity": {"is_enabled": True, **address},
        "org_deploy_enabled": False,
        "socket_mode_enabled": url is None,
        "token_rotation_enabled": False,
    }


def _is_local(host: str) -> bool:
    try:
        return not ip_address(host).is_global
    except ValueError:
        return host in _LOCAL_HOSTS or host.endswith((".local", ".localhost"))
