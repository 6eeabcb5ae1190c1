"""Stories of people who use the bot by mail only: digests, links, bounces, automatic mail and late answers."""

import asyncio
from collections.abc import Callable

import pytest

from agents.core.messages import Assurance
from agents.core.policy import ApprovalTerms, EscalationStep, Rule
from agents.core.requests import Request
from agents.core.steps import DoneForNow
from agents.core.values import Address
from storage.database.database import Database
from storage.requests import list_requests
from tests.fakes.email.bounces import postfix_bounce
from tests.fakes.email.mail_person import InboxMail, MailPerson
from tests.fakes.scripted_model import ScriptedModel
from tests.harness.bot import running_bot
from tests.harness.email import PUBLIC_URL, EmailHarness, running_email_bot
from tests.harness.time_limits import WAIT_TIMEOUT_SECONDS

SHIP, SHIPPED = {"intent": "ship", "tag": "v1"}, DoneForNow(message="v1 is shipped.")
ASK_BOB = (EscalationStep(after=1, to=Address("person:bob"), via="email"),)
COLLECTING_SECONDS = 3
"""Time after which a card is sent alone, because no others came."""


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


def rule_for_ship(**terms: object) -> tuple[Rule, ...]:
    """Return the rule that asks release managers by mail."""
    ask = ApprovalTerms.model_validate({"roles": ("release",), "escalate": ASK_BOB, "expires": 7200, **terms})
    return (Rule(name="ship", tool="ship", ask=ask),)


async def wait_until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        while not condition():
            await asyncio.to_thread(lambda: None)


async def wait_for_mail(harness: EmailHarness, person: MailPerson, *texts: str) -> InboxMail:
    """Advance the clock until a person gets a mail with these texts."""
    waiting = asyncio.create_task(person.wait_for_mail(*texts))
    while not waiting.done():
        await asyncio.wait((waiting,), timeout=0.05)
        harness.bot.clock.advance(seconds=1)
    return await waiting


async def wait_for_status(harness: EmailHarness, code: str, status: str) -> Request:
    """Advance the clock until the request with this code has a status: an input may have to be tried again."""
    found: list[Request] = []

    def look(requests: list[Request]) -> bool:
        found[:] = [request for request in requests if request.code == code and request.status == status]
        return bool(found)

    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        while not look(await all_requests(harness)):
            await asyncio.to_thread(lambda: None)
            harness.bot.clock.advance(seconds=0.1)
    return found[0]


async def all_requests(harness: EmailHarness) -> list[Request]:
    database = harness.bot.bot.engine.database
    return list(
        await database.read(
            lambda connection: list_requests(connection, status=None, thread_id=None, before=None, limit=50)
        )
    )


async def test_approval_by_reply_is_answered_in_the_thread_of_the_request(database: Database) -> None:
    async with running_email_bot(running_bot, database, ScriptedModel(SHIP, SHIPPED), rules=rule_for_ship()) as harness:
        request = await harness.alice.write("ship v1", subject="Release of today")
        card = await wait_for_mail(harness, harness.bob, "ship")
        assert "v1" in card.text
        assert f"“APPROVE {card.code}”" in card.text
        await harness.bob.reply(card, f"APPROVE {card.code}\nlooks good")
        await harness.bob.wait_for_mail(f"Recorded for {card.code}")
        answer = await wait_for_mail(harness, harness.alice, "v1 is shipped.")
        assert answer.subject == "Re: Release of today"
        assert str(request["Message-ID"]) in str(answer.message["References"])
        settled = await wait_for_status(harness, card.code, "approved")
        assert settled.answers[-1].comment == "looks good"


async def test_late_answer_gets_the_outcome_and_the_name_of_the_decider(database: Database) -> None:
    escalate = (*ASK_BOB, EscalationStep(after=2, to=Address("person:carol"), via="email"))
    async with running_email_bot(
        running_bot, database, ScriptedModel(SHIP, SHIPPED), rules=rule_for_ship(escalate=escalate)
    ) as harness:
        await harness.alice.write("ship v1")
        first = await wait_for_mail(harness, harness.bob, "ship")
        second = await wait_for_mail(harness, harness.carol, "ship")
        await harness.carol.reply(second, f"DENY {second.code} not today")
        await wait_for_status(harness, first.code, "denied")
        await harness.bob.reply(first, f"APPROVE {first.code}")
        late = await harness.bob.wait_for_mail(f"{first.code} is settled")
        assert "denied by Carol Diaz (email)" in late.text
        await wait_for_mail(harness, harness.alice, "v1 is shipped.")


async def test_five_requests_within_a_minute_are_one_digest(database: Database) -> None:
    model = ScriptedModel(*[SHIP] * 5, SHIPPED, SHIPPED)
    async with running_email_bot(running_bot, database, model, rules=rule_for_ship()) as harness:
        for number in range(5):
            await harness.alice.write("ship v1", subject=f"Release {number}")
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            while len(await all_requests(harness)) < 5:
                await asyncio.to_thread(lambda: None)
        codes = [request.code for request in await all_requests(harness)]
        digest = await wait_for_mail(harness, harness.bob, *codes)
        await harness.bob.reply(digest, f"APPROVE {codes[0]}\nDENY {codes[3]} wrong tag")
        await wait_for_status(harness, codes[0], "approved")
        await wait_for_status(harness, codes[3], "denied")
        confirmation = await harness.bob.wait_for_mail(f"Recorded for {codes[0]}")
        assert f"Recorded for {codes[3]}" in confirmation.text
        statuses = {request.code: request.status for request in await all_requests(harness)}
        assert [statuses[codes[index]] for index in (1, 2, 4)] == ["open"] * 3
        for _ in range(2):
            await wait_for_mail(harness, harness.alice, "v1 is shipped.")


async def test_request_beyond_medium_assurance_has_a_link_and_can_be_denied(database: Database) -> None:
    rules = rule_for_ship(min_assurance=Assurance.HIGH)
    async with running_email_bot(running_bot, database, ScriptedModel(SHIP, SHIPPED), rules=rules) as harness:
        await harness.alice.write("ship v1")
        card = await wait_for_mail(harness, harness.bob, "ship")
        assert f"{PUBLIC_URL}/a/" in card.text
        assert "APPROVE" not in card.text
        await harness.bob.reply(card, f"APPROVE {card.code}")
        refused = await harness.bob.wait_for_mail("requires high")
        assert "click in Slack" in refused.text
        await harness.bob.reply(card, f"DENY {card.code}")
        await wait_for_status(harness, card.code, "denied")
        await wait_for_mail(harness, harness.alice, "v1 is shipped.")


async def test_bounced_card_is_reported_and_moves_to_the_next_step(database: Database) -> None:
    escalate = (*ASK_BOB, EscalationStep(after=3600, to=Address("person:carol"), via="email"))
    async with running_email_bot(
        running_bot, database, ScriptedModel(SHIP, SHIPPED), rules=rule_for_ship(escalate=escalate)
    ) as harness:
        await harness.alice.write("ship v1")
        card = await wait_for_mail(harness, harness.bob, "ship")
        await harness.bob.deliver(postfix_bounce(), card.sent.sender, mail_from="")
        next_card = await wait_for_mail(harness, harness.carol, "ship")
        notice = await wait_for_mail(harness, harness.alice, "Bob Ito")
        assert notice.message["Auto-Submitted"] is not None
        await harness.carol.reply(next_card, f"APPROVE {next_card.code}")
        await wait_for_mail(harness, harness.alice, "v1 is shipped.")
        [request] = await all_requests(harness)
        assert [card.address for card in request.undeliverable_cards] == [Address("email:bob@corp.test")]


async def test_out_of_office_reply_decides_nothing_and_gets_no_answer(database: Database) -> None:
    async with running_email_bot(running_bot, database, ScriptedModel(SHIP, SHIPPED), rules=rule_for_ship()) as harness:
        await harness.alice.write("ship v1")
        card = await wait_for_mail(harness, harness.bob, "ship")
        await harness.bob.auto_reply(card, f"APPROVE {card.code}\nI am out of office.")
        await harness.bob.reply(card, f"DENY {card.code}")
        await harness.bob.wait_for_mail(f"Recorded for {card.code}")  # mails to one address are processed in order
        assert [mail.subject for mail in harness.bob.unread()] == []
        settled = await wait_for_status(harness, card.code, "denied")
        assert len(settled.answers) == 1
        await wait_for_mail(harness, harness.alice, "v1 is shipped.")


async def test_forwarded_card_does_not_let_another_person_approve(database: Database) -> None:
    async with running_email_bot(running_bot, database, ScriptedModel(SHIP), rules=rule_for_ship()) as harness:
        await harness.alice.write("ship v1")
        card = await wait_for_mail(harness, harness.bob, "ship")
        await harness.carol.reply(card, f"APPROVE {card.code}")
        asked = await harness.carol.wait_for_mail("is not a reply to the mail")
        assert card.code in asked.text
        await harness.eve.reply(card, f"APPROVE {card.code}")
        await harness.eve.reply(card, f"DENY {card.code}")
        await harness.carol.reply(card, "who can approve this?")
        await wait_for_mail(harness, harness.carol, f"{card.code} still waits for")
        [request] = await all_requests(harness)
        assert request.status == "open"
        assert harness.eve.inbox() == []


async def test_quoted_copy_of_a_card_decides_nothing(database: Database) -> None:
    async with running_email_bot(running_bot, database, ScriptedModel(SHIP), rules=rule_for_ship()) as harness:
        await harness.alice.write("ship v1")
        card = await wait_for_mail(harness, harness.bob, "ship")
        await harness.bob.reply(card, "ok")
        await wait_for_mail(harness, harness.bob, f"{card.code} still waits for")
        [request] = await all_requests(harness)
        assert request.status == "open"
        assert request.answers == ()
