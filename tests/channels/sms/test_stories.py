"""Stories of people who use the bot by SMS only."""

import pytest

from agents.core.messages import Assurance
from agents.core.policy import ApprovalTerms, EscalationStep, Rule
from agents.core.state import ThreadState
from agents.core.steps import DoneForNow
from agents.core.values import Address, person_address
from storage.database.database import Database
from tests.fakes.scripted_model import ScriptedModel
from tests.harness.bot import running_bot
from tests.harness.sms import PUBLIC_URL, running_sms_bot

SHIP, SHIPPED = {"intent": "ship", "tag": "v1"}, DoneForNow(message="v1 is shipped.")
ASK_BOB = (EscalationStep(after=1, to=Address("person:bob"), via="sms"),)


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


def rule_for_ship(**terms: object) -> tuple[Rule, ...]:
    """Return the rule that asks Bob by SMS after a second, and lets him approve by SMS."""
    fields = {"roles": ("release",), "escalate": ASK_BOB, "expires": 7200, "min_assurance": "low", **terms}
    ask = ApprovalTerms.model_validate(fields)
    return (Rule(name="ship", tool="ship", ask=ask),)


async def test_request_is_approved_by_code_and_the_requester_is_answered(database: Database) -> None:
    async with running_sms_bot(running_bot, database, ScriptedModel(SHIP, SHIPPED), rules=rule_for_ship()) as harness:
        await harness.alice.write("ship v1")
        card = await harness.wait_for_sms(harness.bob, "ship", "tag=v1", f"{PUBLIC_URL}/a/")
        code = card.body[:5]
        assert f"Reply {code} OK or {code} NO." in card.body
        await harness.bob.write(f"{code} ok")
        request = await harness.wait_for_status(code, "approved")
        [answer] = request.answers
        assert (answer.by, answer.assurance) == (person_address("bob"), Assurance.LOW)
        await harness.wait_for_sms(harness.bob, f"{code}: approved by you.")
        await harness.wait_for_sms(harness.alice, "v1 is shipped.")
        assert [action for _, action in harness.bot.tool_call_recorder.runs] == ["ship v1"]


async def test_request_that_needs_more_than_a_code_can_be_denied_only(database: Database) -> None:
    rules = rule_for_ship(min_assurance="medium")
    async with running_sms_bot(running_bot, database, ScriptedModel(SHIP, SHIPPED), rules=rules) as harness:
        await harness.alice.write("ship v1")
        card = await harness.wait_for_sms(harness.bob, "ship")
        code = card.body[:5]
        assert f"{code} OK" not in card.body
        await harness.bob.write(f"{code} ok")
        refused = await harness.wait_for_sms(harness.bob, "requires medium")
        assert f"{code} NO denies it from here" in refused.body
        await harness.bob.write(f"{code} no not today")
        request = await harness.wait_for_status(code, "denied")
        assert request.answers[-1].comment == "not today"


async def test_bare_ok_counts_for_the_only_request_right_after_its_message(database: Database) -> None:
    async with running_sms_bot(running_bot, database, ScriptedModel(SHIP, SHIPPED), rules=rule_for_ship()) as harness:
        await harness.alice.write("ship v1")
        card = await harness.wait_for_sms(harness.bob, "ship")
        await harness.wait_until_sending_is_recorded(card)
        await harness.bob.write("ok")
        await harness.wait_for_sms(harness.alice, "v1 is shipped.")


async def test_bare_ok_before_its_message_is_recorded_counts_a_little_later(database: Database) -> None:
    async with running_sms_bot(running_bot, database, ScriptedModel(SHIP, SHIPPED), rules=rule_for_ship()) as harness:
        await harness.alice.write("ship v1")
        await harness.wait_for_sms(harness.alice, "ship")
        [request] = await harness.requests()
        await harness.bob.write("ok")  # Bob's own message is sent a second later
        await harness.wait_for_status(request.code, "approved")
        await harness.wait_for_sms(harness.alice, "v1 is shipped.")


async def test_bare_ok_about_a_card_in_another_channel_is_asked_back(database: Database) -> None:
    rules = rule_for_ship(escalate=())
    async with running_sms_bot(running_bot, database, ScriptedModel(SHIP), rules=rules) as harness:
        await harness.alice.write("ship v1")
        await harness.wait_for_sms(harness.alice, "ship")
        await harness.bob.write("ok")
        await harness.wait_for_sms(harness.bob, "Which one?")
        [request] = await harness.requests()
        assert request.status == "open"


async def test_bare_ok_with_two_open_requests_is_asked_back(database: Database) -> None:
    model = ScriptedModel(SHIP, SHIP, SHIPPED, SHIPPED)
    async with running_sms_bot(running_bot, database, model, rules=rule_for_ship()) as harness:
        for text in ("ship v1", "NEW ship v1 again"):
            await harness.alice.write(text)
            card = await harness.wait_for_sms(harness.bob, "ship")
            await harness.wait_until_sending_is_recorded(card)
        first, second = (request.code for request in await harness.requests())
        await harness.bob.write("ok")
        await harness.wait_for_sms(harness.bob, "Which one?", first, second)
        assert {request.status for request in await harness.requests()} == {"open"}
        await harness.bob.write(f"{first} OK, {second} NO")
        await harness.wait_for_status(second, "denied")
        await harness.wait_for_sms(harness.alice, "v1 is shipped.")


async def test_stop_moves_requests_on_and_start_leaves_them_open(database: Database) -> None:
    escalate = (*ASK_BOB, EscalationStep(after=3600, to=Address("person:carol"), via="sms"))
    model = ScriptedModel(SHIP)
    async with running_sms_bot(running_bot, database, model, rules=rule_for_ship(escalate=escalate)) as harness:
        await harness.alice.write("ship v1")
        card = await harness.wait_for_sms(harness.bob, "ship")
        await harness.wait_until_sending_is_recorded(card)
        await harness.bob.write("STOP")
        await harness.wait_for_sms(harness.carol, "ship")
        notice = await harness.wait_for_sms(harness.alice, "Bob Ito could not be reached by SMS")
        assert "opted out" in notice.body
        await harness.bob.write("start")
        assert (await harness.request(card.body[:5])).status == "open"


async def test_unknown_number_gets_one_neutral_reply_and_opens_nothing(database: Database) -> None:
    async with running_sms_bot(running_bot, database, ScriptedModel()) as harness:
        for text in ("ship v1", "hello?", "A7K2X ok"):
            await harness.eve.write(text)
        await harness.wait_for_sms(harness.eve, "This number is not known here")
        await harness.eve.write("and now?")
        await harness.alice.write("help")
        await harness.wait_for_sms(harness.alice, "Handrail")
        assert len(harness.eve.inbox) == 1
        assert harness.bot.commits == []


async def test_undelivered_card_moves_to_the_next_step(database: Database) -> None:
    escalate = (
        *ASK_BOB,
        EscalationStep(after=3600, to=Address("person:carol"), via="sms"),
    )
    model = ScriptedModel(SHIP, SHIPPED)
    async with running_sms_bot(running_bot, database, model, rules=rule_for_ship(escalate=escalate)) as harness:
        await harness.alice.write("ship v1")
        card = await harness.wait_for_sms(harness.bob, "ship")
        await harness.wait_until_sending_is_recorded(card)
        assert await harness.webhooks.report(card, "undelivered", 30003) == 200
        await harness.wait_for_sms(harness.carol, "ship")
        notice = await harness.wait_for_sms(harness.alice, "Bob Ito could not be reached by SMS")
        assert "switched off or out of reach" in notice.body
        await harness.bob.write(f"{card.body[:5]} ok")  # the phone got it after all
        await harness.wait_for_sms(harness.alice, "v1 is shipped.")


async def test_card_without_a_delivery_report_in_two_minutes_moves_on(database: Database) -> None:
    escalate = (*ASK_BOB, EscalationStep(after=3600, to=Address("person:carol"), via="sms"))
    model = ScriptedModel(SHIP)
    async with running_sms_bot(running_bot, database, model, rules=rule_for_ship(escalate=escalate)) as harness:
        await harness.alice.write("ship v1")
        card = await harness.wait_for_sms(harness.bob, "ship")
        await harness.wait_until_sending_is_recorded(card)
        harness.bot.clock.advance(seconds=121)
        await harness.wait_for_sms(harness.carol, "ship")


async def test_confirmed_card_waits_for_its_reader(database: Database) -> None:
    escalate = (*ASK_BOB, EscalationStep(after=3600, to=Address("person:carol"), via="sms"))
    model = ScriptedModel(SHIP, SHIPPED)
    async with running_sms_bot(running_bot, database, model, rules=rule_for_ship(escalate=escalate)) as harness:
        await harness.alice.write("ship v1")
        card = await harness.wait_for_sms(harness.bob, "ship")
        await harness.wait_until_sending_is_recorded(card)
        assert await harness.webhooks.report(card, "delivered") == 200
        [request] = await harness.requests()
        await harness.bot.wait_until(request.thread_id, _is_confirmed)
        assert await harness.webhooks.report(card, "undelivered", 30008) == 200  # reports can come in any order
        harness.bot.clock.advance(seconds=600)
        await harness.bob.write(f"{card.body[:5]} ok")
        await harness.wait_for_sms(harness.alice, "v1 is shipped.")
        assert harness.carol.inbox == []


def _is_confirmed(state: ThreadState) -> bool:
    request = state.open_request
    return request is not None and any(card.confirmed_at is not None for card in request.cards)
