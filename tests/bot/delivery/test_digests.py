"""Cards that open at about the same time for one address become one message; the order of each thread is kept."""

from collections.abc import Sequence

import pytest

from agents.core.errors import Permanent, Unavailable
from agents.core.messages import Card, Receipt
from agents.core.steps import DoneForNow
from agents.core.values import Address
from channels.base import Capabilities
from channels.inbound import Arrival, Sender
from channels.stored_input import DeliveryFailure
from storage.database.database import Database
from storage.outbox import list_pending
from tests.bot.conftest import on_every_setup
from tests.fakes.scripted_model import ScriptedModel
from tests.harness.bot import BotHarness, RecordingChannel

COLLECTING_SECONDS = 2
DIGEST_THRESHOLD = 5


class DigestRecordingChannel(RecordingChannel):
    """Channel that records digests too. `deliveries` has the codes of the cards of each message, in order."""

    def __init__(self) -> None:
        super().__init__("terminal")
        self.digest_errors: list[Exception] = []
        self.digest_keys: list[str] = []
        self.deliveries: list[tuple[str, ...]] = []

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(digest_threshold=DIGEST_THRESHOLD)

    async def send(self, to: Address, message, **options) -> Receipt:
        receipt = await super().send(to, message, **options)
        self.deliveries.append((message.card.code if message.card else message.text,))
        return receipt

    async def send_digest(self, to: Address, cards: Sequence[Card], *, key: str) -> Receipt:
        self.digest_keys.append(key)
        if self.digest_errors:
            self.error_raised.set()
            raise self.digest_errors.pop(0)
        self.deliveries.append(tuple(card.code for card in cards))
        return Receipt(ref=f"digest-{len(self.deliveries)}", digest="of the whole message")


def ship_steps(count: int) -> list[dict[str, str]]:
    return [{"intent": "ship", "tag": f"v{number}"} for number in range(count)]


def ship_model(count: int) -> ScriptedModel:
    return ScriptedModel(*ship_steps(count))


async def open_requests(harness: BotHarness, count: int) -> list[str]:
    """Open a thread for each request and return their ids once all cards are in the outbox."""
    threads = [await harness.post_message(f"ship v{number}") for number in range(count)]
    for thread_id in threads:
        await harness.wait_until(thread_id, lambda state: state.open_request is not None)
    return threads


async def codes_of(harness: BotHarness, threads: list[str]) -> list[str]:
    requests = [await harness.wait_for_request(thread_id) for thread_id in threads]
    return [request.code for request in requests]


@on_every_setup
async def test_five_cards_within_two_seconds_are_one_message(database: Database, running_bot) -> None:
    channel = DigestRecordingChannel()
    async with running_bot(database, ship_model(5), channels={"terminal": channel}) as harness:
        threads = await open_requests(harness, 5)
        assert channel.deliveries == []
        harness.clock.advance(seconds=COLLECTING_SECONDS)
        codes = await codes_of(harness, threads)
        assert [sorted(delivery) for delivery in channel.deliveries] == [sorted(codes)]
        for thread_id in threads:
            request = await harness.wait_for_request(thread_id)
            assert request.cards[0].receipt == Receipt(ref="digest-1", digest=request.digest)
            await harness.check_replay(thread_id)


async def test_four_cards_are_four_messages(database: Database, running_bot) -> None:
    channel = DigestRecordingChannel()
    async with running_bot(database, ship_model(4), channels={"terminal": channel}) as harness:
        threads = await open_requests(harness, 4)
        harness.clock.advance(seconds=COLLECTING_SECONDS)
        codes = await codes_of(harness, threads)
        assert sorted(channel.deliveries) == sorted((code,) for code in codes)
        assert channel.digest_keys == []


async def test_fifth_card_within_a_minute_is_shown_with_the_others(database: Database, running_bot) -> None:
    channel = DigestRecordingChannel()
    async with running_bot(database, ship_model(5), channels={"terminal": channel}) as harness:
        codes = []
        for number in range(5):
            thread_id = await harness.post_message(f"ship v{number}")
            await harness.wait_until(thread_id, lambda state: state.open_request is not None)
            harness.clock.advance(seconds=10)
            codes += await codes_of(harness, [thread_id])
        assert channel.deliveries == [*((code,) for code in codes[:4]), tuple(codes)]


async def test_card_opened_a_minute_after_four_others_is_alone(database: Database, running_bot) -> None:
    channel = DigestRecordingChannel()
    async with running_bot(database, ship_model(5), channels={"terminal": channel}) as harness:
        threads = await open_requests(harness, 4)
        harness.clock.advance(seconds=COLLECTING_SECONDS)
        await codes_of(harness, threads)
        harness.clock.advance(seconds=60)
        later = await open_requests(harness, 1)
        harness.clock.advance(seconds=COLLECTING_SECONDS)
        codes = await codes_of(harness, later)
        assert channel.deliveries[4:] == [tuple(codes)]


async def test_settled_requests_do_not_count_for_a_digest(database: Database, running_bot) -> None:
    channel = DigestRecordingChannel()
    model = ScriptedModel({"intent": "ship", "tag": "v0"}, DoneForNow(message="no"), *ship_steps(4))
    async with running_bot(database, model, channels={"terminal": channel}) as harness:
        first = await open_requests(harness, 1)
        harness.clock.advance(seconds=COLLECTING_SECONDS)
        await harness.answer_request(await harness.wait_for_request(first[0]), "deny")
        await harness.wait_until_done(first[0])
        others = await open_requests(harness, 4)
        harness.clock.advance(seconds=COLLECTING_SECONDS)
        await codes_of(harness, others)
        assert channel.digest_keys == []


@on_every_setup
async def test_next_card_waits_for_a_minute_after_a_digest(database: Database, running_bot) -> None:
    channel = DigestRecordingChannel()
    async with running_bot(database, ship_model(6), channels={"terminal": channel}) as harness:
        threads = await open_requests(harness, 5)
        harness.clock.advance(seconds=COLLECTING_SECONDS)
        await codes_of(harness, threads)
        later = await open_requests(harness, 1)
        harness.clock.advance(seconds=59)
        assert len(channel.deliveries) == 1
        harness.clock.advance(seconds=1)
        codes = await codes_of(harness, later)
        assert channel.deliveries[1:] == [tuple(codes)]


@on_every_setup
async def test_failed_digest_is_sent_again_with_the_same_cards_and_key(database: Database, running_bot) -> None:
    channel = DigestRecordingChannel()
    channel.digest_errors = [Unavailable("away", retry_after=30)]
    async with running_bot(database, ship_model(6), channels={"terminal": channel}) as harness:
        threads = await open_requests(harness, 5)
        harness.clock.advance(seconds=COLLECTING_SECONDS)
        await harness.wait_for_error(channel)
        await open_requests(harness, 1)  # it is not in the digest that may have been sent
        assert len(await harness.bot.engine.database.read(list_pending)) == 6
        harness.clock.advance(seconds=30)
        codes = await codes_of(harness, threads)
        assert sorted(channel.deliveries[0]) == sorted(codes)
        assert len(channel.digest_keys) == 2
        assert len(set(channel.digest_keys)) == 1


async def test_cards_that_a_digest_cannot_show_are_sent_alone(database: Database, running_bot) -> None:
    channel = DigestRecordingChannel()
    channel.digest_errors = [Permanent("one card cannot be shown")] * DIGEST_THRESHOLD
    async with running_bot(database, ship_model(5), channels={"terminal": channel}) as harness:
        threads = await open_requests(harness, 5)
        harness.clock.advance(seconds=COLLECTING_SECONDS)
        codes = await codes_of(harness, threads)
        assert sorted(channel.deliveries) == sorted((code,) for code in codes)


@on_every_setup
async def test_digest_keeps_the_order_of_each_thread(database: Database, running_bot) -> None:
    channel = DigestRecordingChannel()
    channel.planned_errors = [Unavailable("away", retry_after=30)]
    model = ScriptedModel(DoneForNow(message="hello"), *ship_steps(6))
    async with running_bot(database, model, channels={"terminal": channel}) as harness:
        talkative = await harness.post_message("hello")
        await harness.wait_for_error(channel)
        await harness.post_message("ship it", thread_id=talkative)
        await harness.wait_until(talkative, lambda state: state.open_request is not None)
        others = await open_requests(harness, 5)
        harness.clock.advance(seconds=30)
        codes = await codes_of(harness, [talkative, *others])
        sent = [text for delivery in channel.deliveries for text in delivery]
        assert sent.index("hello") < sent.index(codes[0])
        assert sorted(sent) == sorted(["hello", *codes])


async def test_digest_that_bounces_is_undeliverable_in_each_thread(database: Database, running_bot) -> None:
    channel = DigestRecordingChannel()
    async with running_bot(database, ship_model(5), channels={"terminal": channel}) as harness:
        threads = await open_requests(harness, 5)
        harness.clock.advance(seconds=COLLECTING_SECONDS)
        await codes_of(harness, threads)
        to = Address("terminal:alice")
        arrival = Arrival("terminal", ("bounce 1",), Sender((to,)), to, harness.clock.now())
        failure = DeliveryFailure(arrival, threads[2], "digest-1", "550 no such mailbox")
        for _ in range(2):
            await harness.bot.receiver.report_failure(failure)
        for thread_id in threads:
            assert (await harness.event_types(thread_id)).count("MessageUndeliverable") == 1


@pytest.mark.parametrize("threshold", [0, 1])
async def test_threshold_decides_whether_one_card_is_a_digest(database: Database, running_bot, threshold: int) -> None:
    class OtherChannel(DigestRecordingChannel):
        capabilities = Capabilities(digest_threshold=threshold)

    channel = OtherChannel()
    async with running_bot(database, ship_model(1), channels={"terminal": channel}) as harness:
        threads = await open_requests(harness, 1)
        harness.clock.advance(seconds=COLLECTING_SECONDS)
        await codes_of(harness, threads)
        assert len(channel.digest_keys) == threshold
