"""App manifest: the app's description, scopes, features and event subscriptions.

The fields are those of https://docs.slack.dev/reference/app-manifest.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from channels.slack.action_ids import SHORTCUT_ID

EVENTS_PATH = "/channels/slack/events"
"""Path below PUBLIC_URL to which Slack sends events, interactions and slash commands."""

SLASH_COMMAND = "/handrail"

SCOPES: Mapping[str, str] = MappingProxyType(
    {
        "app_mentions:read": "the event app_mention: a person mentions the bot",
        "assistant:write": "the agent view: its prompts (assistant.threads.setSuggestedPrompts), its stop button",
        "channels:history": "the event message.channels; checking in public channels whether a message has arrived",
        "chat:write": "messages, cards, streams (chat.*), and the line that shows the bot's activity (….setStatus)",
        "commands": "the slash command and the message shortcut",
        "files:write": "a file with a reply that is too long for messages (files.…UploadExternal)",
        "groups:history": "the event message.groups; checking in private channels whether a message has arrived",
        "im:history": "the event message.im; checking in direct messages whether a message has arrived",
        "im:write": "opening a direct message with a person to ask them there (conversations.open)",
        "mpim:history": "the event message.mpim; checking in group messages whether a message has arrived",
    }
)
"""Scopes of the bot token, and the uses that need them (docs.slack.dev/reference/scopes).

views.*, auth.test and app_home_opened need none. users:read is missing because Handrail reads no profiles.
"""

BOT_EVENTS = (
    "agent_session_stopped",
    "app_home_opened",
    "app_mention",
    "message.channels",
    "message.groups",
    "message.im",
    "message.mpim",
)
"""Events that `channels/slack/events_api.py` parses."""

_SUGGESTED_PROMPTS = (("What can you do?", "What can you do?"), ("What is deployed?", "What is deployed?"))
_LOCAL_HOSTS = ("localhost", "localhost.localdomain")


def build_manifest(public_url: str, *, socket_mode: bool, name: str = "Handrail") -> dict[str, Any]:
    """Return the manifest, ready for JSON. With Socket Mode it contains no URL; `name` has at most 35 characters."""
    url = None if socket_mode else request_url(public_url)
    return {
        "display_information": {"name": name, "description": "Runs your commands and asks for approval first."},
        "features": _features(name, url),
        "oauth_config": {"scopes": {"bot": list(SCOPES)}},
        "settings": _settings(url),
    }


def request_url(public_url: str) -> str:
    """Return the URL to which Slack sends all requests."""
    return f"{public_url.rstrip('/')}{EVENTS_PATH}"


def unreachable_reason(public_url: str) -> str | None:
    """Return why Slack cannot reach this URL, None if it probably can."""
    url = urlsplit(public_url)
    if url.scheme != "https":
        return "Slack requires an https:// URL"
    if _is_local(url.hostname or ""):
        return "Slack cannot reach a host on a private network"
    return None


def _features(name: str, url: str | None) -> dict[str, Any]:
    description = "Runs the tasks you ask for and requests approval before anything risky."
    prompts = [{"title": title, "message": message} for title, message in _SUGGESTED_PROMPTS]
    return {
        "agent_view": {"agent_description": description, "suggested_prompts": prompts},
        "app_home": {"home_tab_enabled": True, "messages_tab_enabled": True, "messages_tab_read_only_enabled": False},
        "bot_user": {"display_name": name, "always_online": True},
        "shortcuts": [_shortcut()],
        "slash_commands": [_command() if url is None else {**_command(), "url": url}],
    }


def _shortcut() -> dict[str, Any]:
    description = "Start a thread with an agent about this message"
    return {"name": "Ask Handrail", "type": "message", "callback_id": SHORTCUT_ID, "description": description}


def _command() -> dict[str, Any]:
    description, hint = "Manage threads and approvals", "help|status|approvals|whoami|cancel"
    return {"command": SLASH_COMMAND, "description": description, "usage_hint": hint, "should_escape": False}


def _settings(url: str | None) -> dict[str, Any]:
    """Return the settings. Token rotation is off, because Handrail does not refresh tokens."""
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
