"""The manifest requests exactly what is used, within Slack's formats and lengths."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from channels.slack.action_ids import SHORTCUT_ID
from channels.slack.manifest import BOT_EVENTS, SCOPES, SLASH_COMMAND, build_manifest, unreachable_reason
from tests.channels.slack.recorded_payloads import load_payload, parse_recorded

HTTP = build_manifest("https://rail.example.com", socket_mode=False)
SOCKET = build_manifest("https://rail.example.com", socket_mode=True)
URL = "https://rail.example.com/channels/slack/events"

# docs.slack.dev/reference/methods and docs.slack.dev/reference/events, under "Scopes"; for agents docs.slack.dev/ai
METHOD_SCOPES = {
    "apps.connections.open": (),
    "assistant.threads.setStatus": ("chat:write",),
    "assistant.threads.setSuggestedPrompts": ("assistant:write",),
    "auth.test": (),
    "chat.appendStream": ("chat:write",),
    "chat.postEphemeral": ("chat:write",),
    "chat.postMessage": ("chat:write",),
    "chat.startStream": ("chat:write",),
    "chat.stopStream": ("chat:write",),
    "chat.update": ("chat:write",),
    "conversations.history": ("channels:history", "groups:history", "im:history", "mpim:history"),
    "conversations.open": ("im:write",),
    "conversations.replies": ("channels:history", "groups:history", "im:history", "mpim:history"),
    "files.completeUploadExternal": ("files:write",),
    "files.getUploadURLExternal": ("files:write",),
    "views.open": (),
    "views.publish": (),
}
EVENT_SCOPES = {
    "agent_session_stopped": ("assistant:write",),
    "app_home_opened": (),
    "app_mention": ("app_mentions:read",),
    "message.channels": ("channels:history",),
    "message.groups": ("groups:history",),
    "message.im": ("im:history",),
    "message.mpim": ("mpim:history",),
}
FEATURE_SCOPES = {"slash_commands": ("commands",), "shortcuts": ("commands",), "agent_view": ("assistant:write",)}

# github.com/slackapi/manifest-schema; it does not cover the agent view, so its limit is an assumption
MAX_LENGTHS = {
    "name": 24,
    "description": 140,
    "display_name": 80,
    "agent_description": 300,
    "command": 32,
    "usage_hint": 1000,
    "callback_id": 255,
}


def test_scopes_are_exactly_those_in_use() -> None:
    needed = {
        scope for uses in (METHOD_SCOPES, EVENT_SCOPES, FEATURE_SCOPES) for scopes in uses.values() for scope in scopes
    }
    assert set(SCOPES) == needed
    assert HTTP["oauth_config"]["scopes"] == {"bot": sorted(needed)}
    assert all(SCOPES.values())


def test_subscribed_events_have_known_scopes() -> None:
    assert HTTP["settings"]["event_subscriptions"]["bot_events"] == list(BOT_EVENTS) == sorted(EVENT_SCOPES)


@pytest.mark.parametrize("name", ["session_stopped", "home_opened", "mention", "thread_reply", "direct_message"])
def test_subscribed_events_are_parsed(name: str) -> None:
    kind = load_payload(name)["event"]["type"]
    assert kind in {event.partition(".")[0] for event in BOT_EVENTS}
    assert parse_recorded(name) is not None


def test_http_uses_one_request_url() -> None:
    settings, (command,) = HTTP["settings"], HTTP["features"]["slash_commands"]
    assert settings["event_subscriptions"]["request_url"] == settings["interactivity"]["request_url"] == URL
    assert command["url"] == URL
    assert settings["socket_mode_enabled"] is False


def test_trailing_slash_of_the_public_url_is_removed() -> None:
    assert build_manifest("https://rail.example.com/", socket_mode=False) == HTTP


def test_socket_mode_manifest_has_no_url() -> None:
    assert SOCKET["settings"]["socket_mode_enabled"] is True
    assert "rail.example.com" not in json.dumps(SOCKET)


def test_manifests_differ_only_in_the_transport() -> None:
    assert SOCKET["oauth_config"] == HTTP["oauth_config"]
    assert SOCKET["display_information"] == HTTP["display_information"]
    assert {**SOCKET["features"], "slash_commands": []} == {**HTTP["features"], "slash_commands": []}


def test_manifest_enables_all_entry_points() -> None:
    features = SOCKET["features"]
    home = {"home_tab_enabled": True, "messages_tab_enabled": True, "messages_tab_read_only_enabled": False}
    assert features["app_home"] == home
    assert (features["slash_commands"][0]["command"], features["slash_commands"][0]["should_escape"]) == (
        SLASH_COMMAND,
        False,
    )
    assert (features["shortcuts"][0]["callback_id"], features["shortcuts"][0]["type"]) == (SHORTCUT_ID, "message")
    assert SOCKET["settings"]["interactivity"]["is_enabled"] is True


def test_agent_view_has_suggested_prompts() -> None:
    assert "assistant_view" not in SOCKET["features"]
    prompts = SOCKET["features"]["agent_view"]["suggested_prompts"]
    assert 1 <= len(prompts) <= 4
    assert all(prompt.keys() == {"title", "message"} for prompt in prompts)


def test_name_applies_to_app_and_bot() -> None:
    renamed = build_manifest("https://x.example.com", socket_mode=True, name="Railway")
    assert renamed["display_information"]["name"] == renamed["features"]["bot_user"]["display_name"] == "Railway"


@pytest.mark.parametrize("manifest", [HTTP, SOCKET])
def test_texts_are_within_slack_limits(manifest: dict[str, Any]) -> None:
    found = list(texts(manifest))
    assert {name for name, _ in found} >= MAX_LENGTHS.keys()
    assert [text for name, text in found if not 0 < len(text) <= MAX_LENGTHS.get(name, 3000)] == []


def texts(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from texts(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner, name)
    elif isinstance(value, str):
        yield name, value


@pytest.mark.parametrize(
    "url",
    [
        "http://rail.example.com",
        "http://localhost:8000",
        "https://localhost",
        "https://127.0.0.1:8000",
        "https://[::1]",
        "https://10.1.2.3",
        "https://laptop.local",
    ],
)
def test_unreachable_url_has_a_reason(url: str) -> None:
    assert unreachable_reason(url)


@pytest.mark.parametrize("url", ["https://rail.example.com", "https://rail.example.com:8443/x", "https://8.8.8.8"])
def test_reachable_url_has_no_reason(url: str) -> None:
    assert unreachable_reason(url) is None
