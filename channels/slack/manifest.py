"""App manifest: the app's description, scopes, features and event subscriptions, and how an app differs from it.

The fields are those of https://docs.slack.dev/reference/app-manifest.
"""

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from agents.core.visible_text import escape_hidden_characters
from channels.abilities import Finding
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


CHECK_NAME = "slack manifest"

# Paths of settings in the manifest, and the page of the Slack app on which each is changed. `_LISTS` also has the field
# that names an entry (empty if the entry is a string), and a noun.
_SWITCHES = (
    ("settings.socket_mode_enabled", "Socket Mode"),
    ("settings.interactivity.is_enabled", "Interactivity & Shortcuts"),
    ("features.agent_view", "Agent"),
    ("features.app_home.home_tab_enabled", "App Home"),
    ("features.app_home.messages_tab_enabled", "App Home"),
    ("features.app_home.messages_tab_read_only_enabled", "App Home"),
)
_URLS = (
    ("settings.event_subscriptions.request_url", "Event Subscriptions"),
    ("settings.interactivity.request_url", "Interactivity & Shortcuts"),
)
_LISTS = (
    ("settings.event_subscriptions.bot_events", "", "the event", "Event Subscriptions"),
    ("oauth_config.scopes.bot", "", "the scope", "OAuth & Permissions, and install the app again"),
    ("features.slash_commands", "command", "the command", "Slash Commands"),
    ("features.shortcuts", "callback_id", "the shortcut", "Interactivity & Shortcuts"),
)


def compare_manifests(expected: Mapping[str, Any], actual: Any) -> Iterator[Finding]:
    """Yield a problem for each missing setting and a warning for each needless one; `actual` is Slack's export."""
    findings = [
        *_compare_switches(expected, actual),
        *_compare_urls(expected, actual),
        *_compare_lists(expected, actual),
    ]
    if not findings:
        yield Finding(name=CHECK_NAME, state="ok", message="the app is configured as `handrail slack manifest` prints")
    yield from findings


def _compare_switches(expected: Any, actual: Any) -> Iterator[Finding]:
    for path, page in _SWITCHES:
        is_expected = bool(_get_path(expected, path))
        if bool(_get_path(actual, path)) != is_expected:
            current, wanted = ("off", "on") if is_expected else ("on", "off")
            fix = f"switch it {wanted} under {page}"
            yield Finding(name=CHECK_NAME, state="problem", message=f"{path} is {current} in the app", fix=fix)


def _compare_urls(expected: Any, actual: Any) -> Iterator[Finding]:
    """Yield a problem for each wrong URL. The manifest for Socket Mode has none, and Slack ignores those of the app."""
    urls = [(path, page, _get_path(expected, path), _get_path(actual, path)) for path, page in _URLS]
    command = (f"the url of {SLASH_COMMAND}", "Slash Commands", _command_url(expected), _command_url(actual))
    for setting, page, wanted, current in (*urls, command):
        if wanted is not None and current != wanted:
            value = escape_hidden_characters(str(current)[:200]) if current else "not set"
            message = f"{setting} is {value} in the app"
            yield Finding(name=CHECK_NAME, state="problem", message=message, fix=f"set it to {wanted} under {page}")


def _compare_lists(expected: Any, actual: Any) -> Iterator[Finding]:
    for path, key, noun, page in _LISTS:
        wanted, current = _collect_names(_get_path(expected, path), key), _collect_names(_get_path(actual, path), key)
        for name in sorted(wanted - current):
            message = f"{noun} {name} is missing from the app"
            yield Finding(name=CHECK_NAME, state="problem", message=message, fix=f"add it under {page}")
        for name in sorted(current - wanted):
            message = f"{noun} {escape_hidden_characters(name[:200])} is in the app, but Handrail does not use it"
            yield Finding(name=CHECK_NAME, state="warning", message=message, fix=f"remove it under {page}")


def _get_path(manifest: Any, path: str) -> Any:
    """Return the value at a dotted path; None if the path does not exist."""
    for name in path.split("."):
        manifest = manifest.get(name) if isinstance(manifest, dict) else None
    return manifest


def _collect_names(entries: Any, key: str) -> set[str]:
    items = entries if isinstance(entries, list) else []
    names = (_get_path(item, key) if key else item for item in items)
    return {name for name in names if isinstance(name, str)}


def _command_url(manifest: Any) -> Any:
    commands = _get_path(manifest, "features.slash_commands")
    matching = (
        (command for command in commands if _get_path(command, "command") == SLASH_COMMAND)
        if isinstance(commands, list)
        else ()
    )
    return _get_path(next(iter(matching), None), "url")
