"""A card offers only what its only reader may do there, and has a link to the page where that person answers."""

import pytest
from sqlalchemy import select

from agents.core.messages import Assurance
from agents.core.policy import ApprovalTerms, Rule
from agents.core.values import Address
from bot.services.answer_links import AnswerLinks
from channels.base import Capabilities
from storage.database.database import Database
from storage.database.tables import EventRow, RequestRow, ThreadRow
from tests.bot.conftest import on_every_setup
from tests.fakes.scripted_model import ScriptedModel
from tests.harness.bot import RecordingChannel
from tests.harness.people import CAROL


class PrivateChannel(RecordingChannel):
    """Channel that authenticates people with medium assurance, and whose addresses have one reader each."""

    capabilities = Capabilities(assurance=Assurance.MEDIUM)

    def is_private(self, address: Address) -> bool:
        return True


@pytest.mark.parametrize(
    ("person", "min_assurance", "may_approve"),
    [
        ("bob", Assurance.MEDIUM, True),
        ("bob", Assurance.HIGH, False),  # the channel is too weak
        ("alice", Assurance.MEDIUM, False),  # has not the role
    ],
)
async def test_card_offers_approval_if_this_reader_may_approve_here(
    database: Database, running_bot, person: str, min_assurance: Assurance, may_approve: bool
) -> None:
    terms = ApprovalTerms(roles=("release",), requester_may_approve=True, min_assurance=min_assurance)
    rules = (Rule(name="strict", tool="ship", ask=terms),)
    channel = PrivateChannel("terminal")
    model = ScriptedModel({"intent": "ship", "tag": "v1"})
    async with running_bot(database, model, channels={"terminal": channel}, rules=rules) as harness:
        await harness.wait_for_request(await harness.post_message("ship v1", person_key=person))
        card = channel.sent[0][1].card
        assert (card.may_approve, card.is_editable, card.min_assurance) == (may_approve, may_approve, min_assurance)


class LinkingChannel(RecordingChannel):
    """Channel whose cards have links."""

    capabilities = Capabilities(has_answer_links=True, assurance=Assurance.LOW)


@on_every_setup
async def test_open_card_gets_a_link_that_is_stored_nowhere(database: Database, running_bot) -> None:
    links, channel = AnswerLinks(database, b"key", "https://handrail.test"), LinkingChannel("terminal")
    async with running_bot(
        database, ScriptedModel({"intent": "ship", "tag": "v1"}), channels={"terminal": channel}, answer_links=links
    ) as harness:
        thread_id = await harness.post_message("ship v1", person_key="carol")
        await harness.wait_for_request(thread_id)
        await harness.bot.thread_control.cancel(thread_id, CAROL)
        await harness.wait_for_status(thread_id, "cancelled")
        (_, shown, _), (_, closed, _) = channel.sent
        link = await links.find(shown.card.link.rpartition("/")[2], harness.clock.now())
        assert (link.person, link.address, link.assurance) == (CAROL, Address("terminal:carol"), Assurance.LOW)
        assert closed.card.link == ""
        for table in (EventRow, ThreadRow, RequestRow):
            rows = await database.read(lambda connection, table=table: connection.execute(select(table)).all())
            assert rows
            assert "handrail.test" not in repr(rows)


async def test_card_at_an_address_of_no_single_person_has_no_link(database: Database, running_bot) -> None:
    channel = LinkingChannel("terminal")
    links = AnswerLinks(database, b"key", "https://handrail.test")
    async with running_bot(
        database, ScriptedModel({"intent": "ship", "tag": "v1"}), channels={"terminal": channel}, answer_links=links
    ) as harness:
        thread_id = await harness.post_message("ship v1", person_key="stranger")
        await harness.wait_for_request(thread_id)
        assert channel.sent[0][1].card.link == ""
