"""The payloads of the fake Slack are parsed like the recorded ones in `tests/payloads/slack`."""

from typing import Any

from channels.slack.inbound_events import (
    AppHomeOpened,
    BlockAction,
    BotIdentity,
    MessagePosted,
    MessageShortcut,
    SessionStopped,
)
from tests.channels.slack.recorded_payloads import parse_http
from tests.fakes.recording_bots import RecordingBot, recording_bot
from tests.fakes.slack.slack import fake_slack

BOT = BotIdentity(bot_id="B0BOT", user_id="U0BOT", team="T0TEAM")
OPTIONS = [{"text": {"type": "plain_text", "text": f"v{n}"}, "value": str(n)} for n in range(6)]
LIST = {"type": "static_select", "action_id": "handrail.choose", "options": OPTIONS}


def last_event(bot: RecordingBot) -> Any:
    request = bot.received[-1]
    return parse_http(request.raw_body, request.headers["Content-Type"], BOT)


async def test_messages_and_shortcuts_are_parsed() -> None:
    async with fake_slack() as slack, recording_bot(slack) as bot:
        alice, guest = slack.add_person("alice", "U0ALICE"), slack.add_person("guest", "U0GUEST", team_id="T0OTHER")
        thread = await alice.post_message("the build is red & slow", channel="C0OPS")
        reply = await guest.reply(thread, "why?")
        await slack.wait_until_quiet()
        message = last_event(bot)
        assert isinstance(message, MessagePosted)
        assert (message.by, message.thread_ref.thread_ts) == ("slack:T0OTHER/U0GUEST", thread.ts)
        await guest.use_shortcut("handrail.ask", on=thread)
        shortcut = last_event(bot)
        assert isinstance(shortcut, MessageShortcut)
        assert (shortcut.text, shortcut.author) == ("the build is red & slow", "slack:T0TEAM/U0ALICE")
        assert (shortcut.by, shortcut.thread_ref) == ("slack:T0OTHER/U0GUEST", message.thread_ref)
        await alice.use_shortcut("handrail.ask", on=reply)
        second_shortcut = last_event(bot)
        assert isinstance(second_shortcut, MessageShortcut)
        assert (second_shortcut.ts, second_shortcut.author, second_shortcut.thread_ref) == (
            reply.ts,
            "slack:T0OTHER/U0GUEST",
            message.thread_ref,
        )


async def test_opened_tabs_and_the_stop_button_are_parsed() -> None:
    async with fake_slack() as slack, recording_bot(slack) as bot:
        alice = slack.add_person("alice", "U0ALICE")
        for open_tab, tab in ((alice.open_home_tab, "home"), (alice.open_messages_tab, "messages")):
            await open_tab()
            await slack.wait_until_quiet()
            event = last_event(bot)
            assert isinstance(event, AppHomeOpened)
            assert (event.tab, event.by) == (tab, "slack:T0TEAM/U0ALICE")
        thread = await alice.send_direct_message("list tags")
        session = {"channel_id": thread.channel, "thread_ts": thread.ts}
        await bot.slack.agents_sessions_setStatus(**session, status="processing")
        await alice.press_stop(thread)
        await slack.wait_until_quiet()
        stopped = last_event(bot)
        assert isinstance(stopped, SessionStopped)
        assert (stopped.thread_ref.thread_ts, stopped.by) == (thread.ts, "slack:T0TEAM/U0ALICE")


async def test_choice_from_a_select_menu_is_parsed() -> None:
    async with fake_slack() as slack, recording_bot(slack) as bot:
        slack.add_channel("C0OPS")
        blocks = [{"type": "actions", "block_id": "ref-1", "elements": [LIST]}]
        await bot.slack.chat_postMessage(channel="C0OPS", text="which?", blocks=blocks)
        bob = slack.add_person("bob", "U0BOB")
        await (await bob.wait_for_card(text="which?")).choose_option("v4", actor=bob)
        clicked = last_event(bot)
        assert isinstance(clicked, BlockAction)
        assert (clicked.action, clicked.choice_index, clicked.signed_value) == ("handrail.choose", 4, "ref-1")
