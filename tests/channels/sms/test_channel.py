"""Sending over Twilio: what the API is asked to do, and what its errors mean."""

import ssl
from collections.abc import AsyncIterator
from datetime import timedelta

import certifi
import pytest

from agents.core.errors import ConfigurationError, DeliveryUncertain, OptedOut, Permanent, Unavailable
from agents.core.messages import Card, CardField, Message, Receipt
from agents.core.values import Address
from channels.sms.channel import CONFIRM_WITHIN, DEFAULT_VALIDITY_SECONDS, SmsChannel, create_capabilities
from channels.sms.client import SmsApi, create_api
from channels.sms.segments import fits
from tests.fakes.clock import FakeClock
from tests.fakes.http_server import running_http_server
from tests.fakes.twilio.account import FakeTwilio, Fault

BOB = Address("sms:+15550001002")
CALLBACK_URL = "https://rail.handrail.test/channels/sms/status"
CLOCK = FakeClock()


def card(**changes: object) -> Card:
    fields = {
        "request_id": "req_1",
        "code": "K7P2Q",
        "digest": "ab" * 16,
        "kind": "approval",
        "status": "open",
        "title": "deploy wants to run push_release_tag",
        "fields": (CardField(name="environment", value="production"), CardField(name="tag", value="v1.4.2")),
        "requester": "person:alice",
        "expires_at": CLOCK.now() + timedelta(minutes=30),
        "link": "https://rail.handrail.test/a/" + "x" * 43,
        "min_assurance": "low",
    }
    link = {**fields, **changes}["link"]
    return Card.model_validate({**fields, **changes}).model_copy(update={"link": link})


@pytest.fixture
def twilio() -> FakeTwilio:
    return FakeTwilio(CLOCK.now)


@pytest.fixture
async def api(twilio: FakeTwilio) -> AsyncIterator[SmsApi]:
    async with running_http_server(twilio.handle) as port:
        tls = ssl.create_default_context(cafile=certifi.where())
        api = create_api(
            twilio.account_sid, twilio.auth_token, twilio.number, f"http://127.0.0.1:{port}", tls=tls, proxy=None
        )
        yield api
        await api.close()


@pytest.fixture
def channel(api: SmsApi) -> SmsChannel:
    return SmsChannel(api, CLOCK.now, create_capabilities(500), callback_url=CALLBACK_URL)


async def test_card_is_one_message_with_a_deadline_and_a_callback(channel: SmsChannel, twilio: FakeTwilio) -> None:
    receipt = await channel.send(BOB, Message(text="x", card=card()), key="thr_1:card:é")
    [message] = twilio.messages
    assert (message.to, message.sender) == (BOB.id, twilio.number)
    assert message.validity_seconds == 30 * 60
    assert message.callback_url == f"{CALLBACK_URL}?key=thr_1%3Acard%3A%C3%A9"
    assert fits(message.body, 2)
    assert receipt == Receipt(
        ref=message.sid,
        digest="ab" * 16,
        conversation_keys=(message.sid,),
        confirm_by=CLOCK.now() + CONFIRM_WITHIN,
    )


async def test_long_reply_is_several_messages_without_a_deadline(channel: SmsChannel, twilio: FakeTwilio) -> None:
    receipt = await channel.send(BOB, Message(text="word " * 200), key="k")
    assert [message.body[:6] for message in twilio.messages] == ["(1/4) ", "(2/4) ", "(3/4) ", "(4/4) "]
    assert receipt.conversation_keys == tuple(message.sid for message in twilio.messages)
    assert (receipt.ref, receipt.confirm_by) == (twilio.messages[-1].sid, None)
    assert {message.validity_seconds for message in twilio.messages} == {DEFAULT_VALIDITY_SECONDS}


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ((400, 21610), OptedOut),
        ((400, 21211), Permanent),
        ((400, 21614), Permanent),
        ((400, 21408), Permanent),
        ((400, 99999), Permanent),
        ((401, 20003), ConfigurationError),
        ((400, 21606), ConfigurationError),
        ((400, 30034), ConfigurationError),
        ((429, 20429), Unavailable),
        ((503, 20503), DeliveryUncertain),
        ("refuse", DeliveryUncertain),
        ("hang up before", DeliveryUncertain),
        ("lose the answer", DeliveryUncertain),
    ],
)
async def test_errors_are_classified(
    channel: SmsChannel, twilio: FakeTwilio, fault: Fault, expected: type[Exception]
) -> None:
    twilio.faults.append(fault)
    with pytest.raises(expected) as raised:
        await channel.send(BOB, Message(text="hello"), key="k")
    assert type(raised.value) is expected
    assert BOB.id not in str(raised.value)


async def test_closed_port_means_that_nothing_was_sent(channel: SmsChannel, api: SmsApi) -> None:
    api.http._base_url = "http://127.0.0.1:1"
    with pytest.raises(Unavailable) as raised:
        await channel.send(BOB, Message(text="hello"), key="k")
    assert not isinstance(raised.value, DeliveryUncertain)


async def test_message_whose_answer_was_lost_is_found_and_not_sent_again(
    channel: SmsChannel, twilio: FakeTwilio
) -> None:
    twilio.faults.append("lose the answer")
    with pytest.raises(DeliveryUncertain):
        await channel.send(BOB, Message(text="hello"), key="k")
    receipt = await channel.send(BOB, Message(text="hello"), key="k", may_have_been_sent=True)
    assert [message.sid for message in twilio.messages] == [receipt.ref]


async def test_card_is_found_although_less_time_is_left(channel: SmsChannel, twilio: FakeTwilio) -> None:
    twilio.faults.append("lose the answer")
    with pytest.raises(DeliveryUncertain):
        await channel.send(BOB, Message(text="x", card=card()), key="k")
    later = card(expires_at=CLOCK.now() + timedelta(minutes=28))
    receipt = await channel.send(BOB, Message(text="x", card=later), key="k", may_have_been_sent=True)
    assert [message.sid for message in twilio.messages] == [receipt.ref]


async def test_retry_of_a_long_reply_sends_only_the_missing_parts(channel: SmsChannel, twilio: FakeTwilio) -> None:
    text, planned = "word " * 200, ("refuse", "refuse", "lose the answer")
    for number, fault in enumerate(planned):
        twilio.faults.append(fault)
        with pytest.raises(Unavailable):
            await channel.send(BOB, Message(text=text), key="k", may_have_been_sent=number > 0)
    restarted = SmsChannel(channel.api, channel.now, channel.capabilities)
    await restarted.send(BOB, Message(text=text), key="k", may_have_been_sent=True)
    assert [message.body[:6] for message in twilio.messages] == ["(1/4) ", "(2/4) ", "(3/4) ", "(4/4) "]


async def test_callback_that_twilio_refuses_is_left_out(channel: SmsChannel, twilio: FakeTwilio) -> None:
    twilio.faults.append((400, 21609))
    await channel.send(BOB, Message(text="hello"), key="k")
    assert [message.callback_url for message in twilio.messages] == [None]


async def test_only_a_changed_card_is_sent_again(channel: SmsChannel, twilio: FakeTwilio) -> None:
    shown = await channel.send(BOB, Message(text="x", card=card()), key="k1")
    settled = card(status="approved", outcome="approved by Carol")
    for unchanged in (card(), settled):
        assert await channel.send(BOB, Message(text="x", card=unchanged), key="k2", replaces=shown) == shown
    edited = card(digest="cd" * 16, fields=(CardField(name="tag", value="v1.4.1"),))
    again = await channel.send(BOB, Message(text="x", card=edited), key="k3", replaces=shown)
    assert (len(twilio.messages), again.digest) == (2, "cd" * 16)


async def test_countries_that_are_not_listed_get_nothing(channel: SmsChannel, twilio: FakeTwilio) -> None:
    channel.countries = ("+49", "+44")
    with pytest.raises(Permanent, match="SMS_COUNTRIES"):
        await channel.send(BOB, Message(text="hello"), key="k")
    await channel.send(Address("sms:+4915112345678"), Message(text="hello"), key="k")
    assert [message.to for message in twilio.messages] == ["+4915112345678"]


@pytest.mark.parametrize("recipient", ["sms:alice", "sms:15550001002", "sms:+1555", "sms:+1\u0665550001002"])
async def test_other_forms_than_numbers_get_nothing(channel: SmsChannel, recipient: str) -> None:
    with pytest.raises(Permanent, match="not a phone number"):
        await channel.send(Address(recipient), Message(text="hello"), key="k")
