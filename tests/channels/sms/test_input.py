"""Messages that arrive: who counts, what is stored once, and what is refused at the door."""

import asyncio

import pytest
from sqlalchemy import Connection

from agents.core.events import MessageReceived
from agents.core.policy import ApprovalTerms, EscalationStep, Rule
from agents.core.state import ThreadState
from agents.core.steps import DoneForNow
from agents.core.values import Address
from bot.channel_host import BotRuntime
from channels.sms.input_handler import MAX_WRONG_CODES
from channels.sms.reconciliation import ReconciliationPoll
from storage.contacts import list_opted_out, list_unknown_senders
from storage.database.database import Database
from storage.raw_inputs import list_unprocessed, load_quarantine
from tests.fakes.scripted_model import ScriptedModel
from tests.harness.bot import running_bot
from tests.harness.sms import SmsHarness, running_sms_bot
from tests.harness.time_limits import WAIT_TIMEOUT_SECONDS

HELLO = DoneForNow(message="Hello.")
SHIP, SHIPPED = {"intent": "ship", "tag": "v1"}, DoneForNow(message="v1 is shipped.")
ASK = ApprovalTerms(
    roles=("release",),
    min_assurance="low",
    expires=7200,
    escalate=(EscalationStep(after=1, to=Address("person:bob"), via="sms"),),
)
RULES = (Rule(name="ship", tool="ship", ask=ASK),)


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


async def open_request(harness: SmsHarness) -> str:
    """Let Alice ask for a release, and return the code of the request that Bob was sent."""
    await harness.alice.write("ship v1")
    card = await harness.wait_for_sms(harness.bob, "ship")
    await harness.wait_until_sending_is_recorded(card)
    return card.body[:5]


async def test_webhook_that_comes_again_is_one_message(database: Database) -> None:
    async with running_sms_bot(running_bot, database, ScriptedModel(HELLO)) as harness:
        message = await harness.alice.write("hello")
        for _ in range(3):
            assert await harness.webhooks.send_message(message) == 200
        await harness.wait_for_sms(harness.alice, "Hello.")
        await harness.alice.write("help")
        await harness.wait_for_sms(harness.alice, "Handrail")
        assert len(harness.alice.inbox) == 2


async def test_message_whose_webhook_was_lost_is_found_once_and_in_order(database: Database) -> None:
    async with running_sms_bot(running_bot, database, ScriptedModel(HELLO, HELLO)) as harness:
        harness.webhooks.is_down = True
        for text in ("first", "second"):
            await harness.alice.write(text)
        [poll] = harness.plugin.services
        assert isinstance(poll, ReconciliationPoll)
        for _ in range(2):
            await poll.look(BotRuntime(harness.bot.bot))
        thread_id = await harness.wait_for_thread()
        await harness.bot.wait_until(thread_id, lambda state: len(_received(state)) > 1)
        assert _received(await harness.bot.wait_until_done(thread_id)) == ["first", "second"]


def _received(state: ThreadState) -> list[str]:
    return [event.text for event in state.history if isinstance(event, MessageReceived)]


@pytest.mark.parametrize(
    "sender",
    ["whatsapp:+15550001002", "rcs:+15550001002", "\uff0b15550001002", "+1555000100\u0662", "Bob", "55501", ""],
)
async def test_number_in_disguise_decides_nothing_and_gets_no_reply(database: Database, sender: str) -> None:
    async with running_sms_bot(running_bot, database, ScriptedModel(SHIP), rules=RULES) as harness:
        code = await open_request(harness)
        message = harness.twilio.receive(sender, f"{code} ok")
        assert await harness.webhooks.send_message(message) == (200 if sender else 400)
        await harness.alice.write("help")
        await harness.wait_for_sms(harness.alice, "Handrail")
        assert (await harness.request(code)).status == "open"
        assert harness.twilio.sent_to(sender) == []


async def test_code_of_another_person_is_a_wrong_code(database: Database) -> None:
    async with running_sms_bot(running_bot, database, ScriptedModel(SHIP), rules=RULES) as harness:
        code = await open_request(harness)
        await harness.bob.write("A9B8C ok")
        await harness.wait_for_sms(harness.bob, "No request that you were asked about has the code A9B8C.")
        assert (await harness.request(code)).status == "open"


async def test_wrong_codes_lock_all_codes_for_an_hour(database: Database) -> None:
    async with running_sms_bot(running_bot, database, ScriptedModel(SHIP, SHIPPED), rules=RULES) as harness:
        code = await open_request(harness)
        for number in range(MAX_WRONG_CODES):
            await harness.bob.write(f"A9B{number + 2}C ok")
            await harness.wait_for_sms(harness.bob, f"A9B{number + 2}C")
        sent = len(harness.bob.inbox)
        for _ in range(3):
            await harness.bob.write(f"{code} ok")
        await harness.wait_for_sms(harness.bob, "Too many wrong codes")
        assert (await harness.request(code)).status == "open"
        assert len(harness.bob.inbox) == sent + 1
        harness.bot.clock.advance(seconds=3601)
        await harness.bob.write(f"{code} ok")
        await harness.wait_for_sms(harness.alice, "v1 is shipped.")


async def test_new_and_a_long_silence_begin_another_thread(database: Database) -> None:
    model = ScriptedModel(HELLO, HELLO, HELLO, HELLO)
    async with running_sms_bot(running_bot, database, model) as harness:
        threads = []
        for text, seconds in (("hello", 0), ("still me", 3600), ("NEW topic", 0), ("good morning", 13 * 3600)):
            harness.bot.clock.advance(seconds=seconds)
            await harness.alice.write(text)
            await harness.wait_for_sms(harness.alice, "Hello.")
            threads.append(harness.bot.commits[-1].after.thread_id)
            await harness.bot.wait_until_done(threads[-1])
        first, second, third, fourth = threads
        assert first == second
        assert len({first, third, fourth}) == 3


async def test_pictures_are_named_and_fetched_from_the_provider_only(database: Database) -> None:
    async with running_sms_bot(running_bot, database, ScriptedModel(HELLO)) as harness:
        media = (("image/jpeg", "https://evil.test/steal"), ("image/png", "http://169.254.169.254/meta"))
        await harness.alice.write("look", media=media)
        await harness.wait_for_sms(harness.alice, "Hello.")
        [received] = [event for event in harness.bot.commits[0].events if event.type == "MessageReceived"]
        assert received.text == (
            "look\n(attached: picture 1 (image/jpeg, could not be read))\n"
            "(attached: picture 2 (image/png, could not be read))"
        )


@pytest.mark.parametrize(
    ("changes", "token", "status"),
    [
        ({}, "another token", 401),
        ({"AccountSid": "AC" + "f" * 32}, None, 401),
        ({"MessageSid": "", "SmsSid": ""}, None, 400),
        ({"MessageSid": "SMx"}, None, 400),
        ({"From": ""}, None, 400),
    ],
)
async def test_requests_that_are_not_of_the_account_are_refused(
    database: Database, changes: dict[str, str], token: str | None, status: int
) -> None:
    async with running_sms_bot(running_bot, database, ScriptedModel()) as harness:
        fields = {
            "MessageSid": "SM" + "a" * 32,
            "AccountSid": harness.twilio.account_sid,
            "From": harness.alice.number,
            "To": harness.twilio.number,
            "Body": "hello",
        }
        for path in ("/channels/sms/messages",):
            assert await harness.webhooks.send(path, {**fields, **changes}, token=token) == status
        assert harness.bot.commits == []


async def test_opt_out_is_listed_and_ends_with_start(database: Database) -> None:
    async with running_sms_bot(running_bot, database, ScriptedModel(HELLO)) as harness:
        await harness.alice.write("STOP")
        await _wait_until_listed(harness, [harness.alice.number])
        await harness.alice.write("START")
        await _wait_until_listed(harness, [])
        await harness.alice.write("hello")
        await harness.wait_for_sms(harness.alice, "Hello.")


async def test_error_21610_records_the_opt_out(database: Database) -> None:
    escalate = (*ASK.escalate, EscalationStep(after=3600, to=Address("person:carol"), via="sms"))
    rules = (Rule(name="ship", tool="ship", ask=ASK.model_copy(update={"escalate": escalate})),)
    async with running_sms_bot(running_bot, database, ScriptedModel(SHIP), rules=rules) as harness:
        harness.twilio.opted_out.add(harness.bob.number)
        await harness.alice.write("ship v1")
        await harness.wait_for_sms(harness.carol, "ship")
        await _wait_until_listed(harness, [harness.bob.number])
        assert harness.bob.inbox == []


async def test_unknown_number_is_recorded_for_an_administrator(database: Database) -> None:
    async with running_sms_bot(running_bot, database, ScriptedModel()) as harness:
        await harness.eve.write("hello")
        await harness.wait_for_sms(harness.eve, "not known here")
        [sender] = await database.read(list_unknown_senders)
        assert (sender.address, sender.count) == (f"sms:{harness.eve.number}", 1)


async def test_daily_limit_ends_all_sending(database: Database) -> None:
    async with running_sms_bot(running_bot, database, ScriptedModel(HELLO, HELLO), sms_daily_segments=1) as harness:
        await harness.alice.write("one")
        await harness.wait_for_sms(harness.alice, "Hello.")
        await harness.alice.write("two")
        undeliverable = await harness.wait_for_event("MessageUndeliverable")
        assert "daily limit" in undeliverable.reason
        assert len(harness.alice.inbox) == 1


async def test_strange_texts_are_posted_as_they_are(database: Database) -> None:
    texts = ["😀" * 800, "\u202eevil\u202c \u200b\u2066x", "\u0000", "a" * 1600]
    async with running_sms_bot(running_bot, database, ScriptedModel(*[HELLO] * len(texts))) as harness:
        for text in texts:
            await harness.alice.write(text)
            await harness.wait_for_sms(harness.alice, "Hello.")
        assert (await database.read(load_quarantine)).count == 0


async def _wait_until_listed(harness: SmsHarness, numbers: list[str]) -> None:
    """Wait until exactly these numbers are recorded as opted out."""
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        while [one.address for one in await harness.bot.bot.engine.database.read(list_opted_out)] != [
            f"sms:{number}" for number in numbers
        ]:
            await asyncio.to_thread(lambda: None)


async def test_state_of_an_automatic_reply_is_processed_at_once(database: Database) -> None:
    async with running_sms_bot(running_bot, database, ScriptedModel()) as harness:
        await harness.alice.write("help")
        reply = await harness.wait_for_sms(harness.alice, "Handrail")
        assert await harness.webhooks.report(reply, "delivered") == 200
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):  # the clock stands still, so an input that waits stays
            while await harness.bot.bot.engine.database.read(_count_unprocessed):
                await asyncio.to_thread(lambda: None)


def _count_unprocessed(connection: Connection) -> int:
    return len(list_unprocessed(connection))
