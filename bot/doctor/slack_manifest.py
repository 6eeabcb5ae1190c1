"""How the Slack app is configured, beside how it has to be: each difference, and where to put it right."""

from collections.abc import Iterator, Mapping
from typing import Any

from agents.visible import visible
from bot.doctor.finding import Finding
from channels.slack.manifest import COMMAND

NAME = "slack manifest"

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


def differences(wanted: Mapping[str, Any], found: Any) -> Iterator[Finding]:
    """A problem for all that is missing, a warning for what is too much; `found` is whatever Slack exported."""
    findings = [*_switched(wanted, found), *_addressed(wanted, found), *_listed(wanted, found)]
    if not findings:
        yield Finding(name=NAME, state="ok", told="the app is what `handrail slack manifest` prints")
    yield from findings


def _switched(wanted: Any, found: Any) -> Iterator[Finding]:
    for path, page in _SWITCHES:
        meant = bool(_at(wanted, path))
        if bool(_at(found, path)) != meant:
            is_now, to_be = ("off", "on") if meant else ("on", "off")
            fix = f"switch it {to_be} under {page}"
            yield Finding(name=NAME, state="problem", told=f"{path} is {is_now} in the app", fix=fix)


def _addressed(wanted: Any, found: Any) -> Iterator[Finding]:
    """Over Socket Mode none is wanted, and none that is there is used."""
    urls = [(path, page, _at(wanted, path), _at(found, path)) for path, page in _URLS]
    command = (f"the url of {COMMAND}", "Slash Commands", _url_of_command(wanted), _url_of_command(found))
    for what, page, meant, is_now in (*urls, command):
        if meant is not None and is_now != meant:
            told = f"{what} is {visible(str(is_now)[:200]) if is_now else 'not set'} in the app"
            yield Finding(name=NAME, state="problem", told=told, fix=f"make it {meant} under {page}")


def _listed(wanted: Any, found: Any) -> Iterator[Finding]:
    for path, key, what, page in _LISTS:
        meant, there = _names(_at(wanted, path), key), _names(_at(found, path), key)
        for name in sorted(meant - there):
            told = f"{what} {name} is missing from the app"
            yield Finding(name=NAME, state="problem", told=told, fix=f"add it under {page}")
        for name in sorted(there - meant):
            told = f"{what} {visible(name[:200])} is in the app, and nothing here uses it"
            yield Finding(name=NAME, state="warning", told=told, fix=f"remove it under {page}")


def _at(manifest: Any, path: str) -> Any:
    """What stands at a path with dots; None when there is no such place."""
    for name in path.split("."):
        manifest = manifest.get(name) if isinstance(manifest, dict) else None
    return manifest


def _names(listed: Any, key: str) -> set[str]:
    items = listed if isinstance(listed, list) else []
    named = (_at(item, key) if key else item for item in items)
    return {name for name in named if isinstance(name, str)}


def _url_of_command(manifest: Any) -> Any:
    commands = _at(manifest, "features.slash_commands")
    ours = (command for command in commands if _at(command, "command") == COMMAND) if isinstance(commands, list) else ()
    return _at(next(iter(ours), None), "url")
