"""How the Slack app is configured, beside how it has to be: each difference, and where to put it right."""

from collections.abc import Iterator, Mapping
from typing import Any

from agents.visible_text import escape_hidden_characters
from bot.doctor.finding import Finding
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
    """A problem for all that is missing, a warning for what is too much; `found` is whatever Slack exported."""
    findings = [
        *_compare_switches(expected, actual),
        *_compare_urls(expected, actual),
        *_compare_lists(expected, actual),
    ]
    if not findings:
        yield Finding(name=CHECK_NAME, state="ok", message="the app is what `handrail slack manifest` prints")
    yield from findings


def _compare_switches(expected: Any, actual: Any) -> Iterator[Finding]:
    for path, page in _SWITCHES:
        meant = bool(_get_path(expected, path))
        if bool(_get_path(actual, path)) != meant:
            is_now, to_be = ("off", "on") if meant else ("on", "off")
            fix = f"switch it {to_be} under {page}"
            yield Finding(name=CHECK_NAME, state="problem", message=f"{path} is {is_now} in the app", fix=fix)


def _compare_urls(expected: Any, actual: Any) -> Iterator[Finding]:
    """Over Socket Mode none is wanted, and none that is there is used."""
    urls = [(path, page, _get_path(expected, path), _get_path(actual, path)) for path, page in _URLS]
    command = (f"the url of {SLASH_COMMAND}", "Slash Commands", _command_url(expected), _command_url(actual))
    for what, page, meant, is_now in (*urls, command):
        if meant is not None and is_now != meant:
            told = f"{what} is {escape_hidden_characters(str(is_now)[:200]) if is_now else 'not set'} in the app"
            yield Finding(name=CHECK_NAME, state="problem", message=told, fix=f"make it {meant} under {page}")


def _compare_lists(expected: Any, actual: Any) -> Iterator[Finding]:
    for path, key, what, page in _LISTS:
        meant, there = _collect_names(_get_path(expected, path), key), _collect_names(_get_path(actual, path), key)
        for name in sorted(meant - there):
            told = f"{what} {name} is missing from the app"
            yield Finding(name=CHECK_NAME, state="problem", message=told, fix=f"add it under {page}")
        for name in sorted(there - meant):
            told = f"{what} {escape_hidden_characters(name[:200])} is in the app, and nothing here uses it"
            yield Finding(name=CHECK_NAME, state="warning", message=told, fix=f"remove it under {page}")


def _get_path(manifest: Any, path: str) -> Any:
    """What stands at a path with dots; None when there is no such place."""
    for name in path.split("."):
        manifest = manifest.get(name) if isinstance(manifest, dict) else None
    return manifest


def _collect_names(entries: Any, key: str) -> set[str]:
    items = entries if isinstance(entries, list) else []
    named = (_get_path(item, key) if key else item for item in items)
    return {name for name in named if isinstance(name, str)}


def _command_url(manifest: Any) -> Any:
    commands = _get_path(manifest, "features.slash_commands")
    ours = (
        (command for command in commands if _get_path(command, "command") == SLASH_COMMAND)
        if isinstance(commands, list)
        else ()
    )
    return _get_path(next(iter(ours), None), "url")
