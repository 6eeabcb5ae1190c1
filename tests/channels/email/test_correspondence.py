"""Any mail refers to at most one thread, which its tokens and Message-IDs decide and its subject does not."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from agents.core.messages import Receipt
from agents.core.requests import PostedCard, Request
from agents.core.values import Address
from channels.email.automatic_replies import describe_grammar
from channels.email.correspondence import MAX_MAIL_AGE, ReceivedMail, find_thread_reference
from channels.email.tokens import RequestToken, ThreadToken
from channels.email.values import MailEnvelope, ParsedMail, SenderVerdict
from channels.email.verdicts import parse_verdicts
from channels.stored_input import RawInput, StoredInput
from tests.agents.factories import get_open_request, thread_waiting_for_approval
from tests.channels.email.mail_desk import BOT, TOKENS

NOW = datetime(2026, 1, 2, 9, 0, tzinfo=UTC)
MESSAGE_IDS = st.sampled_from(
    ["<a@mail.test>", "<b@mail.test>", TOKENS.message_id("thr_1:key"), TOKENS.message_id("input:1"), "nonsense"]
)
RECIPIENTS = st.sampled_from(
    [
        BOT,
        TOKENS.thread_address("thr_2"),
        TOKENS.request_address("req_3", "0" * 64, "alice@corp.test"),
        TOKENS.person_address("alice@corp.test"),
        TOKENS.return_path("thr_4:key"),
        "bot+nonsense@handrail.test",
    ]
)


def parse_mail(subject: str, in_reply_to: list[str], references: list[str], *, is_authenticated: bool) -> ParsedMail:
    sender = SenderVerdict(
        address="alice@corp.test", is_authenticated=is_authenticated, method="none", reason="as the test says"
    )
    return ParsedMail(
        message_id="<new@mail.test>",
        body_sha256="0" * 64,
        subject=subject,
        in_reply_to=tuple(in_reply_to),
        references=tuple(references),
        sender=sender,
    )


@given(st.text(max_size=30), st.lists(MESSAGE_IDS, max_size=3), st.lists(MESSAGE_IDS, max_size=5), st.lists(RECIPIENTS))
def test_subject_never_decides_and_tokens_come_first(
    subject: str, in_reply_to: list[str], references: list[str], recipients: list[str]
) -> None:
    tokens = tuple(token for one in recipients if (token := TOKENS.parse_recipient(one)) is not None)
    mail = parse_mail(subject, in_reply_to, references, is_authenticated=True)
    found = find_thread_reference(mail, tokens, TOKENS)
    assert found == find_thread_reference(mail.model_copy(update={"subject": "Re: thr_1"}), tokens, TOKENS)
    first = next((token for token in tokens if isinstance(token, RequestToken | ThreadToken)), None)
    expected_thread = "thr_1" if TOKENS.message_id("thr_1:key") in (*in_reply_to, *references) else None
    match first:
        case RequestToken():
            assert (found.request_id, found.thread_id) == (first.request_id, None)
        case ThreadToken():
            assert (found.request_id, found.thread_id) == (None, first.thread_id)
        case None:
            assert (found.request_id, found.thread_id) == (None, expected_thread)
    assert set(found.conversation_keys) == {*in_reply_to, *references}


def receive(mail: ParsedMail, sender: str, recipients: list[str]) -> ReceivedMail:
    mail = mail.model_copy(update={"sender": mail.sender.model_copy(update={"address": sender})})
    envelope = MailEnvelope(
        mail_from=sender, recipients=tuple(recipients), peer="192.0.2.1", helo="mail.test", protocol="smtp"
    )
    stored = StoredInput("in_1", RawInput("email", "key", "group", NOW, {}, b""), 1, 1)
    return ReceivedMail.identify(mail, envelope, stored, TOKENS)


def request_with_card(request_id: str, address: str | None) -> Request:
    """Return an open request whose card was sent to this address, or nowhere."""
    receipt = Receipt(ref="<sent@handrail.test>", digest="0" * 64)
    cards = [] if address is None else [PostedCard(address=Address(address), state="open", receipt=receipt)]
    request = get_open_request(thread_waiting_for_approval())
    return request.model_copy(update={"id": request_id, "cards": tuple(cards)})


@given(
    recipients=st.lists(RECIPIENTS),
    is_authenticated=st.booleans(),
    sender=st.sampled_from(["alice@corp.test", "bob@corp.test"]),
    request_id=st.sampled_from(["req_3", "req_5"]),
    shown_at=st.sampled_from([None, "email:alice@corp.test", "email:bob@corp.test"]),
)
def test_only_a_reply_to_a_mail_that_showed_the_request_is_medium(
    recipients: list[str], is_authenticated: bool, sender: str, request_id: str, shown_at: str | None
) -> None:
    received = receive(parse_mail("", [], [], is_authenticated=is_authenticated), sender, recipients)
    is_reply_to_card = request_id == "req_3" and any(
        isinstance(TOKENS.parse_recipient(recipient), RequestToken) for recipient in recipients
    )
    is_reply_to_digest = TOKENS.person_address("alice@corp.test") in recipients and shown_at == f"email:{sender}"
    is_own = is_authenticated and sender == "alice@corp.test"
    expected = "medium" if is_own and (is_reply_to_card or is_reply_to_digest) else "none"
    assert received.assurance_for(request_with_card(request_id, shown_at)) == expected


@given(st.timedeltas(min_value=timedelta(days=-30), max_value=timedelta(days=30)))
def test_mail_older_than_a_week_is_not_authenticated(age: timedelta) -> None:
    mail = parse_mail("", [], [], is_authenticated=True).model_copy(update={"date": NOW - age})
    received = receive(mail, "alice@corp.test", [BOT])
    assert received.is_authenticated == (age <= MAX_MAIL_AGE)
    assert received.arrival().at == NOW


@given(st.sampled_from(["<1@mail.test>", None]), st.none() | st.just(NOW))
def test_copy_by_another_client_is_the_same_mail(message_id: str | None, date: datetime | None) -> None:
    parsed = parse_mail("Release", [], [], is_authenticated=True)
    mail = parsed.model_copy(update={"message_id": message_id, "date": date})
    envelope = MailEnvelope(
        mail_from="alice@corp.test", recipients=(BOT,), peer="192.0.2.1", helo="mail.test", protocol="smtp"
    )
    inputs = [StoredInput(key, RawInput("email", key, "group", NOW, {}, b""), 1, 1) for key in ("first", "second")]
    keys = {ReceivedMail.identify(mail, envelope, stored, TOKENS).key for stored in inputs}
    assert len(keys) == 1


def test_quoted_grammar_is_no_verdict() -> None:
    text = describe_grammar(get_open_request(thread_waiting_for_approval()))
    for width in range(1, len(text)):
        lines = [text[start : start + width].strip() for start in range(0, len(text), width)]
        assert parse_verdicts(lines).verdicts == ()
