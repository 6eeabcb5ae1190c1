"""The Bolt app acknowledges only what a listener has handled, and does not depend on the environment or log payloads.

Most of these tests fail with an app that has Bolt's default settings.
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any, cast

import pytest
from slack_bolt.app.async_app import AsyncApp

from agents.core.errors import InvalidInput, StoreUnavailable, Unavailable
from channels.base import Runtime
from channels.slack.app import create_app, dispatch
from channels.slack.background_tasks import BackgroundTasks
from channels.slack.client import SlackClient
from channels.slack.identity import BotIdentityCache
from channels.slack.inbound_events import MessagePosted
from tests.channels.slack.recorded_payloads import BOT, load_payload, parse_payload, parse_recorded

CANARY = "c4n4ry"


@dataclass
class FailingListener:
    """Listener that raises an error for every mention."""

    error: BaseException

    def register(self, app: AsyncApp) -> None:
        app.event("app_mention")(self.fail)

    async def fail(self) -> None:
        raise self.error


async def dispatch_to(listener: FailingListener | None, payload: Any) -> Any:
    """Dispatch a payload to an app with this listener, or without one."""
    identity = BotIdentityCache(SlackClient("xoxb-1"), BOT)
    app = create_app(identity, BackgroundTasks(), [] if listener is None else [listener])
    return await dispatch(app, payload, cast(Runtime, None))


@pytest.mark.parametrize("error", [StoreUnavailable(), TypeError(CANARY), KeyError(CANARY), asyncio.CancelledError()])
async def test_error_of_a_listener_is_raised_and_not_acknowledged(error: BaseException) -> None:
    with pytest.raises(type(error)) as raised:
        await dispatch_to(FailingListener(error), load_payload("mention"))
    assert raised.value is error


async def test_unknown_identity_is_an_error_and_not_acknowledged() -> None:
    identity = BotIdentityCache(SlackClient("xoxb-1", monotonic=lambda: 0.0), None, _retry_at=10.0)
    app = create_app(identity, BackgroundTasks(), [])
    payload = {"type": "event_callback", "event": {"type": "message"}}
    with pytest.raises(Unavailable):
        await dispatch(app, payload, cast(Runtime, None))


async def test_payload_without_a_listener_is_acknowledged() -> None:
    response = await dispatch_to(None, load_payload("mention"))
    assert (response.status, response.body) == (200, "")


@pytest.mark.parametrize(
    "changes",
    [
        {"authorizations": [1]}, {"authorizations": 5}, {"event": "message"},
        {"type": "block_actions", "actions": []}, {"type": "block_actions", "actions": {}},
        {"type": "view_submission"},
        {"user": 1}, {"response_urls": 1},
    ],
)  # fmt: skip
def test_payload_of_another_structure_is_invalid(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        parse_payload(load_payload("mention") | changes)


@pytest.mark.parametrize("text", [None, "", "<@U0RAIL>"])
def test_message_without_text_is_handled(text: str | None) -> None:
    payload = load_payload("mention")
    payload["event"] |= {"text": text, "blocks": []}
    event = parse_payload(payload)
    assert isinstance(event, MessagePosted)
    assert event.text == ""


@pytest.mark.parametrize(("subtype", "is_handled"), [("me_message", True), ("bot_message", False)])
def test_messages_of_people_are_handled(subtype: str, *, is_handled: bool) -> None:
    payload = load_payload("direct_message")
    payload["event"]["subtype"] = subtype
    assert isinstance(parse_payload(payload), MessagePosted) is is_handled


def test_environment_does_not_change_the_app(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("BOT_TOKEN", "SIGNING_SECRET", "CLIENT_ID", "CLIENT_SECRET", "VERIFICATION_TOKEN")
    expected = parse_recorded("mention")
    for name in names:
        monkeypatch.setenv(f"SLACK_{name}", "xoxb-1")
    assert parse_recorded("mention") == expected


@pytest.mark.parametrize("level", [logging.DEBUG, logging.WARNING])
async def test_no_payload_is_logged(caplog: pytest.LogCaptureFixture, level: int) -> None:
    caplog.set_level(level)
    payload = load_payload("mention")
    payload["event"]["text"] = CANARY
    await dispatch_to(None, payload)
    with pytest.raises(ValueError, match=CANARY):
        await dispatch_to(FailingListener(ValueError(CANARY)), payload)
    with pytest.raises(InvalidInput):
        await dispatch_to(None, payload | {"authorizations": CANARY})
    assert CANARY not in caplog.text


async def test_level_of_the_log_is_unchanged() -> None:
    logger = logging.getLogger("handrail")
    before = (logger.level, logger.handlers[:])
    await dispatch_to(None, load_payload("mention"))
    assert (logger.level, logger.handlers) == before
