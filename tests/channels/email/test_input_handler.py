"""Processing of stored mails: the thread to which a mail belongs, who wrote it, and what starts nothing."""

from datetime import timedelta

import pytest
from sqlalchemy import Connection, bindparam, text

from agents.core.messages import Provenance, Quote
from agents.core.steps import DoneForNow
from agents.core.values import Address
from channels.email.input_handler import MAX_UNVERIFIED_PER_HOUR, UNVERIFIED_REASON
from channels.email.values import Attachment, DnsUnavailable, MailRejected
from storage.database.database import Database
from storage.database.tables import UtcTime
from tests.channels.email.mail_desk import BOT, SHIP, TOKENS, MailDesk, card_address, mail_desk
from tests.fakes.scripted_model import ScriptedModel

HELLO = DoneForNow(message="Hello.")


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


async def _open_thread(desk: MailDesk) -> str:
    await desk.receive(desk.mail("hello", message_id="<first@mail.test>"))
    thread_id = desk.last_thread_id()
    await desk.bot.wait_until_done(thread_id)
    return thread_id


async def test_first_mail_opens_a_thread_that_answers_its_sender(database: Database) -> None:
    async with mail_desk(database, ScriptedModel(HELLO)) as desk:
        thread_id = await _open_thread(desk)
        state = await desk.bot.bot.engine.load(thread_id)
        assert (state.origin, state.requester) == (Address("email:alice@corp.test"), Address("person:alice"))
        assert state.title == "Release"
        assert desk.sent_texts("alice") == ["Hello."]


async def test_text_is_the_subject_if_the_mail_has_no_other(database: Database) -> None:
    async with mail_desk(database, ScriptedModel(HELLO)) as desk:
        await desk.receive(desk.mail("", subject="what is deployed"))
        message = await _first_message(desk)
        assert message.text == "what is deployed"


async def test_forwarded_parts_and_file_names_reach_the_thread(database: Database) -> None:
    async with mail_desk(database, ScriptedModel(HELLO)) as desk:
        attachment = Attachment(
            name="plan.pdf",
            declared_type="application/pdf",
            sniffed_type="application/pdf",
            size=7,
            sha256="0" * 64,
            state="recorded",
        )
        quotes = (Quote(text="please ship v1", author="Dave"),)
        await desk.receive(desk.mail("see below", quotes=quotes, attachments=(attachment,)))
        message = await _first_message(desk)
        assert "plan.pdf" in message.text
        events = await desk.bot.events(desk.last_thread_id())
        assert any("please ship v1" in event.text for event in events if hasattr(event, "text"))


@pytest.mark.parametrize("link", ["token", "own message id", "references", "known message id"])
async def test_reply_reaches_its_thread(database: Database, link: str) -> None:
    async with mail_desk(database, ScriptedModel(HELLO, HELLO)) as desk:
        thread_id = await _open_thread(desk)
        own_id = TOKENS.message_id(f"{thread_id}:key")
        fields = {
            "token": {},
            "own message id": {"in_reply_to": (own_id,)},
            "references": {"references": ("<unknown@mail.test>", own_id, "<other@mail.test>")},
            "known message id": {"in_reply_to": ("<first@mail.test>",)},
        }[link]
        to = TOKENS.thread_address(thread_id) if link == "token" else BOT
        await desk.receive(desk.mail("and now?", subject="anything else", **fields), to)
        assert desk.thread_ids() == [thread_id]
        await desk.bot.wait_until_done(thread_id)


async def test_second_mail_of_a_thread_is_linked_to_it_too(database: Database) -> None:
    async with mail_desk(database, ScriptedModel(HELLO, HELLO, HELLO)) as desk:
        thread_id = await _open_thread(desk)
        second = desk.mail("and now?", message_id="<second@mail.test>", in_reply_to=("<first@mail.test>",))
        await desk.receive(second)
        await desk.bot.wait_until_done(thread_id)
        await desk.receive(desk.mail("and then?", in_reply_to=("<second@mail.test>",)))
        assert desk.thread_ids() == [thread_id]
        await desk.bot.wait_until_done(thread_id)


async def test_same_subject_is_another_thread(database: Database) -> None:
    async with mail_desk(database, ScriptedModel(HELLO, HELLO)) as desk:
        thread_id = await _open_thread(desk)
        await desk.receive(desk.mail("hello again", subject="Re: Release"))
        assert desk.last_thread_id() != thread_id
        await desk.bot.wait_until_done(desk.last_thread_id())


async def test_mail_processed_twice_is_one_message(database: Database) -> None:
    async with mail_desk(database, ScriptedModel(HELLO)) as desk:
        mail = desk.mail("hello")
        await desk.receive(mail)
        await desk.bot.wait_until_done(desk.last_thread_id())
        await desk.receive(mail, attempt=2)
        assert len(desk.thread_ids()) == 1
        types = await desk.bot.event_types(desk.last_thread_id())
        assert types.count("MessageReceived") == 1


async def test_forged_copy_that_comes_first_does_not_hide_the_genuine_mail(database: Database) -> None:
    async with mail_desk(database, ScriptedModel(HELLO, HELLO)) as desk:
        genuine = desk.mail("hello")
        forged = genuine.model_copy(update={"sender": genuine.sender.model_copy(update={"is_authenticated": False})})
        await desk.receive(forged)
        await desk.bot.wait_until_done(desk.last_thread_id())
        await desk.receive(genuine)
        assert len(desk.thread_ids()) == 2
        await desk.bot.wait_until_done(desk.last_thread_id())


@pytest.mark.parametrize("is_authenticated", [False, True])
async def test_stranger_with_a_leaked_token_opens_an_untrusted_thread(
    database: Database, is_authenticated: bool
) -> None:
    async with mail_desk(database, ScriptedModel(SHIP, HELLO)) as desk:
        request = await desk.open_request()
        for to in (card_address(request, "bob"), TOKENS.thread_address(request.thread_id)):
            stranger = desk.mail("ship v9", sender="eve@evil.test", is_authenticated=is_authenticated)
            await desk.receive(stranger, to, recent_count=1)
            break
        assert desk.last_thread_id() != request.thread_id
        message = await _first_message(desk)
        assert message.provenance is Provenance.UNVERIFIED
        await desk.bot.wait_until_done(desk.last_thread_id())
        assert "ship v9" not in str(await desk.bot.events(request.thread_id))


async def test_sender_that_is_not_authenticated_belongs_to_no_person(database: Database) -> None:
    async with mail_desk(database, ScriptedModel(HELLO)) as desk:
        await desk.receive(desk.mail("hello", is_authenticated=False))
        message = await _first_message(desk)
        assert (message.actor, message.provenance) == (
            Address("email:unverified/alice@corp.test"),
            Provenance.UNVERIFIED,
        )
        await desk.bot.wait_until_done(desk.last_thread_id())


@pytest.mark.parametrize(
    ("headers", "mail_from"),
    [
        ({"auto-submitted": ("auto-replied",)}, None),
        ({"precedence": ("bulk",)}, None),
        ({"list-id": ("<dev.corp.test>",)}, None),
        ({}, ""),
    ],
)
async def test_automatic_mail_starts_nothing_and_decides_nothing(
    database: Database, headers: dict[str, tuple[str, ...]], mail_from: str | None
) -> None:
    async with mail_desk(database, ScriptedModel(SHIP)) as desk:
        request = await desk.open_request()
        for text in ("hello", f"APPROVE {request.code}"):
            mail = desk.mail(text, sender="bob", headers=headers)
            result = await desk.receive(mail, card_address(request, "bob"), mail_from=mail_from)
            assert (result.state, result.reply) == ("ignored", None)
            assert result.reason
        assert await desk.current(request) == request
        assert desk.thread_ids() == [request.thread_id]


async def test_strangers_with_many_names_share_one_limit(database: Database) -> None:
    stored = (
        "INSERT INTO raw_input (id, channel, key, group_name, metadata, received_at, state, attempts, "
        "unfinished_attempts, reason, content) "
        "VALUES (:id, 'email', :id, :id, '{}', :at, 'processed', 1, 0, :reason, '')"
    )
    async with mail_desk(database, ScriptedModel(HELLO)) as desk:
        now = desk.bot.clock.now()

        def fill(connection: Connection) -> None:
            for number in range(MAX_UNVERIFIED_PER_HOUR):
                statement = text(stored).bindparams(bindparam("at", type_=UtcTime))
                connection.execute(statement, {"id": f"inp_{number}", "at": now, "reason": UNVERIFIED_REASON})

        await database.transaction(fill)
        result = await desk.receive(desk.mail("hello", sender="new@evil.test", is_authenticated=False))
        assert (result.state, desk.thread_ids()) == ("ignored", [])
        await desk.receive(desk.mail("hello"))
        await desk.bot.wait_until_done(desk.last_thread_id())


async def test_mail_storm_of_a_stranger_starts_nothing_more(database: Database) -> None:
    async with mail_desk(database, ScriptedModel()) as desk:
        mail = desk.mail("hello", sender="eve@evil.test")
        result = await desk.receive(mail, recent_count=1000)
        assert result.state == "ignored"
        assert desk.thread_ids() == []


async def test_mail_that_cannot_be_read_is_quarantined(database: Database) -> None:
    async with mail_desk(database, ScriptedModel()) as desk:
        desk.reader.planned_errors.append(MailRejected("too many parts"))
        result = await desk.receive(desk.mail("hello"))
        assert (result.state, result.reason, result.reply) == ("quarantined", "too many parts", None)


async def test_missing_dns_is_retried_and_then_counts_as_not_authenticated(database: Database) -> None:
    async with mail_desk(database, ScriptedModel(HELLO)) as desk:
        mail = desk.mail("hello")
        desk.reader.planned_errors.append(DnsUnavailable("no answer"))
        with pytest.raises(DnsUnavailable):
            await desk.receive(mail)
        desk.reader.planned_errors.append(DnsUnavailable("no answer"))
        stored_at = desk.bot.clock.now()
        desk.bot.clock.advance(hours=3)
        await desk.receive(mail, received_at=stored_at)
        assert (await _first_message(desk)).provenance is Provenance.UNVERIFIED
        await desk.bot.wait_until_done(desk.last_thread_id())


@pytest.mark.parametrize("days", [1, -8])
async def test_implausible_date_is_replaced_by_the_time_of_arrival(database: Database, days: int) -> None:
    async with mail_desk(database, ScriptedModel(HELLO)) as desk:
        now = desk.bot.clock.now()
        await desk.receive(desk.mail("hello", date=now + timedelta(days=days)))
        assert (await _first_message(desk)).at == now
        await desk.bot.wait_until_done(desk.last_thread_id())


async def test_message_to_a_cancelled_thread_is_refused_with_a_reply(database: Database) -> None:
    async with mail_desk(database, ScriptedModel(SHIP)) as desk:
        request = await desk.open_request()
        await desk.bot.bot.thread_control.apply("cancel", request.thread_id, Address("person:alice"), None)
        result = await desk.receive(desk.mail("go on"), TOKENS.thread_address(request.thread_id))
        assert result.reply is not None
        assert "is cancelled" in result.reply.text


async def _first_message(desk: MailDesk):
    events = await desk.bot.events(desk.last_thread_id())
    return next(event for event in events if event.type == "MessageReceived")
