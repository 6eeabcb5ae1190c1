"""Mails of a thread refer to each other, have a Message-ID that is the same at each attempt, and a Reply-To token."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.errors import DeliveryUncertain, Permanent
from agents.core.messages import Message, Receipt
from agents.core.values import Address
from channels.base import Channel, DigestChannel, ThreadAwareChannel
from channels.email.channel import EmailChannel, limit_references
from channels.email.outbox_files import FileTransport
from channels.email.tokens import MessageToken, PersonToken, RequestToken, ThreadToken
from channels.stored_input import ThreadContext
from tests.channels.email.cards import ALICE, create_card, create_question, message_with
from tests.channels.email.smtp_client import BOT, TOKENS
from tests.fakes.email.smtp_sink import SentMail

THREAD, KEY = "thr_0123456789", "thr_0123456789:reply:7"
CONTEXT = ThreadContext(THREAD, "Deploy v1.4.0", ("<first@corp.test>", "<second@bot.test>"))


@dataclass
class RecordingTransport:
    """Transport that keeps the mails. With an `error` it raises it after the mail has arrived."""

    mails: list[SentMail] = field(default_factory=list)
    error: Exception | None = None

    async def send(self, mail: bytes, *, sender: str, recipient: str, message_id: str) -> None:
        self.mails.append(SentMail(sender, (recipient,), mail, is_tls=False, user=None, helo=""))
        assert self.mails[-1].parse()["Message-ID"] == message_id
        if self.error is not None:
            raise self.error


@pytest.fixture
def transport() -> RecordingTransport:
    return RecordingTransport()


@pytest.fixture
def channel(transport: RecordingTransport) -> EmailChannel:
    return EmailChannel(TOKENS, transport, lambda: datetime(2026, 1, 2, 9, 0, tzinfo=UTC))


async def send(channel: EmailChannel, message: Message, key: str = KEY, to: Address = ALICE, **arguments) -> Receipt:
    return await channel.send(to, message, key=key, **arguments)


async def test_headers_of_a_reply_in_a_thread(channel, transport):
    receipt = await send(channel.for_thread(CONTEXT), Message(text="Done."))
    (mail,) = transport.mails
    headers = mail.parse()
    assert {name: str(headers[name]) for name in headers if not name.startswith(("MIME", "Content"))} == {
        "From": f"Handrail <{BOT}>",
        "To": "alice@corp.test",
        "Reply-To": TOKENS.thread_address(THREAD),
        "Date": "Fri, 02 Jan 2026 09:00:00 +0000",
        "Message-ID": receipt.ref,
        "In-Reply-To": "<second@bot.test>",
        "References": "<first@corp.test> <second@bot.test>",
        "Auto-Submitted": "auto-replied",
        "X-Auto-Response-Suppress": "All",
        "X-Loop": BOT,
        "Subject": "Re: Deploy v1.4.0",
    }
    assert (mail.sender, mail.recipients) == (TOKENS.return_path(KEY), ("alice@corp.test",))
    assert receipt.conversation_keys == (receipt.ref,)


async def test_message_id_and_bytes_are_the_same_at_each_attempt(channel, transport):
    transport.error = DeliveryUncertain("lost")
    for _ in range(2):
        with pytest.raises(DeliveryUncertain):
            await send(channel, Message(text="Done."), may_have_been_sent=True)
    first, second = transport.mails
    assert first.content == second.content
    assert TOKENS.parse_message_id(first.parse()["Message-ID"]) == TOKENS.parse_recipient(first.sender)


async def test_retry_overwrites_one_file(channel, tmp_path):
    channel = EmailChannel(TOKENS, FileTransport(tmp_path), channel.now)
    receipts = {(await send(channel, Message(text="Done."))).ref for _ in range(3)}
    (file,) = tmp_path.iterdir()
    assert receipts == {f"<{file.name.removesuffix('.eml')}>"}


async def test_message_without_a_thread_is_no_reply(channel, transport):
    await send(channel, Message(text="Hello."))
    headers = transport.mails[0].parse()
    assert (headers["References"], headers["In-Reply-To"], headers["Auto-Submitted"]) == (None, None, "auto-generated")
    assert headers["Reply-To"] == BOT


async def test_reply_to_an_input_outside_a_thread_has_the_address_of_the_bot(channel, transport):
    await send(channel.for_thread(ThreadContext("", "Hello", ("<first@corp.test>",))), Message(text="x"), "input:in_1")
    assert transport.mails[0].parse()["Reply-To"] == BOT


async def test_card_has_a_reply_address_for_its_digest_and_recipient(channel, transport):
    card = create_card()
    receipt = await send(channel.for_thread(CONTEXT), message_with(card))
    token = TOKENS.parse_recipient(transport.mails[0].parse()["Reply-To"])
    assert isinstance(token, RequestToken)
    assert (token.request_id, token.digest8, receipt.digest) == (card.request_id, card.digest[:8], card.digest)
    assert TOKENS.is_for(token, "alice@corp.test")
    assert not TOKENS.is_for(token, "bob@corp.test")


async def test_settled_card_has_the_address_of_the_thread(channel, transport):
    card = create_card(status="approved", outcome="approved by Bob")
    await send(channel.for_thread(CONTEXT), message_with(card))
    assert TOKENS.parse_recipient(transport.mails[0].parse()["Reply-To"]) == ThreadToken(THREAD)


@pytest.mark.parametrize(
    "card", [create_card(status="denied", outcome="denied by Bob"), create_card(note="new progress")]
)
async def test_update_without_another_call_sends_nothing(channel, transport, card):
    receipt = await send(channel, message_with(create_card()))
    assert await send(channel, message_with(card), "thr_0123456789:update", replaces=receipt) == receipt
    assert len(transport.mails) == 1


async def test_update_with_another_call_is_a_new_mail(channel, transport):
    receipt = await send(channel, message_with(create_card()))
    updated = await send(
        channel, message_with(create_card(digest="cd" * 32)), "thr_0123456789:update", replaces=receipt
    )
    assert updated.ref != receipt.ref
    assert [TOKENS.parse_recipient(mail.parse()["Reply-To"]).digest8 for mail in transport.mails] == [
        "ab" * 4,
        "cd" * 4,
    ]


async def test_digest_has_one_reply_address_for_the_recipient(channel, transport):
    cards = [create_card(), create_question(code="B2C3D", request_id="req_1")]
    receipt = await channel.send_digest(ALICE, cards, key="input:digest-1")
    mail = transport.mails[0].parse()
    token = TOKENS.parse_recipient(mail["Reply-To"])
    assert isinstance(token, PersonToken)
    assert TOKENS.is_for(token, "alice@corp.test")
    assert mail["Subject"] == "2 requests wait for your answer"
    assert TOKENS.parse_message_id(receipt.ref) == TOKENS.parse_recipient(transport.mails[0].sender)
    assert isinstance(TOKENS.parse_message_id(receipt.ref), MessageToken)


async def test_sender_that_is_not_verified_gets_a_file_only(channel, transport, tmp_path):
    to = Address("email:unverified/alice@corp.test")
    with pytest.raises(Permanent, match="could not be verified"):
        await send(channel, Message(text="x"), to=to)
    assert transport.mails == []
    local = EmailChannel(TOKENS, transport, channel.now, may_answer_unverified=True)
    await send(local, Message(text="x"), to=to)
    assert transport.mails[0].recipients == ("alice@corp.test",)


@pytest.mark.parametrize("address", ["nobody", "a@b@c", "unverified/unknown", "<a@b.test>"])
async def test_address_that_is_none_is_permanent(channel, transport, address):
    local = EmailChannel(TOKENS, transport, channel.now, may_answer_unverified=True)
    with pytest.raises(Permanent):
        await send(local, Message(text="x"), to=Address(f"email:{address}"))
    assert transport.mails == []


async def test_domain_with_umlauts_is_sent_as_a_label(channel, transport):
    await send(channel, Message(text="x"), to=Address("email:alice@bücher.test"))
    assert transport.mails[0].recipients == ("alice@xn--bcher-kva.test",)
    assert transport.mails[0].parse()["To"] == "alice@xn--bcher-kva.test"


async def test_id_that_fits_into_no_token_is_permanent(channel):
    with pytest.raises(Permanent, match="could not be addressed"):
        await send(channel, Message(text="x"), "no delivery key")
    with pytest.raises(Permanent, match="could not be addressed"):
        await send(channel, message_with(create_card(digest="not hex")))


def test_channel_has_the_abilities_of_its_protocols(channel):
    assert isinstance(channel, Channel)
    assert isinstance(channel, ThreadAwareChannel)
    assert isinstance(channel, DigestChannel)
    assert channel.is_private(ALICE)
    assert (channel.capabilities.retry_for_seconds, channel.capabilities.digest_threshold) == (172_800, 5)


@given(st.lists(st.integers(0, 60).map("<{}@corp.test>".format) | st.sampled_from(["x", "<a b@c>", "<a@b>\r\nBcc: x"])))
def test_references_are_the_first_and_the_last_20(keys):
    message_id = "<7@corp.test>"
    found = limit_references(keys, message_id)
    valid = [key for key in dict.fromkeys(keys) if key.endswith("@corp.test>") and key != message_id]
    assert found == (valid if len(valid) <= 21 else [valid[0], *valid[-20:]])
