"""Tests of the fake Slack: its features for agents, that is streams, the stop button, prompts, home and shortcuts.

Menus, rate limits, JSON arguments, permalinks and external users are tested here too.
"""

from collections.abc import Awaitable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from tests.fakes.clock import FakeClock
from tests.fakes.recording_bots import RecordingBot, expect_api_error, web_client
from tests.fakes.slack.actor import InteractionFailed
from tests.fakes.slack.message import Message
from tests.fakes.slack.person import Person
from tests.fakes.slack.slack import FakeSlack, fake_slack

TO_ALICE = {"recipient_user_id": "U0ALICE", "recipient_team_id": "T0TEAM"}
DONE = [{"type": "section", "text": {"type": "plain_text", "text": "done"}}]
PROMPTS = [{"title": "Tags", "message": "list tags"}]


def start_stream(slack: FakeSlack, thread: Message, **fields: Any) -> Awaitable[AsyncSlackResponse]:
    return web_client(slack).chat_startStream(channel=thread.channel, thread_ts=thread.ts, **fields)


async def append_text(slack: FakeSlack, stream: Any, text: str) -> None:
    await web_client(slack).chat_appendStream(channel=stream["channel"], ts=stream["ts"], markdown_text=text)


async def test_person_reads_a_reply_while_the_bot_streams_it(
    slack: FakeSlack, bot: RecordingBot, alice: Person
) -> None:
    thread = await alice.mention_bot("what is deployed?", channel="C0OPS")
    stream = await start_stream(slack, thread, **TO_ALICE, markdown_text="Look")
    reply = await alice.wait_for_stream(thread, "Look")
    await append_text(slack, stream, "ing at **production**")
    await reply.wait_for_text("Looking at **production**")
    assert reply.message.is_streaming
    metadata = {"event_type": "handrail", "event_payload": {"outbox_id": "o1"}}
    await bot.slack.chat_stopStream(
        channel=stream["channel"],
        ts=stream["ts"],
        markdown_text=".",
        blocks=DONE,
        metadata=metadata,
        session_status="active",
    )
    assert await reply.wait_until_streamed("done") == "Looking at **production**.\ndone"
    assert reply.message.stream is not None
    assert reply.message.stream.chunks == ["Look", "ing at **production**", "."]
    assert slack.workspace.sessions == {("C0OPS", thread.ts): "active"}
    replies = await bot.slack.conversations_replies(channel="C0OPS", ts=thread.ts, include_all_metadata=True)
    assert replies["messages"][1]["metadata"] == metadata
    await slack.wait_until_quiet()
    assert [kind for kind in bot.event_types() if kind != "app_mention"] == [
        "message",
        "message",
        "message:message_changed",
    ]


async def test_other_people_read_a_streamed_message_when_it_is_complete(
    slack: FakeSlack, alice: Person, bob: Person
) -> None:
    thread = await alice.mention_bot("hi", channel="C0OPS")
    stream = await start_stream(slack, thread, **TO_ALICE, markdown_text="hello")
    complete_reply = bob.wait_for_reply(thread, "hello you")
    await append_text(slack, stream, " you")
    await web_client(slack).chat_stopStream(channel=stream["channel"], ts=stream["ts"])
    assert not (await complete_reply).message.is_streaming


async def test_stream_in_a_direct_message_needs_no_recipient(slack: FakeSlack, alice: Person) -> None:
    thread = await alice.send_direct_message("hi")
    stream = await start_stream(slack, thread, markdown_text="hello")
    reply = await alice.wait_for_stream(thread)
    await web_client(slack).chat_stopStream(channel=stream["channel"], ts=stream["ts"])
    assert await reply.wait_until_streamed() == "hello"


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({}, "missing_recipient_team_id"),
        ({"recipient_team_id": "T0TEAM"}, "missing_recipient_user_id"),
        ({"recipient_team_id": "T0TEAM", "recipient_user_id": "U0NOBODY"}, "user_not_found"),
        ({**TO_ALICE, "recipient_team_id": "T0OTHER"}, "team_not_found"),
        ({**TO_ALICE, "markdown_text": "x" * 12_001}, "msg_too_long"),
        ({**TO_ALICE, "thread_ts": "1700000000.000100"}, "cannot_reply_to_message"),
    ],
)
async def test_invalid_stream_in_a_channel_is_rejected(
    slack: FakeSlack, alice: Person, fields: dict[str, Any], error: str
) -> None:
    thread = await alice.mention_bot("hi", channel="C0OPS")
    call = web_client(slack).api_call("chat.startStream", json={"channel": "C0OPS", "thread_ts": thread.ts, **fields})
    await expect_api_error(slack, call, error, "chat.startStream")
    assert slack.workspace.messages == [thread]


async def test_stream_needs_a_thread_to_reply_in(slack: FakeSlack, alice: Person) -> None:
    slack.add_channel("C0OPS")
    call = web_client(slack).api_call("chat.startStream", json={"channel": "C0OPS", **TO_ALICE})
    assert "thread_ts" in (await expect_api_error(slack, call, "invalid_arguments", "chat.startStream"))[0]


async def test_unfinished_stream_cannot_be_updated_or_deleted(slack: FakeSlack, alice: Person) -> None:
    stream = await start_stream(slack, await alice.send_direct_message("hi"), markdown_text="hello")
    message = {"channel": stream["channel"], "ts": stream["ts"]}
    await expect_api_error(
        slack, web_client(slack).chat_update(**message, text="no"), "streaming_state_conflict", "chat.update"
    )
    await expect_api_error(slack, web_client(slack).chat_delete(**message), "cant_delete_message", "chat.delete")
    await web_client(slack).chat_stopStream(**message)
    await web_client(slack).chat_update(**message, text="changed")
    await (await alice.wait_for_reply(text="changed")).wait_until_streamed()


async def test_only_an_unfinished_stream_can_be_appended_to_or_stopped(slack: FakeSlack, alice: Person) -> None:
    thread = await alice.send_direct_message("hi")
    stream = await start_stream(slack, thread)
    await web_client(slack).chat_stopStream(channel=stream["channel"], ts=stream["ts"], markdown_text="hello")
    posted = await web_client(slack).chat_postMessage(channel=thread.channel, text="plain")
    for ts in (stream["ts"], posted["ts"]):
        message = {"channel": thread.channel, "ts": ts}
        error = "message_not_in_streaming_state"
        await expect_api_error(
            slack, web_client(slack).chat_appendStream(**message, markdown_text="x"), error, "chat.appendStream"
        )
        await expect_api_error(slack, web_client(slack).chat_stopStream(**message), error, "chat.stopStream")
    call = web_client(slack).chat_appendStream(channel=thread.channel, ts=thread.ts, markdown_text="x")
    await expect_api_error(slack, call, "message_not_owned_by_app", "chat.appendStream")
    await alice.wait_for_reply(text="hello")
    await alice.wait_for_reply(text="plain")


async def test_stop_button_stops_the_stream(slack: FakeSlack, bot: RecordingBot, alice: Person) -> None:
    thread = await alice.mention_bot("count to a million", channel="C0OPS")
    stream = await start_stream(slack, thread, **TO_ALICE, markdown_text="one")
    reply = await alice.wait_for_stream(thread)
    await alice.press_stop(thread)
    await slack.wait_until_quiet()
    event = next(request.event for request in bot.received if request.event.get("type") == "agent_session_stopped")
    assert (event["channel"], event["thread_ts"], event["user"]) == ("C0OPS", thread.ts, "U0ALICE")
    assert event["streaming_message_ts"] == [stream["ts"]]
    message = {"channel": "C0OPS", "ts": stream["ts"]}
    call = web_client(slack).chat_appendStream(**message, markdown_text=", two")
    await expect_api_error(slack, call, "stopped_by_user", "chat.appendStream")
    await web_client(slack).chat_stopStream(**message, blocks=DONE)
    assert await reply.wait_until_streamed() == "one\ndone"


async def test_processing_session_has_a_stop_button(slack: FakeSlack, bot: RecordingBot, alice: Person) -> None:
    thread = await alice.mention_bot("work", channel="C0OPS")
    with pytest.raises(AssertionError, match="there is no stop button"):
        await alice.press_stop(thread)
    session = {"channel_id": "C0OPS", "thread_ts": thread.ts}
    await web_client(slack).agents_sessions_setStatus(**session, status="processing")
    await alice.press_stop(thread)
    await slack.wait_until_quiet()
    assert bot.received[-1].event["streaming_message_ts"] == []
    call = web_client(slack).agents_sessions_setStatus(**session, status="busy")
    await expect_api_error(slack, call, "invalid_arguments", "agents.sessions.setStatus")


async def start_unfinished_stream(slack: FakeSlack) -> None:
    alice = slack.add_person("alice", "U0ALICE")
    thread = await alice.send_direct_message("hi")
    await start_stream(slack, thread, markdown_text="hello")
    await alice.wait_for_stream(thread)


async def test_unfinished_stream_fails_the_test() -> None:
    async def run() -> None:
        async with fake_slack() as slack:
            await start_unfinished_stream(slack)

    with pytest.raises(AssertionError, match="this stream was not ended: 'hello'"):
        await run()


async def test_slack_can_end_streams(slack: FakeSlack) -> None:
    await start_unfinished_stream(slack)
    slack.end_streams()
    (_, message) = slack.workspace.messages
    call = web_client(slack).chat_appendStream(channel=message.channel, ts=message.ts, markdown_text="x")
    await expect_api_error(slack, call, "message_not_in_streaming_state", "chat.appendStream")


async def test_opened_messages_tab_shows_suggested_prompts(slack: FakeSlack, bot: RecordingBot, alice: Person) -> None:
    await alice.open_messages_tab()
    await slack.wait_until_quiet()
    event = bot.received[-1].event
    assert (event["type"], event["tab"], event["user"]) == ("app_home_opened", "messages", "U0ALICE")
    await bot.slack.assistant_threads_setSuggestedPrompts(channel_id=event["channel"], prompts=PROMPTS, title="Try")
    assert (await alice.wait_for_prompts("Tags"))[0]["message"] == "list tags"


async def test_suggested_prompts_for_a_thread_are_silently_dropped() -> None:
    async with fake_slack(timeout_seconds=0.05) as slack:
        alice = slack.add_person("alice", "U0ALICE")
        thread = await alice.send_direct_message("hi")
        set_prompts = web_client(slack).assistant_threads_setSuggestedPrompts
        await set_prompts(channel_id=thread.channel, prompts=PROMPTS, thread_ts=thread.ts)
        with pytest.raises(AssertionError, match="alice was never offered"):
            await alice.wait_for_prompts()


@pytest.mark.parametrize(
    ("prompts", "error_text"),
    [
        ([], "no fewer than 1"),
        (PROMPTS * 5, "no more than 4"),
        ([{"title": "Tags"}], "missing required field: message"),
        ([{"title": "", "message": "x"}], "missing required field: title"),
    ],
)
async def test_invalid_suggested_prompts_are_rejected(
    slack: FakeSlack, alice: Person, prompts: list[dict[str, str]], error_text: str
) -> None:
    channel = slack.workspace.get_direct_channel("U0ALICE").id
    call = web_client(slack).assistant_threads_setSuggestedPrompts(channel_id=channel, prompts=prompts)
    method = "assistant.threads.setSuggestedPrompts"
    assert error_text in (await expect_api_error(slack, call, "invalid_arguments", method))[0]


async def test_event_of_an_opened_home_tab_has_the_published_view(
    slack: FakeSlack, bot: RecordingBot, alice: Person
) -> None:
    await alice.open_home_tab()
    await bot.slack.views_publish(user_id="U0ALICE", view={"type": "home", "blocks": DONE})
    await alice.open_home_tab()
    await slack.wait_until_quiet()
    first, second = (request.event for request in bot.received)
    assert ("view" in first, second["view"]["blocks"]) == (False, DONE)


async def test_shortcut_payload_has_the_message_it_was_used_on(
    slack: FakeSlack, bot: RecordingBot, alice: Person
) -> None:
    thread = await alice.post_message("the build is red", channel="C0OPS")
    reply = await alice.reply(thread, "what now?")
    await alice.use_shortcut("handrail.ask", on=reply)
    shortcut = bot.received[-1]
    assert (shortcut.body["type"], shortcut.body["callback_id"], shortcut.is_verified) == (
        "message_action",
        "handrail.ask",
        True,
    )
    assert (shortcut.body["message"]["text"], shortcut.body["message"]["thread_ts"]) == ("what now?", thread.ts)
    assert (shortcut.body["channel"]["id"], shortcut.body["message_ts"]) == ("C0OPS", reply.ts)
    assert shortcut.headers["Content-Type"] == "application/x-www-form-urlencoded"
    async with aiohttp.ClientSession() as session:
        await session.post(shortcut.body["response_url"], json={"text": "only for you"})
    await alice.wait_for_ephemeral("only for you")


async def test_person_is_warned_if_the_bot_rejects_a_shortcut(
    slack: FakeSlack, bot: RecordingBot, alice: Person
) -> None:
    message = await alice.post_message("hi", channel="C0OPS")
    await slack.wait_until_quiet()
    bot.respond = lambda _: web.Response(status=500)
    with pytest.raises(InteractionFailed, match="Slack warned alice"):
        await alice.use_shortcut("handrail.ask", on=message)


async def test_option_of_a_menu_is_chosen(slack: FakeSlack, bot: RecordingBot, bob: Person) -> None:
    slack.add_channel("C0OPS")
    options = [{"text": {"type": "plain_text", "text": f"v1.{n}"}, "value": str(n)} for n in range(6)]
    select = {"type": "static_select", "action_id": "handrail.choose", "options": options}
    actions = {"type": "actions", "block_id": "ref-1", "elements": [select]}
    await bot.slack.chat_postMessage(channel="C0OPS", text="which?", blocks=[actions])
    card = await bob.wait_for_card(text="which?")
    await card.choose_option("v1.4", actor=bob)
    action = bot.received[-1].body["actions"][0]
    assert (action["selected_option"]["value"], action["block_id"]) == ("4", "ref-1")
    with pytest.raises(AssertionError, match="no menu has the option"):
        await card.choose_option("v9", actor=bob)


async def test_fast_posting_to_one_channel_is_rate_limited(slack: FakeSlack, alice: Person, clock: FakeClock) -> None:
    slack.limit_posting(per_second=1)
    for channel in ("C0OPS", "C0DEV"):
        slack.add_channel(channel)
        await web_client(slack).chat_postMessage(channel=channel, text=f"one {channel}")
    with pytest.raises(SlackApiError) as caught:
        await web_client(slack).chat_postMessage(channel="C0OPS", text="two")
    assert (caught.value.response.status_code, caught.value.response.headers["Retry-After"]) == (429, "1")
    with pytest.raises(AssertionError, match=r"chat.postMessage failed: ratelimited"):
        slack.check()
    slack.assert_error_occurred("chat.postMessage", "ratelimited")
    clock.advance(seconds=1)
    await web_client(slack).chat_postMessage(channel="C0OPS", text="two")
    for text in ("one C0OPS", "one C0DEV", "two"):
        await alice.wait_for_reply(text=text)


@pytest.mark.parametrize(
    ("method", "error"),
    [
        ("conversations.history", "invalid_arguments"),
        ("conversations.replies", "invalid_arguments"),
        ("chat.getPermalink", "invalid_arguments"),
    ],
)
async def test_read_methods_do_not_accept_json(slack: FakeSlack, alice: Person, method: str, error: str) -> None:
    message = await alice.post_message("hi", channel="C0OPS")
    arguments = {"channel": "C0OPS", "ts": message.ts, "message_ts": message.ts, "user": "U0ALICE"}
    await expect_api_error(slack, web_client(slack).api_call(method, json=arguments), error, method)
    assert (await web_client(slack).api_call(method, params=arguments))["ok"] is True


async def test_message_has_a_permalink(slack: FakeSlack, alice: Person) -> None:
    thread = await alice.post_message("hi", channel="C0OPS")
    reply = await alice.reply(thread, "and more")
    response = await web_client(slack).chat_getPermalink(channel="C0OPS", message_ts=reply.ts)
    expected = f"https://fake.slack.com/archives/C0OPS/p{reply.ts.replace('.', '')}?thread_ts={thread.ts}&cid=C0OPS"
    assert response["permalink"] == expected
    call = web_client(slack).chat_getPermalink(channel="C0OPS", message_ts="1700000000.000100")
    await expect_api_error(slack, call, "message_not_found", "chat.getPermalink")


async def test_external_user_has_the_team_of_their_own_workspace(slack: FakeSlack, bot: RecordingBot) -> None:
    external_user = slack.add_person("external_user", "U0EXTERNAL", team_id="T0OTHER")
    await external_user.mention_bot("hi", channel="C0SHARED")
    await slack.wait_until_quiet()
    assert {request.event["user_team"] for request in bot.received} == {"T0OTHER"}
    await external_user.run_slash_command("/handrail help", channel="C0SHARED")
    assert external_user.interaction_payload("x")["user"]["team_id"] == "T0OTHER"
