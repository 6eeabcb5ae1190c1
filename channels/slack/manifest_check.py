"""Compare the configuration of the Slack app with Handrail's manifest."""

from collections.abc import Iterator, Mapping
from typing import Any

from agents.core.visible_text import escape_hidden_characters
from channels.finding import Finding
from channels.slack.manifest import SLASH_COMMAND

CHECK_NAME = "slack manifest"

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
