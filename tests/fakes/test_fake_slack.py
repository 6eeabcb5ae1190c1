"""The fake Slack is strict, and speaks with the real SDK as Slack does."""

import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode.aiohttp import SocketModeClient

from tests.fakes.clock import FakeClock
from tests.fakes.recording_bots import RecordingBot, RecordingSocketBot, expect_refusal, web_client
from tests.fakes.slack.actor import InteractionFailed
from tests.fakes.slack.person import Person
from tests.fakes.slack.scopes import grant_scopes
from tests.fakes.slack.slack import FakeSlack, fake_slack

Story = Callable[[FakeSlack], Awaitable[None]]
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


async def test_file_is_uploaded_as_the_sdk_does_and_shown_once(slack: FakeSlack, alice: Person) -> None:
    thread = await alice.post_message("send me the log", channel="C0OPS")
    sdk = web_client(slack)
    done = await sdk.files_upload_v2(content="line\n", filename="out.log", channel="C0OPS", thread_ts=thread.ts)
    file = done["files"][0]["id"]
    assert (await alice.wait_for_reply(thread)).message.extra_fields["files"][0]["name"] == "out.log"
    assert slack.workspace.uploads[file].data == b"line\n"
    with pytest.raises(SlackApiError, match="file_not_found"):
        await sdk.files_completeUploadExternal(files=[{"id": file, "title": "x"}], channel_id="C0OPS")
    slack.expect_error("files.completeUploadExternal", "file_not_found")


async def test_file_is_not_shown_before_exactly_what_was_announced_is_uploaded(slack: FakeSlack) -> None:
    slack.add_channel("C0OPS")
    sdk = web_client(slack)
    async with aiohttp.ClientSession() as session:
        place = await sdk.files_getUploadURLExternal(filename="out.log", length=5)
        for data, status in ((b"line", 400), (b"line\n", 200), (b"line\n", 403)):
            if status == 400:
                with pytest.raises(SlackApiError, match="file_not_found"):
                    await sdk.files_completeUploadExternal(files=[{"id": place["file_id"]}], channel_id="C0OPS")
            async with session.post(place["upload_url"], data=data) as answer:
                assert answer.status == status
        with pytest.raises(SlackApiError, match="invalid_arguments"):
            await sdk.api_call("files.getUploadURLExternal", json={"filename": "out.log", "length": 5})
    slack.expect_error("files.completeUploadExternal", "file_not_found")
    slack.expect_error("files.getUploadURLExternal", "invalid_arguments")


async def test_a_story_from_a_mention_to_a_decision(
    slack: FakeSlack, bot: RecordingBot, alice: Person, bob: Person
) -> None:
    thread = await alice.mention_bot("deploy v1.4.0 to production", channel="C0OPS")
    posted = await bot.slack.chat_postMessage(
        channel="C0OPS", thread_ts=thread.ts, text="Approval needed", blocks=BUTTONS
    )
    card = await bob.wait_for_card(thread, approval="push_release_tag")
    await card.click("Approve", actor=bob)
    await bot.slack.chat_update(channel="C0OPS", ts=posted["ts"], text="Approved by bob", blocks=DONE)
    assert "Approved by bob" in await card.wait_until_closed("Approved")

    click = next(heard.body for heard in bot.received if "actions" in heard.body)
    assert (click["type"], click["user"]["id"], click["container"]["thread_ts"]) == (
        "block_actions",
        "U0BOB",
        thread.ts,
    )
    assert (click["actions"][0]["value"], click["actions"][0]["block_id"]) == ("approve-1", "decide")
    assert click["message"]["ts"] == posted["ts"]
    await slack.wait_until_quiet()
    assert all(heard.is_verified for heard in bot.received)


async def test_a_mention_is_told_twice_with_one_ts_and_two_event_ids(
    slack: FakeSlack, bot: RecordingBot, alice: Person
) -> None:
    said = await alice.mention_bot("hello", channel="C0OPS")
    await slack.wait_until_quiet()
    assert sorted(bot.event_types()) == ["app_mention", "message"]
    assert {heard.event["ts"] for heard in bot.received} == {said.ts}
    assert len({heard.body["event_id"] for heard in bot.received}) == 2
    assert {heard.headers["Content-Type"] for heard in bot.received} == {"application/json"}


async def test_a_message_with_replies_that_is_deleted_leaves_a_stone(
    slack: FakeSlack, bot: RecordingBot, alice: Person
) -> None:
    thread = await alice.post_message("ship v1", channel="C0OPS")
    await alice.reply(thread, "please")
    await alice.delete_message(thread)
    await slack.wait_until_quiet()
    told = next(heard.event for heard in bot.received if "subtype" in heard.event)
    assert (told["subtype"], told["message"]["subtype"]) == ("message_changed", "tombstone")
    assert (told["message"]["ts"], told["message"]["user"]) == (thread.ts, "USLACKBOT")
    assert (told["previous_message"]["text"], told["previous_message"]["user"]) == ("ship v1", "U0ALICE")


async def test_what_happens_to_messages_is_told(slack: FakeSlack, bot: RecordingBot, alice: Person) -> None:
    thread = await alice.post_message("look at https://example.com", channel="C0OPS")
    reply = await alice.reply(thread, "all of it")
    slack.unfurl(thread, "https://example.com")
    await alice.edit_message(reply, "some of it")
    await alice.delete_message(reply)
    await alice.send_direct_message("just for you")
    slack.add_bot("jenkins", "B0CI").post_message("built", channel="C0OPS")
    await slack.wait_until_quiet()
    events = {heard.event["event_ts"]: heard.event for heard in bot.received}
    first, second, unfolded, edited, deleted, direct, robot = (events[ts] for ts in sorted(events))
    assert (first["text"], first["channel_type"], "thread_ts" in first) == (thread.text, "channel", False)
    assert (second["thread_ts"], second["parent_user_id"]) == (thread.ts, "U0ALICE")
    assert unfolded["hidden"] is True
    assert unfolded["message"]["text"] == unfolded["previous_message"]["text"]
    assert "edited" not in unfolded["message"]
    assert (edited["message"]["text"], edited["previous_message"]["text"]) == ("some of it", "all of it")
    assert edited["message"]["edited"]["user"] == "U0ALICE"
    assert deleted["deleted_ts"] == reply.ts
    assert (direct["channel_type"], direct["channel"][0]) == ("im", "D")
    assert (robot["subtype"], robot["bot_id"], "user" in robot) == ("bot_message", "B0CI", False)


async def test_the_bot_hears_itself(slack: FakeSlack, bot: RecordingBot, alice: Person) -> None:
    thread = await alice.post_message("hi", channel="C0OPS")
    await bot.slack.chat_postMessage(channel="C0OPS", thread_ts=thread.ts, text="<@U0BOT> it is me")
    await alice.wait_for_reply(thread, "it is me")
    await slack.wait_until_quiet()
    own = [heard.event for heard in bot.received if heard.event.get("bot_id")]
    assert [(event["type"], event["user"], event["bot_id"]) for event in own] == [("message", "U0BOT", "B0BOT")]


async def unasked(slack: FakeSlack) -> None:
    slack.add_channel("C0OPS")
    await web_client(slack).chat_postMessage(channel="C0OPS", text="surprise")


async def unasked_modal(slack: FakeSlack) -> None:
    slack.add_person("alice", "U0ALICE")
    await web_client(slack).views_open(trigger_id=slack.workspace.new_trigger("U0ALICE"), view=MODAL)


async def refused_unasked(slack: FakeSlack) -> None:
    with pytest.raises(SlackApiError):
        await web_client(slack).chat_postMessage(channel="C0NONE", text="hello")


async def a_fault_too_many(slack: FakeSlack) -> None:
    slack.fail_next("chat.update", error="ratelimited", retry_after=3)


@pytest.mark.parametrize(
    ("story", "complaint"),
    [
        (unasked, "nobody expected 'surprise'"),
        (unasked_modal, "nobody expected the modal 'Why not"),
        (refused_unasked, "chat.postMessage was refused: channel_not_found"),
        (a_fault_too_many, "chat.update was called too seldom"),
    ],
)
async def test_what_the_story_does_not_tell_of_fails_the_test(story: Story, complaint: str) -> None:
    async def told() -> None:
        async with fake_slack() as slack:
            await story(slack)

    with pytest.raises(AssertionError, match=complaint):
        await told()


async def test_a_wrong_token_is_refused_whatever_the_method(slack: FakeSlack) -> None:
    await expect_refusal(slack, web_client(slack, "xoxb-stolen").auth_test(), "invalid_auth", "auth.test")


async def test_no_token_is_refused(slack: FakeSlack) -> None:
    async with aiohttp.ClientSession() as session, session.post(f"{slack.base_url}auth.test") as response:
        assert (await response.json())["error"] == "not_authed"
    slack.expect_error("auth.test", "not_authed")


async def test_a_token_may_stand_in_the_form(slack: FakeSlack) -> None:
    form = {"token": slack.app.bot_token}
    async with aiohttp.ClientSession() as session, session.post(f"{slack.base_url}auth.test", data=form) as response:
        assert (await response.json())["user_id"] == "U0BOT"


async def test_a_message_to_an_unknown_channel_is_refused_as_slack_does(slack: FakeSlack) -> None:
    await expect_refusal(slack, web_client(slack).chat_postMessage(channel="C0NONE", text="hello"), "channel_not_found")


@pytest.mark.parametrize(
    ("trait", "error"), [({"has_bot": False}, "not_in_channel"), ({"is_archived": True}, "is_archived")]
)
async def test_a_channel_may_be_closed_to_the_bot(slack: FakeSlack, trait: dict[str, Any], error: str) -> None:
    slack.add_channel("C0OPS", **trait)
    await expect_refusal(slack, web_client(slack).chat_postMessage(channel="C0OPS", text="hello"), error)


async def test_a_message_without_words_is_refused(slack: FakeSlack) -> None:
    slack.add_channel("C0OPS")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the SDK warns of it too
        await expect_refusal(slack, web_client(slack).chat_postMessage(channel="C0OPS"), "no_text")


@pytest.mark.parametrize(
    ("thread_ts", "error"), [("", "invalid_thread_ts"), ("1700000000.000100", "cannot_reply_to_message")]
)
async def test_a_thread_that_is_not_there_is_refused(slack: FakeSlack, thread_ts: str, error: str) -> None:
    slack.add_channel("C0OPS")
    call = web_client(slack).chat_postMessage(channel="C0OPS", text="hello", thread_ts=thread_ts)
    await expect_refusal(slack, call, error)


async def test_a_reply_to_a_reply_is_refused(slack: FakeSlack, alice: Person) -> None:
    reply = await alice.reply(await alice.post_message("hi", channel="C0OPS"), "and more")
    call = web_client(slack).chat_postMessage(channel="C0OPS", text="hello", thread_ts=reply.ts)
    await expect_refusal(slack, call, "cannot_reply_to_message")


async def test_an_update_of_nothing_is_refused(slack: FakeSlack) -> None:
    slack.add_channel("C0OPS")
    call = web_client(slack).chat_update(channel="C0OPS", ts="1700000000.000100", text="hello")
    await expect_refusal(slack, call, "message_not_found", "chat.update")


async def test_an_update_of_what_somebody_else_said_is_refused(slack: FakeSlack, alice: Person) -> None:
    said = await alice.post_message("hi", channel="C0OPS")
    call = web_client(slack).chat_update(channel="C0OPS", ts=said.ts, text="hello")
    await expect_refusal(slack, call, "cant_update_message", "chat.update")


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "plain_text", "text": text}}


def button(**changed: Any) -> dict[str, Any]:
    return {"type": "button", "text": {"type": "plain_text", "text": "Go"}, "action_id": "go", **changed}


def actions(*buttons: dict[str, Any]) -> dict[str, Any]:
    return {"type": "actions", "elements": list(buttons)}


@pytest.mark.parametrize(
    ("blocks", "where"),
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
async def test_blocks_beyond_the_limits_are_refused(slack: FakeSlack, blocks: list[Any], where: str) -> None:
    slack.add_channel("C0OPS")
    call = web_client(slack).chat_postMessage(channel="C0OPS", text="hello", blocks=blocks)
    assert where in (await expect_refusal(slack, call, "invalid_blocks"))[0]


async def test_markdown_is_limited_in_sum(slack: FakeSlack) -> None:
    slack.add_channel("C0OPS")
    blocks = [{"type": "markdown", "text": "x" * 6001}] * 2
    await expect_refusal(
        slack, web_client(slack).chat_postMessage(channel="C0OPS", text="hi", blocks=blocks), "msg_blocks_too_long"
    )


async def test_blocks_just_within_the_limits_are_taken(slack: FakeSlack, alice: Person) -> None:
    slack.add_channel("C0OPS")
    blocks = [section("x" * 3000), actions(*(button(action_id=str(n), value="x" * 2000) for n in range(25)))]
    await web_client(slack).chat_postMessage(channel="C0OPS", text="hello", blocks=blocks)
    await alice.wait_for_card(text="hello")


async def test_who_waits_in_vain_is_told_what_there_was() -> None:
    async def told() -> None:
        async with fake_slack(timeout_seconds=0.05) as slack:
            await unasked(slack)
            await slack.add_person("alice", "U0ALICE").wait_for_reply(text="something else")

    with pytest.raises(AssertionError, match=r"alice never saw words something else; unseen are \['surprise'\]"):
        await told()


async def test_what_people_type_is_spelled_as_slack_spells_it(slack: FakeSlack, alice: Person) -> None:
    said = await alice.mention_bot("a < b & https://example.com/?x=1&y=2", channel="C0OPS")
    assert said.text == "<@U0BOT> a &lt; b &amp; <https://example.com/?x=1&y=2>"
    elements = said.blocks[0]["elements"][0]["elements"]
    assert [element["type"] for element in elements] == ["user", "text", "link"]
    assert elements[1]["text"] == " a < b & "


async def test_each_ts_is_later_than_the_one_before(slack: FakeSlack, alice: Person, clock: FakeClock) -> None:
    first = await alice.post_message("one", channel="C0OPS")
    second = await alice.post_message("two", channel="C0OPS")
    clock.advance(seconds=1)
    third = await alice.post_message("three", channel="C0OPS")
    began = int(FakeClock().monotonic())
    assert [m.ts for m in (first, second, third)] == [f"{began}.000100", f"{began}.000200", f"{began + 1}.000100"]


async def test_too_many_calls_are_told_to_wait(slack: FakeSlack, alice: Person) -> None:
    slack.add_channel("C0OPS")
    slack.fail_next("chat.postMessage", error="ratelimited", retry_after=3)
    with pytest.raises(SlackApiError) as caught:
        await web_client(slack).chat_postMessage(channel="C0OPS", text="hello")
    assert (caught.value.response.status_code, caught.value.response.headers["Retry-After"]) == (429, "3")
    await web_client(slack).chat_postMessage(channel="C0OPS", text="hello")
    await alice.wait_for_reply(text="hello")


async def test_slack_may_be_broken(slack: FakeSlack) -> None:
    slack.fail_next("auth.test", status=500)
    slack.fail_next("auth.test", error="internal_error")
    for status in (500, 200):
        with pytest.raises(SlackApiError) as caught:
            await web_client(slack).auth_test()
        assert caught.value.response.status_code == status


async def test_a_connection_is_cut_before_the_message_is_kept(slack: FakeSlack) -> None:
    slack.add_channel("C0OPS")
    slack.cut_next("chat.postMessage", "before")
    with pytest.raises(aiohttp.ClientConnectionError):
        await web_client(slack).chat_postMessage(channel="C0OPS", text="hello")
    assert slack.workspace.messages == []


async def test_a_connection_is_cut_after_the_message_is_kept_and_the_message_can_be_found(
    slack: FakeSlack, alice: Person
) -> None:
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


async def test_a_history_is_told_page_by_page_newest_first(slack: FakeSlack, alice: Person) -> None:
    said = [await alice.post_message(f"number {n}", channel="C0OPS") for n in range(3)]
    await alice.reply(said[0], "not in the channel")
    first = await web_client(slack).conversations_history(channel="C0OPS", limit=2)
    cursor = first["response_metadata"]["next_cursor"]
    second = await web_client(slack).conversations_history(channel="C0OPS", limit=2, cursor=cursor)
    texts = [message["text"] for page in (first, second) for message in page["messages"]]
    assert texts == ["number 2", "number 1", "number 0"]
    assert (second["messages"][0]["reply_count"], second["has_more"]) == (1, False)
    later = await web_client(slack).conversations_history(channel="C0OPS", oldest=said[1].ts)
    assert [message["ts"] for message in later["messages"]] == [said[2].ts]


async def test_who_somebody_is(slack: FakeSlack) -> None:
    grant_scopes(slack.workspace, "users:read")
    slack.add_person("guest", "U0GUEST", is_restricted=True)
    assert (await web_client(slack).users_info(user="U0GUEST"))["user"]["is_restricted"] is True
    await expect_refusal(slack, web_client(slack).users_info(user="U0NOBODY"), "user_not_found", "users.info")


async def test_only_who_is_meant_is_told(slack: FakeSlack, alice: Person, bob: Person) -> None:
    slack.add_channel("C0OPS")
    await web_client(slack).chat_postEphemeral(channel="C0OPS", user="U0BOB", text="not for you to decide")
    assert "not for you" in (await bob.wait_for_ephemeral("not for you")).text
    call = web_client(slack).chat_postEphemeral(channel="C0OPS", user="U0NOBODY", text="hello")
    await expect_refusal(slack, call, "user_not_in_channel", "chat.postEphemeral")


async def test_a_direct_message_is_read_by_one_person(slack: FakeSlack, alice: Person, bob: Person) -> None:
    opened = await web_client(slack).conversations_open(users="U0BOB")
    await web_client(slack).chat_postMessage(channel=opened["channel"]["id"], text="psst", blocks=BUTTONS)
    assert not alice._may_read(slack.workspace.messages[0], None)
    await bob.wait_for_card(text="psst")


async def test_a_message_is_taken_away(slack: FakeSlack, alice: Person) -> None:
    slack.add_channel("C0OPS")
    posted = await web_client(slack).chat_postMessage(channel="C0OPS", text="hello")
    card = await alice.wait_for_reply(text="hello")
    await web_client(slack).chat_delete(channel="C0OPS", ts=posted["ts"])
    await card.wait_until_deleted()


async def test_a_status_stands_under_a_thread(slack: FakeSlack, alice: Person) -> None:
    thread = await alice.send_direct_message("hi")
    await web_client(slack).assistant_threads_setStatus(
        channel_id=thread.channel, thread_ts=thread.ts, status="is thinking"
    )
    assert slack.workspace.statuses == {(thread.channel, thread.ts): "is thinking"}


async def test_a_home_tab_is_shown(slack: FakeSlack, alice: Person) -> None:
    await web_client(slack).views_publish(user_id="U0ALICE", view={"type": "home", "blocks": [section("Welcome")]})
    assert (await alice.wait_for_home_tab("Welcome"))["type"] == "home"


async def clicked(slack: FakeSlack, bot: RecordingBot, person: Person) -> dict[str, Any]:
    """The payload of a click on a fresh card."""
    slack.add_channel("C0OPS")
    await bot.slack.chat_postMessage(channel="C0OPS", text="decide", blocks=BUTTONS)
    await (await person.wait_for_card(text="decide")).click("Deny", actor=person)
    payload: dict[str, Any] = next(h.body for h in reversed(bot.received) if h.body.get("type") == "block_actions")
    return payload


async def test_a_modal_is_filled_in(slack: FakeSlack, bot: RecordingBot, bob: Person) -> None:
    click = await clicked(slack, bot, bob)
    await bot.slack.views_open(trigger_id=click["trigger_id"], view=MODAL)
    modal = await bob.wait_for_modal("Why not?")
    bot.respond = lambda _: web.json_response({"response_action": "errors", "errors": {"why": "too short"}})
    assert await modal.submit_expecting_errors({"Reason": "no"}) == {"why": "too short"}
    bot.respond = lambda _: web.Response()
    await modal.submit({"Reason": "It is Friday"})
    view = bot.received[-1].body["view"]
    assert view["state"]["values"]["why"]["text"] == {"type": "plain_text_input", "value": "It is Friday"}
    assert view["private_metadata"] == "ref-1"


async def test_a_trigger_is_good_for_one_modal_and_three_seconds(
    slack: FakeSlack, bot: RecordingBot, bob: Person, clock: FakeClock
) -> None:
    click = await clicked(slack, bot, bob)
    await bot.slack.views_open(trigger_id=click["trigger_id"], view=MODAL)
    await bob.wait_for_modal()
    again = bot.slack.views_open(trigger_id=click["trigger_id"], view=MODAL)
    await expect_refusal(slack, again, "exchanged_trigger_id", "views.open")
    late = (await clicked(slack, bot, bob))["trigger_id"]
    await slack.wait_until_quiet()
    clock.advance(seconds=4)
    await expect_refusal(slack, bot.slack.views_open(trigger_id=late, view=MODAL), "expired_trigger_id", "views.open")


async def test_a_response_url_answers_whoever_clicked(slack: FakeSlack, bot: RecordingBot, bob: Person) -> None:
    click = await clicked(slack, bot, bob)
    async with aiohttp.ClientSession() as session:
        for n in range(6):
            async with session.post(click["response_url"], json={"text": f"answer {n}"}) as response:
                assert response.status == (200 if n < 5 else 404)
    for n in range(5):
        await bob.wait_for_ephemeral(f"answer {n}")


async def test_a_click_the_bot_does_not_take_is_not_brought_again(
    slack: FakeSlack, bot: RecordingBot, bob: Person
) -> None:
    bot.respond = lambda heard: web.Response(status=500 if "actions" in heard.body else 200)
    with pytest.raises(InteractionFailed, match="Slack warned bob: http_error 500"):
        await clicked(slack, bot, bob)
    assert len([heard for heard in bot.received if "actions" in heard.body]) == 1


async def test_a_click_while_the_bot_is_down_is_lost(slack: FakeSlack, bot: RecordingBot, bob: Person) -> None:
    slack.add_channel("C0OPS")
    await bot.slack.chat_postMessage(channel="C0OPS", text="decide", blocks=BUTTONS)
    card = await bob.wait_for_card(text="decide")
    await slack.wait_until_quiet()
    slack.set_bot_url(None)
    with pytest.raises(InteractionFailed, match="Slack warned bob: connection_failed"):
        await card.click("Approve", actor=bob)


async def test_a_slash_command_is_a_form(slack: FakeSlack, bot: RecordingBot, alice: Person) -> None:
    bot.respond = lambda _: web.json_response({"response_type": "ephemeral", "text": "all is well"})
    answer = await alice.run_slash_command("/handrail status", channel="C0OPS")
    assert answer["text"] == "all is well"
    heard = bot.received[-1]
    assert (heard.body["command"], heard.body["text"], heard.is_verified) == ("/handrail", "status", True)
    assert heard.headers["Content-Type"] == "application/x-www-form-urlencoded"


async def test_the_url_is_verified_and_its_certificate_looked_at(slack: FakeSlack, bot: RecordingBot) -> None:
    bot.respond = lambda heard: web.Response(text=heard.body.get("challenge", ""))
    await slack.verify_url()
    assert (await slack.send_ssl_check()).is_accepted
    assert [heard.is_verified for heard in bot.received] == [True, False]


async def test_an_event_is_brought_again_until_the_bot_takes_it(
    slack: FakeSlack, bot: RecordingBot, alice: Person, clock: FakeClock
) -> None:
    bot.respond = lambda _: web.Response(status=503)
    await alice.post_message("hi", channel="C0OPS")
    await slack.wait_until_quiet()
    assert len(bot.received) == 2
    for minutes in (1, 5, 60):
        await slack.advance_clock(minutes=minutes)
    assert [heard.headers.get("X-Slack-Retry-Num") for heard in bot.received] == [None, "1", "2", "3"]
    assert bot.received[1].headers["X-Slack-Retry-Reason"] == "http_error"
    assert len({heard.body["event_id"] for heard in bot.received}) == 1
    assert all(heard.is_verified for heard in bot.received)


async def test_slack_may_tell_something_once_more(slack: FakeSlack, bot: RecordingBot, alice: Person) -> None:
    await alice.post_message("hi", channel="C0OPS")
    await slack.wait_until_quiet()
    slack.redeliver(slack.delivery_attempts[0][0])
    await slack.wait_until_quiet()
    assert bot.received[0].body == bot.received[1].body


async def test_a_bot_may_ask_for_no_retry(slack: FakeSlack, bot: RecordingBot, alice: Person) -> None:
    bot.respond = lambda _: web.Response(status=503, headers={"X-Slack-No-Retry": "1"})
    await alice.post_message("hi", channel="C0OPS")
    await slack.wait_until_quiet()
    assert len(bot.received) == 1


async def test_a_bot_is_late_when_the_clock_says_so(
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


async def test_what_is_meant_for_a_bot_that_is_down_waits(slack: FakeSlack, bot: RecordingBot, alice: Person) -> None:
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


async def test_events_come_over_a_socket(socket_slack: FakeSlack, socket_bot: RecordingSocketBot) -> None:
    said = await socket_slack.add_person("alice", "U0ALICE").mention_bot("hello", channel="C0OPS")
    await socket_slack.wait_until_quiet()
    assert sorted(request.payload["event"]["type"] for request in socket_bot.received) == ["app_mention", "message"]
    assert {request.payload["event"]["ts"] for request in socket_bot.received} == {said.ts}
    assert {request.type for request in socket_bot.received} == {"events_api"}


async def test_interactions_come_over_a_socket_and_are_answered_with_the_acknowledgement(
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


async def test_a_connection_is_refreshed(socket_slack: FakeSlack, socket_bot: RecordingSocketBot) -> None:
    alice = socket_slack.add_person("alice", "U0ALICE")
    await socket_slack.socket.disconnect_all("refresh_requested")
    await socket_slack.wait_for_connections(count=2)
    await alice.post_message("still there?", channel="C0OPS")
    await socket_slack.wait_until_quiet()
    assert [request.payload["event"]["text"] for request in socket_bot.received] == ["still there?"]


async def test_what_is_not_acknowledged_comes_again(
    socket_slack: FakeSlack, socket_bot: RecordingSocketBot, clock: FakeClock
) -> None:
    socket_bot.is_silent = True
    await socket_slack.add_person("alice", "U0ALICE").post_message("hi", channel="C0OPS")
    await socket_bot.wait_for_requests(1)
    socket_bot.is_silent = False
    clock.advance(seconds=3)
    await socket_bot.wait_for_requests(2)
    assert [(r.retry_attempt, r.retry_reason) for r in socket_bot.received] == [(0, ""), (1, "http_timeout")]


async def test_what_was_under_way_when_the_connection_broke_comes_again(
    socket_slack: FakeSlack, socket_bot: RecordingSocketBot
) -> None:
    socket_bot.is_silent = True
    await socket_slack.add_person("alice", "U0ALICE").post_message("hi", channel="C0OPS")
    await socket_bot.wait_for_requests(1)
    socket_bot.is_silent = False
    await socket_bot.client.connect_to_new_endpoint(force=True)
    await socket_bot.wait_for_requests(2)
    assert [r.retry_reason for r in socket_bot.received] == ["", "connection_failed"]


async def test_a_connection_needs_the_token_of_the_app(socket_slack: FakeSlack) -> None:
    call = web_client(socket_slack).apps_connections_open(app_token=socket_slack.app.bot_token)
    await expect_refusal(socket_slack, call, "not_allowed_token_type", "apps.connections.open")


async def test_a_ticket_opens_one_connection(socket_slack: FakeSlack) -> None:
    url = (await web_client(socket_slack).apps_connections_open(app_token=socket_slack.app.app_token))["url"]
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(url) as connection:
            hello = await connection.receive_json()
        assert (hello["type"], hello["num_connections"]) == ("hello", 1)
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(url)
