"""The manifest asks for what is used and for nothing else, in the shapes and lengths Slack takes."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from channels.slack.action_ids import SHORTCUT_ID
from channels.slack.inbound_events import Ignored
from channels.slack.manifest import BOT_EVENTS, SCOPES, SLASH_COMMAND, build_manifest, unreachable_reason
from tests.channels.slack.recorded_payloads import load_payload, parse_recorded

HTTP = build_manifest("https://rail.example.com", socket_mode=False)
SOCKET = build_manifest("https://rail.example.com", socket_mode=True)
URL = "https://rail.example.com/channels/slack/events"

# docs.slack.dev/reference/methods and docs.slack.dev/reference/events, under "Scopes"; for agents docs.slack.dev/ai
OF_METHODS = {
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
OF_EVENTS = {
    "agent_session_stopped": ("assistant:write",),
    "app_home_opened": (),
    "app_mention": ("app_mentions:read",),
    "message.channels": ("channels:history",),
    "message.groups": ("groups:history",),
    "message.im": ("im:history",),
    "message.mpim": ("mpim:history",),
}
OF_FEATURES = {"slash_commands": ("commands",), "shortcuts": ("commands",), "agent_view": ("assistant:write",)}

# github.com/slackapi/manifest-schema; of the agent view it says nothing, so that is kept short
LONGEST = {
    "name": 24,
    "description": 140,
    "display_name": 80,
    "agent_description": 300,
    "command": 32,
    "usage_hint": 1000,
    "callback_id": 255,
}


def test_the_scopes_are_those_of_what_is_used_and_no_others() -> None:
    needed = {scope for uses in (OF_METHODS, OF_EVENTS, OF_FEATURES) for scopes in uses.values() for scope in scopes}
    assert set(SCOPES) == needed
    assert HTTP["oauth_config"]["scopes"] == {"bot": sorted(needed)}
    assert all(SCOPES.values())


def test_every_event_that_is_asked_for_is_one_whose_scope_is_known() -> None:
    assert HTTP["settings"]["event_subscriptions"]["bot_events"] == list(BOT_EVENTS) == sorted(OF_EVENTS)


@pytest.mark.parametrize("name", ["session_stopped", "home_opened", "mention", "thread_reply", "direct_message"])
def test_what_the_manifest_asks_for_is_understood(name: str) -> None:
    kind = load_payload(name)["event"]["type"]
    assert kind in {event.partition(".")[0] for event in BOT_EVENTS}
    assert not isinstance(parse_recorded(name), Ignored)


def test_over_http_everything_comes_in_at_one_address() -> None:
    settings, (command,) = HTTP["settings"], HTTP["features"]["slash_commands"]
    assert settings["event_subscriptions"]["request_url"] == settings["interactivity"]["request_url"] == URL
    assert command["url"] == URL
    assert settings["socket_mode_enabled"] is False


def test_a_slash_at_the_end_of_the_public_url_is_not_doubled() -> None:
    assert build_manifest("https://rail.example.com/", socket_mode=False) == HTTP


def test_socket_mode_needs_no_address_and_names_none() -> None:
    assert SOCKET["settings"]["socket_mode_enabled"] is True
    assert "rail.example.com" not in json.dumps(SOCKET)


def test_but_for_the_transport_both_manifests_are_the_same() -> None:
    assert SOCKET["oauth_config"] == HTTP["oauth_config"]
    assert SOCKET["display_information"] == HTTP["display_information"]
    assert {**SOCKET["features"], "slash_commands": []} == {**HTTP["features"], "slash_commands": []}


def test_people_find_the_bot_in_all_the_places_they_look() -> None:
    features = SOCKET["features"]
    home = {"home_tab_enabled": True, "messages_tab_enabled": True, "messages_tab_read_only_enabled": False}
    assert features["app_home"] == home
    assert (features["slash_commands"][0]["command"], features["slash_commands"][0]["should_escape"]) == (
        SLASH_COMMAND,
        False,
    )
    assert (features["shortcuts"][0]["callback_id"], features["shortcuts"][0]["type"]) == (SHORTCUT_ID, "message")
    assert SOCKET["settings"]["interactivity"]["is_enabled"] is True


def test_the_agent_view_is_the_new_one_and_suggests_something() -> None:
    assert "assistant_view" not in SOCKET["features"]
    prompts = SOCKET["features"]["agent_view"]["suggested_prompts"]
    assert 1 <= len(prompts) <= 4
    assert all(prompt.keys() == {"title", "message"} for prompt in prompts)


def test_another_name_is_the_name_of_app_and_bot() -> None:
    named = build_manifest("https://x.example.com", socket_mode=True, name="Railway")
    assert named["display_information"]["name"] == named["features"]["bot_user"]["display_name"] == "Railway"


@pytest.mark.parametrize("whole", [HTTP, SOCKET])
def test_no_text_is_longer_than_slack_takes(whole: dict[str, Any]) -> None:
    found = list(texts(whole))
    assert {name for name, _ in found} >= LONGEST.keys()
    assert [text for name, text in found if not 0 < len(text) <= LONGEST.get(name, 3000)] == []


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
def test_what_slack_cannot_reach_is_told(url: str) -> None:
    assert unreachable_reason(url)


@pytest.mark.parametrize("url", ["https://rail.example.com", "https://rail.example.com:8443/x", "https://8.8.8.8"])
def test_what_slack_can_reach_is_not_objected_to(url: str) -> None:
    assert unreachable_reason(url) is None
