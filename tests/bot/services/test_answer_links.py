"""Links in messages are bound to one person and one request, work once, and are locked after five wrong codes."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from agents.core.cards import render_card
from agents.core.errors import Forbidden
from agents.core.messages import Assurance, Card
from agents.core.policy import ApprovalTerms, Rule
from agents.core.requests import Answer, Request
from agents.core.values import Address
from bot.services.answer_links import LINK_RETENTION, AnswerLinks
from storage.answer_links import MAX_FAILED_CODES, AnswerLink, AnswerLinkUsed, delete_expired_links
from storage.database.database import Database
from tests.agents.factories import approval
from tests.bot.conftest import on_every_setup
from tests.fakes.scripted_model import ScriptedModel
from tests.harness.people import BOB, CAROL

TO = Address("terminal:bob")
NEEDS_TWO = Rule(name="two", tool="ship", ask=ApprovalTerms(roles=("release",), quorum=2))
REQUEST = approval()
WRONG_CODE = "ZZZZZ"


def card_of(request: Request) -> Card:
    card = render_card(request).card
    assert card is not None
    return card


@pytest.fixture
def links(database: Database) -> AnswerLinks:
    return AnswerLinks(database, b"key", "https://handrail.test")


async def create(links: AnswerLinks, request: Request = REQUEST, person: Address = BOB, key: str = "t:k") -> str:
    return await links.create(card_of(request), TO, person, Assurance.MEDIUM, key, request.opened_at)


async def open_link(links: AnswerLinks, request: Request = REQUEST, person: Address = BOB) -> AnswerLink:
    return await find(links, await create(links, request, person), request)


async def find(links: AnswerLinks, url: str, request: Request = REQUEST) -> AnswerLink:
    link = await links.find(url.rpartition("/")[2], request.opened_at)
    assert link is not None
    return link


async def test_each_attempt_to_send_a_card_has_the_same_link(links: AnswerLinks) -> None:
    urls = [await create(links), await create(links)]
    assert urls[0] == urls[1]
    assert urls[0].startswith("https://handrail.test/a/")
    others = [await create(links, person=CAROL), await create(links, key="t:other")]
    assert len({*urls, *others}) == 3


@on_every_setup
async def test_link_is_bound_to_its_person_request_and_version(links: AnswerLinks) -> None:
    link = await open_link(links)
    bound = (link.request_id, link.person, link.address, link.digest, link.assurance, link.used_at, link.failed_codes)
    assert bound == (REQUEST.id, BOB, TO, REQUEST.digest, Assurance.MEDIUM, None, 0)


async def test_database_has_no_token(links: AnswerLinks, database: Database) -> None:
    token = (await create(links)).rpartition("/")[2]
    rows = await database.read(lambda connection: connection.execute(text("SELECT * FROM answer_link")).all())
    assert len(rows) == 1
    assert token not in repr(rows)
    assert "key of the test" not in repr(replace(links, signing_key=b"key of the test"))


async def test_token_of_another_key_is_unknown(links: AnswerLinks, database: Database) -> None:
    await create(links)
    other = AnswerLinks(database, b"other key", links.public_url)
    url = await other.create(card_of(approval(id="req_2")), TO, BOB, Assurance.LOW, "t:k", REQUEST.opened_at)
    assert (await find(links, url)).request_id == "req_2"
    for unknown in ("", "x", "\ud800", "x" * 10_000, url.rpartition("/")[2][:-1]):
        assert await links.find(unknown, REQUEST.opened_at) is None


async def test_link_ends_thirty_days_after_its_request(links: AnswerLinks, database: Database) -> None:
    token = (await create(links)).rpartition("/")[2]
    end = REQUEST.expires_at + LINK_RETENTION
    assert await links.find(token, end - timedelta(seconds=1)) is not None
    assert await links.find(token, end) is None
    await database.transaction(lambda connection: delete_expired_links(connection, end + timedelta(seconds=1)))
    assert await links.find(token, REQUEST.opened_at) is None


@pytest.mark.parametrize("code", ["", " ", "ABCD", "ABCDEF", "ABCD1", "ÄBCDE", "approve"])
async def test_text_that_is_no_code_is_not_counted(links: AnswerLinks, code: str) -> None:
    link = await open_link(links)
    for _ in range(MAX_FAILED_CODES + 1):
        assert await links.check_code(link, REQUEST, code) == "malformed"
    assert await links.check_code(link, REQUEST, f" {REQUEST.code.lower()} ") == "right"


@on_every_setup
async def test_five_wrong_codes_lock_the_link_for_the_right_one(links: AnswerLinks) -> None:
    link = await open_link(links)
    guesses = await asyncio.gather(*(links.check_code(link, REQUEST, WRONG_CODE) for _ in range(20)))
    assert Counter(guesses) == {"wrong": MAX_FAILED_CODES, "locked": 20 - MAX_FAILED_CODES}
    assert await links.check_code(link, REQUEST, REQUEST.code) == "locked"
    assert (await open_link(links)).is_locked


async def test_codes_typed_for_one_link_do_not_lock_another(links: AnswerLinks) -> None:
    link, other = await open_link(links), await open_link(links, person=CAROL)
    for _ in range(MAX_FAILED_CODES):
        await links.check_code(link, REQUEST, WRONG_CODE)
    assert await links.check_code(other, REQUEST, REQUEST.code) == "right"


def to_answer(decision: str, person: Address, assurance: Assurance = Assurance.MEDIUM) -> Answer:
    return Answer(by=person, channel=TO, assurance=assurance, decision=decision)


@on_every_setup
async def test_link_is_used_once_by_answers_that_race(database: Database, running_bot) -> None:
    links = AnswerLinks(database, b"key", "https://handrail.test")
    model = ScriptedModel({"intent": "ship", "tag": "v1"})
    async with running_bot(database, model, rules=(NEEDS_TWO,)) as harness:
        thread_id = await harness.post_message("ship v1")
        request = await harness.wait_for_request(thread_id)
        link = await open_link(links, request)
        answers = [
            harness.bot.approvals.answer(request.id, to_answer("approve", by), extra_writes=links.mark_used(link))
            for by in (BOB, CAROL)
        ]
        results = await asyncio.gather(*answers, return_exceptions=True)
        assert sorted(type(result).__name__ for result in results) == ["AnswerLinkUsed", "CommitResult"]
        assert (await harness.event_types(thread_id)).count("RequestAnswered") == 1
        assert (await open_link(links, request)).used_at == harness.clock.now()


async def test_answer_that_does_not_count_leaves_the_link_usable(database: Database, running_bot) -> None:
    links = AnswerLinks(database, b"key", "https://handrail.test")
    model = ScriptedModel({"intent": "ship", "tag": "v1"})
    async with running_bot(database, model, rules=(NEEDS_TWO,)) as harness:
        thread_id = await harness.post_message("ship v1")
        request = await harness.wait_for_request(thread_id)
        link = await open_link(links, request)
        weak = to_answer("approve", BOB, Assurance.LOW)
        with pytest.raises(Forbidden):
            await harness.bot.approvals.answer(request.id, weak, extra_writes=links.mark_used(link))
        assert (await harness.event_types(thread_id)).count("RequestAnswered") == 1
        assert (await open_link(links, request)).used_at is None
        await harness.bot.approvals.answer(request.id, to_answer("approve", BOB), extra_writes=links.mark_used(link))
        with pytest.raises(AnswerLinkUsed):
            await harness.bot.approvals.answer(
                request.id, to_answer("approve", CAROL), extra_writes=links.mark_used(link)
            )
