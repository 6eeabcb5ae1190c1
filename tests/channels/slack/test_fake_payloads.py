"""What the fake Slack brings is understood: the payloads of the stories are those of `tests/payloads/slack`."""

from channels.slack.inbound_events import (
    AppHomeOpened,
    BlockAction,
    BotIdentity,
    MessagePosted,
    MessageShortcut,
    SessionStopped,
    SlackEvent,
)
from channels.slack.parser import parse_http
from tests.fakes.recording_bots import RecordingBot, recording_bot
from tests.fakes.slack.slack import fake_slack

US = BotIdentity(bot_id="B0BOT", user_id="U0BOT", team="T0TEAM")
OPTIONS = [{"text": {"type": "plain_text", "text": f"v{n}"}, "value": str(n)} for n in range(6)]
LIST = {"type": "static_select", "action_id": "handrail.choose", "options": OPTIONS}


def last(bot: RecordingBot) -> SlackEvent:
    heard = bot.received[-1]
    return parse_http(heard.raw_body, heard.headers["Content-Type"], US)


async def test_what_people_do_with_messages_is_understood() -> None:
    async with fake_slack() as slack, recording_bot(slack) as bot:
        alice, guest = slack.add_person("alice", "U0ALICE"), slack.add_person("guest", "U0GUEST", team_id="T0OTHER")
        thread = await alice.post_message("the build is red & slow", channel="C0OPS")
        reply = await guest.reply(thread, "why?")
        await slack.wait_until_quiet()
        said = last(bot)
        assert isinstance(said, MessagePosted)
        assert (said.by, said.thread_ref.thread_ts) == ("slack:T0OTHER/U0GUEST", thread.ts)
        await guest.use_shortcut("handrail.ask", on=thread)
        pointed = last(bot)
        assert isinstance(pointed, MessageShortcut)
        assert (pointed.text, pointed.author) == ("the build is red & slow", "slack:T0TEAM/U0ALICE")
        assert (pointed.by, pointed.thread_ref) == ("slack:T0OTHER/U0GUEST", said.thread_ref)
        await alice.use_shortcut("handrail.ask", on=reply)
        again = last(bot)
        assert isinstance(again, MessageShortcut)
        assert (again.ts, again.author, again.thread_ref) == (reply.ts, "slack:T0OTHER/U0GUEST", said.thread_ref)


async def test_what_people_do_with_an_agent_is_understood() -> None:
    async with fake_slack() as slack, recording_bot(slack) as bot:
        alice = slack.add_person("alice", "U0ALICE")
        for opens, tab in ((alice.open_home_tab, "home"), (alice.open_messages_tab, "messages")):
            await opens()
            await slack.wait_until_quiet()
            opened = last(bot)
            assert isinstance(opened, AppHomeOpened)
            assert (opened.tab, opened.by) == (tab, "slack:T0TEAM/U0ALICE")
        thread = await alice.send_direct_message("list tags")
        session = {"channel_id": thread.channel, "thread_ts": thread.ts}
        await bot.slack.agents_sessions_setStatus(**session, status="processing")
        await alice.press_stop(thread)
        await slack.wait_until_quiet()
        stopped = last(bot)
        assert isinstance(stopped, SessionStopped)
        assert (stopped.thread_ref.thread_ts, stopped.by) == (thread.ts, "slack:T0TEAM/U0ALICE")


async def test_what_is_chosen_from_a_list_is_understood() -> None:
    async with fake_slack() as slack, recording_bot(slack) as bot:
        slack.add_channel("C0OPS")
        blocks = [{"type": "actions", "block_id": "ref-1", "elements": [LIST]}]
        await bot.slack.chat_postMessage(channel="C0OPS", text="which?", blocks=blocks)
        bob = slack.add_person("bob", "U0BOB")
        await (await bob.wait_for_card(text="which?")).choose_option("v4", actor=bob)
        clicked = last(bot)
        assert isinstance(clicked, BlockAction)
        assert (clicked.action, clicked.choice_index, clicked.signed_value) == ("handrail.choose", 4, "ref-1")
