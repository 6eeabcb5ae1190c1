"""Tests that the fake Slack behaves like Slack towards the real SDK, and rejects what Slack rejects."""

import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode.aiohttp import SocketModeClient

from tests.fakes.clock import FakeClock
from tests.fakes.recording_bots import RecordingBot, RecordingSocketBot, expect_api_error, web_client
from tests.fakes.slack.actor import InteractionFailed
from tests.fakes.slack.person import Person
from tests.fakes.slack.scopes import grant_scopes
from tests.fakes.slack.slack import FakeSlack, fake_slack

Scenario = Callable[[FakeSlack], Awaitable[None]]
BUTTONS: list[dict[str, Any]] = [
    {"type": "section", "text": {"type": "plain_text", "text": "push_release_tag v1.4.0"}},
    {
        "type": "actions",
        "block_id": "decide",
        "elements": [
            {
                "type": "button",
                "action_id": name,
                "text": {"type": "plain_text", "text": name.title()},
                "value": f"{name}-1",
            }
            for name in ("approve", "deny")
        ],
    },
]
DONE = [{"type": "section", "text": {"type": "plain_text", "text": "Approved by bob"}}]
MODAL = {
    "type": "modal",
    "callback_id": "answer",
    "title": {"type": "plain_text", "text": "Why not?"},
    "submit": {"type": "plain_text", "text": "Send"},
    "private_metadata": "ref-1",
    "blocks": [
        {
            "type": "input",
            "block_id": "why",
            "label": {"type": "plain_text", "text": "Reason"},
            "element": {"type": "plain_text_input", "action_id": "text"},
        }
    ],
}


async def test_file_of_the_sdk_is_shared_once(slack: FakeSlack, alice: Person) -> None:
    thread = await alice.post_message("send me the log", channel="C0OPS")
    sdk = web_client(slack)
    done = await sdk.files_upload_v2(content="line\n", filename="out.log", channel="C0OPS", thread_ts=thread.ts)
    file = done["files"][0]["id"]
    assert (await alice.wait_for_reply(thread)).message.extra_fields["files"][0]["name"] == "out.log"
    assert slack.workspace.uploads[file].data == b"line\n"
    with pytest.raises(SlackApiError, match="file_not_found"):
        await sdk.files_completeUploadExternal(files=[{"id": file, "title": "x"}], channel_id="C0OPS")
    slack.assert_error_occurred("files.completeUploadExternal", "file_not_found")


async def test_file_is_not_shared_before_its_upload_is_complete(slack: FakeSlack) -> None:
    slack.add_channel("C0OPS")
    sdk = web_client(slack)
    async with aiohttp.ClientSession() as session:
        upload = await sdk.files_getUploadURLExternal(filename="out.log", length=5)
        for data, status in ((b"line", 400), (b"line\n", 200), (b"line\n", 403)):
            if status == 400:
                with pytest.raises(SlackApiError, match="file_not_found"):
                    await sdk.files_completeUploadExternal(files=[{"id": upload["file_id"]}], channel_id="C0OPS")
            async with session.post(upload["upload_url"], data=data) as response:
                assert response.status == status
        with pytest.raises(SlackApiError, match="invalid_arguments"):
            await sdk.api_call("files.getUploadURLExternal", json={"filename": "out.log", "length": 5})
    slack.assert_error_occurred("files.completeUploadExternal", "file_not_found")
    slack.assert_error_occurred("files.getUploadURLExternal", "invalid_arguments")


async def test_scenario_from_a_mention_to_a_decision(
    slack: FakeSlack, bot: RecordingBot, alice: Person, bob: Person
) -> None:
    thread = await alice.mention_bot("deploy v1.4.0 to production", channel="C0OPS")
    response = await bot.slack.chat_postMessage(
        channel="C0OPS", thread_ts=thread.ts, text="Approval needed", blocks=BUTTONS
    )
    card = await bob.wait_for_card(thread, approval="push_release_tag")
    await card.click("Approve", actor=bob)
    await bot.slack.chat_update(channel="C0OPS", ts=response["ts"], text="Approved by bob", blocks=DONE)
    assert "Approved by bob" in await card.wait_until_closed("Approved")

    click = next(request.body for request in bot.received if "actions" in request.body)
    assert (click["type"], click["user"]["id"], click["container"]["thread_ts"]) == (
        "block_actions",
        "U0BOB",
        thread.ts,
    )
    assert (click["actions"][0]["value"], click["actions"][0]["block_id"]) == ("approve-1", "decide")
    assert click["message"]["ts"] == response["ts"]
    await slack.wait_until_quiet()
    assert all(request.is_verified for request in bot.received)


async def test_mention_is_sent_as_two_events_with_one_ts(slack: FakeSlack, bot: RecordingBot, alice: Person) -> None:
    message = await alice.mention_bot("hello", channel="C0OPS")
    await slack.wait_until_quiet()
    assert sorted(bot.event_types()) == ["app_mention", "message"]
    assert {request.event["ts"] for request in bot.received} == {message.ts}
    assert len({request.body["event_id"] for request in bot.received}) == 2
    assert {request.headers["Content-Type"] for request in bot.received} == {"application/json"}


async def test_deleted_message_with_replies_becomes_a_tombstone(
    slack: FakeSlack, bot: RecordingBot, alice: Person
) -> None:
    thread = await alice.post_message("ship v1", channel="C0OPS")
    await alice.reply(thread, "please")
    await alice.delete_message(thread)
    await slack.wait_until_quiet()
    event = next(request.event for request in bot.received if "subtype" in request.event)
    assert (event["subtype"], event["message"]["subtype"]) == ("message_changed", "tombstone")
    assert (event["message"]["ts"], event["message"]["user"]) == (thread.ts, "USLACKBOT")
    assert (event["previous_message"]["text"], event["previous_message"]["user"]) == ("ship v1", "U0ALICE")


async def test_changes_of_messages_are_sent_as_events(slack: FakeSlack, bot: RecordingBot, alice: Person) -> None:
    thread = await alice.post_message("look at https://example.com", channel="C0OPS")
    reply = await alice.reply(thread, "all of it")
    slack.unfurl(thread, "https://example.com")
    await alice.edit_message(reply, "some of it")
    await alice.delete_message(reply)
    await alice.send_direct_message("just for you")
    slack.add_bot("jenkins", "B0CI").post_message("built", channel="C0OPS")
    await slack.wait_until_quiet()
    events = {request.event["event_ts"]: request.event for request in bot.received}
    first, second, unfurled, edited, deleted, direct, bot_message = (events[ts] for ts in sorted(events))
    assert (first["text"], first["channel_type"], "thread_ts" in first) == (thread.text, "channel", False)
    assert (second["thread_ts"], second["parent_user_id"]) == (thread.ts, "U0ALICE")
    assert unfurled["hidden"] is True
    assert unfurled["message"]["text"] == unfurled["previous_message"]["text"]
    assert "edited" not in unfurled["message"]
    assert (edited["message"]["text"], edited["previous_message"]["text"]) == ("some of it", "all of it")
    assert edited["message"]["edited"]["user"] == "U0ALICE"
    assert deleted["deleted_ts"] == reply.ts
    assert (direct["channel_type"], direct["channel"][0]) == ("im", "D")
    assert (bot_message["subtype"], bot_message["bot_id"], "user" in bot_message) == ("bot_message", "B0CI", False)


async def test_bot_receives_its_own_messages(slack: FakeSlack, bot: RecordingBot, alice: Person) -> None:
    thread = await alice.post_message("hi", channel="C0OPS")
    await bot.slack.chat_postMessage(channel="C0OPS", thread_ts=thread.ts, text="<@U0BOT> it is me")
    await alice.wait_for_reply(thread, "it is me")
    await slack.wait_until_quiet()
    own_events = [request.event for request in bot.received if request.event.get("bot_id")]
    assert [(event["type"], event["user"], event["bot_id"]) for event in own_events] == [("message", "U0BOT", "B0BOT")]


async def unexpected_message(slack: FakeSlack) -> None:
    slack.add_channel("C0OPS")
    await web_client(slack).chat_postMessage(channel="C0OPS", text="surprise")


async def unexpected_modal(slack: FakeSlack) -> None:
    slack.add_person("alice", "U0ALICE")
    await web_client(slack).views_open(trigger_id=slack.workspace.new_trigger("U0ALICE"), view=MODAL)


async def unexpected_error(slack: FakeSlack) -> None:
    with pytest.raises(SlackApiError):
        await web_client(slack).chat_postMessage(channel="C0NONE", text="hello")


async def unused_fault(slack: FakeSlack) -> None:
    slack.fail_next("chat.update", error="ratelimited", retry_after=3)


@pytest.mark.parametrize(
    ("scenario", "failure"),
    [
        (unexpected_message, "unexpected message 'surprise'"),
        (unexpected_modal, "unexpected modal 'Why not"),
        (unexpected_error, "chat.postMessage failed: channel_not_found"),
        (unused_fault, "a planned fault of chat.update did not occur"),
    ],
)
async def test_unexpected_behavior_fails_the_test(scenario: Scenario, failure: str) -> None:
    async def run() -> None:
        async with fake_slack() as slack:
            await scenario(slack)

    with pytest.raises(AssertionError, match=failure):
        await run()


async def test_wrong_token_is_rejected(slack: FakeSlack) -> None:
    await expect_api_error(slack, web_client(slack, "xoxb-stolen").auth_test(), "invalid_auth", "auth.test")


async def test_missing_token_is_rejected(slack: FakeSlack) -> None:
    async with aiohttp.ClientSession() as session, session.post(f"{slack.base_url}auth.test") as response:
        assert (await response.json())["error"] == "not_authed"
    slack.assert_error_occurred("auth.test", "not_authed")


async def test_token_is_accepted_in_the_form(slack: FakeSlack) -> None:
    form = {"token": slack.app.bot_token}
    async with aiohttp.ClientSession() as session, session.post(f"{slack.base_url}auth.test", data=form) as response:
        assert (await response.json())["user_id"] == "U0BOT"


async def test_message_to_an_unknown_channel_is_rejected(slack: FakeSlack) -> None:
    await expect_api_error(
        slack, web_client(slack).chat_postMessage(channel="C0NONE", text="hello"), "channel_not_found"
    )


@pytest.mark.parametrize(
    ("fields", "error"), [({"has_bot": False}, "not_in_channel"), ({"is_archived": True}, "is_archived")]
)
async def test_message_to_an_inaccessible_channel_is_rejected(
    slack: FakeSlack, fields: dict[str, Any], error: str
) -> None:
    slack.add_channel("C0OPS", **fields)
    await expect_api_error(slack, web_client(slack).chat_postMessage(channel="C0OPS", text="hello"), error)


async def test_empty_message_is_rejected(slack: FakeSlack) -> None:
    slack.add_channel("C0OPS")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the SDK warns about it, too
        await expect_api_error(slack, web_client(slack).chat_postMessage(channel="C0OPS"), "no_text")


@pytest.mark.parametrize(
    ("thread_ts", "error"), [("", "invalid_thread_ts"), ("1700000000.000100", "cannot_reply_to_message")]
)
async def test_unknown_thread_is_rejected(slack: FakeSlack, thread_ts: str, error: str) -> None:
    slack.add_channel("C0OPS")
    call = web_client(slack).chat_postMessage(channel="C0OPS", text="hello", thread_ts=thread_ts)
    await expect_api_error(slack, call, error)


async def test_reply_to_a_reply_is_rejected(slack: FakeSlack, alice: Person) -> None:
    reply = await alice.reply(await alice.post_message("hi", channel="C0OPS"), "and more")
    call = web_client(slack).chat_postMessage(channel="C0OPS", text="hello", thread_ts=reply.ts)
    await expect_api_error(slack, call, "cannot_reply_to_message")


async def test_update_of_an_unknown_message_is_rejected(slack: FakeSlack) -> None:
    slack.add_channel("C0OPS")
    call = web_client(slack).chat_update(channel="C0OPS", ts="1700000000.000100", text="hello")
    await expect_api_error(slack, call, "message_not_found", "chat.update")


async def test_update_of_another_users_message_is_rejected(slack: FakeSlack, alice: Person) -> None:
    message = await alice.post_message("hi", channel="C0OPS")
    call = web_client(slack).chat_update(channel="C0OPS", ts=message.ts, text="hello")
    await expect_api_error(slack, call, "cant_update_message", "chat.update")


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "plain_text", "text": text}}


def button(**fields: Any) -> dict[str, Any]:
    return {"type": "button", "text": {"type": "plain_text", "text": "Go"}, "action_id": "go", **fields}


def actions(*buttons: dict[str, Any]) -> dict[str, Any]:
    return {"type": "actions", "elements": list(buttons)}


@pytest.mark.parametrize(
    ("blocks", "violation"),
    [
        ([{"type": "divider"}] * 51, "no more than 50 items allowed [json-pointer:/blocks]"),
        ([section("x" * 3001)], "less than 3001 characters [json-pointer:/blocks/0/text/text]"),
        ([section("")], "more than 0 characters [json-pointer:/blocks/0/text/text]"),
        ([{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}], "less than 151"),
        ([actions(button(text={"type": "plain_text", "text": "x" * 76}))], "less than 76"),
        ([actions(button(value="x" * 2001))], "less than 2001"),
        ([actions(button(action_id="x" * 256))], "less than 256"),
        ([{**section("x"), "block_id": "x" * 256}], "less than 256"),
        ([actions(*(button(action_id=str(n)) for n in range(26)))], "no more than 25 items"),
        ([actions(button(), button())], 'action_id "go" already exists'),
        ([actions(button(text={"type": "mrkdwn", "text": "Go"}))], "must be an object of plain_text"),
        ([actions(button(style="loud"))], "must be a valid style"),
        ([section("x"), {"type": "header", "text": {"type": "mrkdwn", "text": "x"}}], "/blocks/1/text]"),
        ([{"type": "marquee"}], "unsupported type: marquee"),
    ],
)
async def test_blocks_beyond_the_limits_are_rejected(slack: FakeSlack, blocks: list[Any], violation: str) -> None:
    slack.add_channel("C0OPS")
    call = web_client(slack).chat_postMessage(channel="C0OPS", text="hello", blocks=blocks)
    assert violation in (await expect_api_error(slack, call, "invalid_blocks"))[0]


async def test_total_length_of_markdown_is_limited(slack: FakeSlack) -> None:
    slack.add_channel("C0OPS")
    blocks = [{"type": "markdown", "text": "x" * 6001}] * 2
    await expect_api_error(
        slack, web_client(slack).chat_postMessage(channel="C0OPS", text="hi", blocks=blocks), "msg_blocks_too_long"
    )


async def test_blocks_at_the_limits_are_accepted(slack: FakeSlack, alice: Person) -> None:
    slack.add_channel("C0OPS")
    blocks = [section("x" * 3000), actions(*(button(action_id=str(n), value="x" * 2000) for n in range(25)))]
    await web_client(slack).chat_postMessage(channel="C0OPS", text="hello", blocks=blocks)
    card = await alice.wait_for_card(text="hello")
    assert len(card.message.blocks) == len(blocks)


async def test_failed_wait_lists_unseen_messages() -> None:
    async def run() -> None:
        async with fake_slack(timeout_seconds=0.05) as slack:
            await unexpected_message(slack)
            await slack.add_person("alice", "U0ALICE").wait_for_reply(text="something else")

    with pytest.raises(AssertionError, match=r"alice never saw a reply something else; unseen are \['surprise'\]"):
        await run()


async def test_typed_text_is_encoded_as_by_slack(slack: FakeSlack, alice: Person) -> None:
    message = await alice.mention_bot("a < b & https://example.com/?x=1&y=2", channel="C0OPS")
    assert message.text == "<@U0BOT> a &lt; b &amp; <https://example.com/?x=1&y=2>"
    elements = message.blocks[0]["elements"][0]["elements"]
    assert [element["type"] for element in elements] == ["user", "text", "link"]
    assert elements[1]["text"] == " a < b & "


async def test_each_ts_is_later_than_the_previous_one(slack: FakeSlack, alice: Person, clock: FakeClock) -> None:
    first = await alice.post_message("one", channel="C0OPS")
    second = await alice.post_message("two", channel="C0OPS")
    clock.advance(seconds=1)
    third = await alice.post_message("three", channel="C0OPS")
    started_at = int(FakeClock().monotonic())
    assert [m.ts for m in (first, second, third)] == [
        f"{started_at}.000100",
        f"{started_at}.000200",
        f"{started_at + 1}.000100",
    ]


async def test_rate_limited_call_has_retry_after(slack: FakeSlack, alice: Person) -> None:
    slack.add_channel("C0OPS")
    slack.fail_next("chat.postMessage", error="ratelimited", retry_after=3)
    with pytest.raises(SlackApiError) as raised:
        await web_client(slack).chat_postMessage(channel="C0OPS", text="hello")
    assert (raised.value.response.status_code, raised.value.response.headers["Retry-After"]) == (429, "3")
    await web_client(slack).chat_postMessage(channel="C0OPS", text="hello")
    await alice.wait_for_reply(text="hello")


async def test_server_errors_can_be_injected(slack: FakeSlack) -> None:
    slack.fail_next("auth.test", status=500)
    slack.fail_next("auth.test", error="internal_error")
    for status in (500, 200):
        with pytest.raises(SlackApiError) as raised:
            await web_client(slack).auth_test()
        assert raised.value.response.status_code == status


async def test_connection_cut_before_stores_no_message(slack: FakeSlack) -> None:
    slack.add_channel("C0OPS")
    slack.cut_next("chat.postMessage", "before")
    with pytest.raises(aiohttp.ClientConnectionError):
        await web_client(slack).chat_postMessage(channel="C0OPS", text="hello")
    assert slack.workspace.messages == []


async def test_connection_cut_after_stores_the_message_with_metadata(slack: FakeSlack, alice: Person) -> None:
    thread = await alice.post_message("hi", channel="C0OPS")
    slack.cut_next("chat.postMessage", "after")
    metadata = {"event_type": "handrail", "event_payload": {"outbox_id": "o1"}}
    with pytest.raises(aiohttp.ClientConnectionError):
        await web_client(slack).chat_postMessage(channel="C0OPS", text="hello", thread_ts=thread.ts, metadata=metadata)
    await alice.wait_for_reply(thread, "hello")
    found = await web_client(slack).conversations_replies(channel="C0OPS", ts=thread.ts, include_all_metadata=True)
    assert [message.get("metadata") for message in found["messages"]] == [None, metadata]
    without = await web_client(slack).conversations_replies(channel="C0OPS", ts=thread.ts)
    assert "metadata" not in without["messages"][1]


async def test_history_is_paginated_newest_first(slack: FakeSlack, alice: Person) -> None:
    messages = [await alice.post_message(f"number {n}", channel="C0OPS") for n in range(3)]
    await alice.reply(messages[0], "not in the channel")
    first = await web_client(slack).conversations_history(channel="C0OPS", limit=2)
    cursor = first["response_metadata"]["next_cursor"]
    second = await web_client(slack).conversations_history(channel="C0OPS", limit=2, cursor=cursor)
    texts = [message["text"] for page in (first, second) for message in page["messages"]]
    assert texts == ["number 2", "number 1", "number 0"]
    assert (second["messages"][0]["reply_count"], second["has_more"]) == (1, False)
    later = await web_client(slack).conversations_history(channel="C0OPS", oldest=messages[1].ts)
    assert [message["ts"] for message in later["messages"]] == [messages[2].ts]


async def test_users_info_returns_the_user(slack: FakeSlack) -> None:
    grant_scopes(slack.workspace, "users:read")
    slack.add_person("guest", "U0GUEST", is_restricted=True)
    assert (await web_client(slack).users_info(user="U0GUEST"))["user"]["is_restricted"] is True
    await expect_api_error(slack, web_client(slack).users_info(user="U0NOBODY"), "user_not_found", "users.info")


async def test_ephemeral_message_reaches_one_user(slack: FakeSlack, alice: Person, bob: Person) -> None:
    slack.add_channel("C0OPS")
    await web_client(slack).chat_postEphemeral(channel="C0OPS", user="U0BOB", text="not for you to decide")
    assert "not for you" in (await bob.wait_for_ephemeral("not for you")).text
    call = web_client(slack).chat_postEphemeral(channel="C0OPS", user="U0NOBODY", text="hello")
    await expect_api_error(slack, call, "user_not_in_channel", "chat.postEphemeral")


async def test_direct_message_is_visible_to_one_person(slack: FakeSlack, alice: Person, bob: Person) -> None:
    conversation = await web_client(slack).conversations_open(users="U0BOB")
    await web_client(slack).chat_postMessage(channel=conversation["channel"]["id"], text="psst", blocks=BUTTONS)
    assert not alice._may_read(slack.workspace.messages[0], None)
    await bob.wait_for_card(text="psst")


async def test_message_is_deleted(slack: FakeSlack, alice: Person) -> None:
    slack.add_channel("C0OPS")
    message = await web_client(slack).chat_postMessage(channel="C0OPS", text="hello")
    card = await alice.wait_for_reply(text="hello")
    await web_client(slack).chat_delete(channel="C0OPS", ts=message["ts"])
    await card.wait_until_deleted()
    assert card.message.is_deleted


async def test_status_is_set_for_a_thread(slack: FakeSlack, alice: Person) -> None:
    thread = await alice.send_direct_message("hi")
    await web_client(slack).assistant_threads_setStatus(
        channel_id=thread.channel, thread_ts=thread.ts, status="is thinking"
    )
    assert slack.workspace.statuses == {(thread.channel, thread.ts): "is thinking"}


async def test_home_tab_is_published(slack: FakeSlack, alice: Person) -> None:
    await web_client(slack).views_publish(user_id="U0ALICE", view={"type": "home", "blocks": [section("Welcome")]})
    assert (await alice.wait_for_home_tab("Welcome"))["type"] == "home"


async def click_new_card(slack: FakeSlack, bot: RecordingBot, person: Person) -> dict[str, Any]:
    """Post a card, click it and return the payload of the click."""
    slack.add_channel("C0OPS")
    await bot.slack.chat_postMessage(channel="C0OPS", text="decide", blocks=BUTTONS)
    await (await person.wait_for_card(text="decide")).click("Deny", actor=person)
    payload: dict[str, Any] = next(h.body for h in reversed(bot.received) if h.body.get("type") == "block_actions")
    return payload


async def test_modal_is_submitted(slack: FakeSlack, bot: RecordingBot, bob: Person) -> None:
    click = await click_new_card(slack, bot, bob)
    await bot.slack.views_open(trigger_id=click["trigger_id"], view=MODAL)
    modal = await bob.wait_for_modal("Why not?")
    bot.respond = lambda _: web.json_response({"response_action": "errors", "errors": {"why": "too short"}})
    assert await modal.submit_expecting_errors({"Reason": "no"}) == {"why": "too short"}
    bot.respond = lambda _: web.Response()
    await modal.submit({"Reason": "It is Friday"})
    view = bot.received[-1].body["view"]
    assert view["state"]["values"]["why"]["text"] == {"type": "plain_text_input", "value": "It is Friday"}
    assert view["private_metadata"] == "ref-1"


async def test_trigger_is_valid_for_one_modal_and_three_seconds(
    slack: FakeSlack, bot: RecordingBot, bob: Person, clock: FakeClock
) -> None:
    click = await click_new_card(slack, bot, bob)
    await bot.slack.views_open(trigger_id=click["trigger_id"], view=MODAL)
    await bob.wait_for_modal()
    second_call = bot.slack.views_open(trigger_id=click["trigger_id"], view=MODAL)
    await expect_api_error(slack, second_call, "exchanged_trigger_id", "views.open")
    late_trigger = (await click_new_card(slack, bot, bob))["trigger_id"]
    await slack.wait_until_quiet()
    clock.advance(seconds=4)
    await expect_api_error(
        slack, bot.slack.views_open(trigger_id=late_trigger, view=MODAL), "expired_trigger_id", "views.open"
    )


async def test_response_url_accepts_five_messages(slack: FakeSlack, bot: RecordingBot, bob: Person) -> None:
    click = await click_new_card(slack, bot, bob)
    async with aiohttp.ClientSession() as session:
        for n in range(6):
            async with session.post(click["response_url"], json={"text": f"answer {n}"}) as response:
                assert response.status == (200 if n < 5 else 404)
    for n in range(5):
        await bob.wait_for_ephemeral(f"answer {n}")


async def test_rejected_click_is_not_retried(slack: FakeSlack, bot: RecordingBot, bob: Person) -> None:
    bot.respond = lambda request: web.Response(status=500 if "actions" in request.body else 200)
    with pytest.raises(InteractionFailed, match="Slack warned bob: http_error 500"):
        await click_new_card(slack, bot, bob)
    assert len([request for request in bot.received if "actions" in request.body]) == 1


async def test_click_while_the_bot_is_down_is_lost(slack: FakeSlack, bot: RecordingBot, bob: Person) -> None:
    slack.add_channel("C0OPS")
    await bot.slack.chat_postMessage(channel="C0OPS", text="decide", blocks=BUTTONS)
    card = await bob.wait_for_card(text="decide")
    await slack.wait_until_quiet()
    slack.set_bot_url(None)
    with pytest.raises(InteractionFailed, match="Slack warned bob: connection_failed"):
        await card.click("Approve", actor=bob)


async def test_slash_command_is_sent_as_a_form(slack: FakeSlack, bot: RecordingBot, alice: Person) -> None:
    bot.respond = lambda _: web.json_response({"response_type": "ephemeral", "text": "all is well"})
    response = await alice.run_slash_command("/handrail status", channel="C0OPS")
    assert response["text"] == "all is well"
    request = bot.received[-1]
    assert (request.body["command"], request.body["text"], request.is_verified) == ("/handrail", "status", True)
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"


async def test_url_verification_and_ssl_check_are_sent(slack: FakeSlack, bot: RecordingBot) -> None:
    bot.respond = lambda request: web.Response(text=request.body.get("challenge", ""))
    await slack.verify_url()
    assert (await slack.send_ssl_check()).is_accepted
    assert [request.is_verified for request in bot.received] == [True, False]


async def test_event_is_retried_three_times(
    slack: FakeSlack, bot: RecordingBot, alice: Person, clock: FakeClock
) -> None:
    bot.respond = lambda _: web.Response(status=503)
    await alice.post_message("hi", channel="C0OPS")
    await slack.wait_until_quiet()
    assert len(bot.received) == 2
    for minutes in (1, 5, 60):
        await slack.advance_clock(minutes=minutes)
    assert [request.headers.get("X-Slack-Retry-Num") for request in bot.received] == [None, "1", "2", "3"]
    assert bot.received[1].headers["X-Slack-Retry-Reason"] == "http_error"
    assert len({request.body["event_id"] for request in bot.received}) == 1
    assert all(request.is_verified for request in bot.received)


async def test_event_can_be_redelivered(slack: FakeSlack, bot: RecordingBot, alice: Person) -> None:
    await alice.post_message("hi", channel="C0OPS")
    await slack.wait_until_quiet()
    slack.redeliver(slack.delivery_attempts[0][0])
    await slack.wait_until_quiet()
    assert bot.received[0].body == bot.received[1].body


async def test_no_retry_header_prevents_retries(slack: FakeSlack, bot: RecordingBot, alice: Person) -> None:
    bot.respond = lambda _: web.Response(status=503, headers={"X-Slack-No-Retry": "1"})
    await alice.post_message("hi", channel="C0OPS")
    await slack.wait_until_quiet()
    assert len(bot.received) == 1


async def test_response_timeout_uses_the_clock(
    slack: FakeSlack, bot: RecordingBot, alice: Person, clock: FakeClock
) -> None:
    bot.may_answer.clear()
    await alice.post_message("hi", channel="C0OPS")
    await bot.wait_for_requests(1)
    clock.advance(seconds=3)
    await bot.wait_for_requests(2)
    bot.may_answer.set()
    await slack.wait_until_quiet()
    assert bot.received[1].headers["X-Slack-Retry-Reason"] == "http_timeout"


async def test_events_wait_while_the_bot_is_down(slack: FakeSlack, bot: RecordingBot, alice: Person) -> None:
    slack.set_bot_url(None)
    await alice.post_message("hi", channel="C0OPS")
    await slack.wait_until_quiet()
    assert bot.received == []
    slack.set_bot_url(bot.url)
    await slack.wait_until_quiet()
    assert bot.event_types() == ["message"]


@pytest.fixture
async def socket_slack(clock: FakeClock) -> AsyncIterator[FakeSlack]:
    async with fake_slack(clock, socket_mode=True) as fake:
        yield fake


@pytest.fixture
async def socket_bot(socket_slack: FakeSlack) -> AsyncIterator[RecordingSocketBot]:
    app_token = socket_slack.app.app_token
    bot = RecordingSocketBot(
        SocketModeClient(app_token, web_client=web_client(socket_slack), auto_reconnect_enabled=False)
    )
    bot.client.socket_mode_request_listeners.append(bot.handle)
    await bot.client.connect_to_new_endpoint(force=True)
    await socket_slack.wait_for_connections()
    try:
        yield bot
        await socket_slack.wait_until_quiet()
    finally:
        await bot.client.close()  # type: ignore[no-untyped-call]


async def test_events_are_sent_over_socket_mode(socket_slack: FakeSlack, socket_bot: RecordingSocketBot) -> None:
    message = await socket_slack.add_person("alice", "U0ALICE").mention_bot("hello", channel="C0OPS")
    await socket_slack.wait_until_quiet()
    assert sorted(request.payload["event"]["type"] for request in socket_bot.received) == ["app_mention", "message"]
    assert {request.payload["event"]["ts"] for request in socket_bot.received} == {message.ts}
    assert {request.type for request in socket_bot.received} == {"events_api"}


async def test_socket_mode_acknowledgement_answers_interactions(
    socket_slack: FakeSlack, socket_bot: RecordingSocketBot
) -> None:
    alice = socket_slack.add_person("alice", "U0ALICE")
    socket_bot.payload = {"text": "all is well"}
    assert await alice.run_slash_command("/handrail status", channel="C0OPS") == {"text": "all is well"}
    await web_client(socket_slack).chat_postMessage(channel="C0OPS", text="decide", blocks=BUTTONS)
    await (await alice.wait_for_card(text="decide")).click("approve", actor=alice)
    await socket_slack.wait_until_quiet()
    kinds = [request.type for request in socket_bot.received]
    assert sorted(kinds) == ["events_api", "interactive", "slash_commands"]


async def test_connection_is_renewed(socket_slack: FakeSlack, socket_bot: RecordingSocketBot) -> None:
    alice = socket_slack.add_person("alice", "U0ALICE")
    await socket_slack.socket.disconnect_all("refresh_requested")
    await socket_slack.wait_for_connections(count=2)
    await alice.post_message("still there?", channel="C0OPS")
    await socket_slack.wait_until_quiet()
    assert [request.payload["event"]["text"] for request in socket_bot.received] == ["still there?"]


async def test_unacknowledged_envelope_is_redelivered(
    socket_slack: FakeSlack, socket_bot: RecordingSocketBot, clock: FakeClock
) -> None:
    socket_bot.is_silent = True
    await socket_slack.add_person("alice", "U0ALICE").post_message("hi", channel="C0OPS")
    await socket_bot.wait_for_requests(1)
    socket_bot.is_silent = False
    clock.advance(seconds=3)
    await socket_bot.wait_for_requests(2)
    assert [(r.retry_attempt, r.retry_reason) for r in socket_bot.received] == [(0, ""), (1, "http_timeout")]


async def test_pending_envelope_of_a_lost_connection_is_redelivered(
    socket_slack: FakeSlack, socket_bot: RecordingSocketBot
) -> None:
    socket_bot.is_silent = True
    await socket_slack.add_person("alice", "U0ALICE").post_message("hi", channel="C0OPS")
    await socket_bot.wait_for_requests(1)
    socket_bot.is_silent = False
    await socket_bot.client.connect_to_new_endpoint(force=True)
    await socket_bot.wait_for_requests(2)
    assert [r.retry_reason for r in socket_bot.received] == ["", "connection_failed"]


async def test_connection_requires_the_app_token(socket_slack: FakeSlack) -> None:
    call = web_client(socket_slack).apps_connections_open(app_token=socket_slack.app.bot_token)
    await expect_api_error(socket_slack, call, "not_allowed_token_type", "apps.connections.open")


async def test_ticket_opens_one_connection(socket_slack: FakeSlack) -> None:
    url = (await web_client(socket_slack).apps_connections_open(app_token=socket_slack.app.app_token))["url"]
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(url) as connection:
            hello = await connection.receive_json()
        assert (hello["type"], hello["num_connections"]) == ("hello", 1)
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(url)
