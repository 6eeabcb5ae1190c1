"""What the fake Slack brings is understood: the payloads of the stories are those of `tests/payloads/slack`."""

from channels.slack.facts import Clicked, Fact, Opened, Ourselves, Pointed, Said, Stopped
from channels.slack.inbound import understand
from tests.fakes.listening_bots import Bot, bot_of
from tests.fakes.slack.slack import fake_slack

US = Ourselves(bot_id="B0BOT", user_id="U0BOT", team="T0TEAM")
OPTIONS = [{"text": {"type": "plain_text", "text": f"v{n}"}, "value": str(n)} for n in range(6)]
LIST = {"type": "static_select", "action_id": "handrail.choose", "options": OPTIONS}


def last(bot: Bot) -> Fact:
    heard = bot.heard[-1]
    return understand(heard.raw, heard.headers["Content-Type"], US)


async def test_what_people_do_with_messages_is_understood() -> None:
    async with fake_slack() as slack, bot_of(slack) as bot:
        alice, guest = slack.person("alice", "U0ALICE"), slack.person("guest", "U0GUEST", team_id="T0OTHER")
        thread = await alice.says("the build is red & slow", channel="C0OPS")
        reply = await guest.replies(thread, "why?")
        await slack.quiet()
        said = last(bot)
        assert isinstance(said, Said)
        assert (said.by, said.place.root) == ("slack:T0OTHER/U0GUEST", thread.ts)
        await guest.uses_shortcut("handrail.ask", on=thread)
        pointed = last(bot)
        assert isinstance(pointed, Pointed)
        assert (pointed.text, pointed.author) == ("the build is red & slow", "slack:T0TEAM/U0ALICE")
        assert (pointed.by, pointed.place) == ("slack:T0OTHER/U0GUEST", said.place)
        await alice.uses_shortcut("handrail.ask", on=reply)
        again = last(bot)
        assert isinstance(again, Pointed)
        assert (again.ts, again.author, again.place) == (reply.ts, "slack:T0OTHER/U0GUEST", said.place)


async def test_what_people_do_with_an_agent_is_understood() -> None:
    async with fake_slack() as slack, bot_of(slack) as bot:
        alice = slack.person("alice", "U0ALICE")
        for opens, tab in ((alice.opens_home, "home"), (alice.opens_messages, "messages")):
            await opens()
            await slack.quiet()
            opened = last(bot)
            assert isinstance(opened, Opened)
            assert (opened.tab, opened.by) == (tab, "slack:T0TEAM/U0ALICE")
        thread = await alice.writes("list tags")
        session = {"channel_id": thread.channel, "thread_ts": thread.ts}
        await bot.slack.agents_sessions_setStatus(**session, status="processing")
        await alice.presses_stop(thread)
        await slack.quiet()
        stopped = last(bot)
        assert isinstance(stopped, Stopped)
        assert (stopped.place.root, stopped.by) == (thread.ts, "slack:T0TEAM/U0ALICE")


async def test_what_is_chosen_from_a_list_is_understood() -> None:
    async with fake_slack() as slack, bot_of(slack) as bot:
        slack.channel("C0OPS")
        blocks = [{"type": "actions", "block_id": "ref-1", "elements": [LIST]}]
        await bot.slack.chat_postMessage(channel="C0OPS", text="which?", blocks=blocks)
        bob = slack.person("bob", "U0BOB")
        await (await bob.sees(text="which?")).choose("v4", by=bob)
        clicked = last(bot)
        assert isinstance(clicked, Clicked)
        assert (clicked.action, clicked.choice, clicked.reference) == ("handrail.choose", 4, "ref-1")
