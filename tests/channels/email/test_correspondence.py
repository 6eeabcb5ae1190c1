"""Any mail refers to at most one thread, which its tokens and Message-IDs decide and its subject does not."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from channels.email.automatic_replies import describe_grammar
from channels.email.correspondence import ReceivedMail, find_thread_reference
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


@given(st.lists(RECIPIENTS), st.booleans(), st.sampled_from(["alice@corp.test", "bob@corp.test"]))
def test_only_an_authenticated_reply_to_an_own_mail_has_medium_assurance(
    recipients: list[str], is_authenticated: bool, sender: str
) -> None:
    parsed = parse_mail("", [], [], is_authenticated=is_authenticated)
    mail = parsed.model_copy(update={"sender": parsed.sender.model_copy(update={"address": sender})})
    envelope = MailEnvelope(
        mail_from=sender, recipients=tuple(recipients), peer="192.0.2.1", helo="mail.test", protocol="smtp"
    )
    stored = StoredInput("in_1", RawInput("email", "key", "group", NOW, {}, b""), 1, 1)
    received = ReceivedMail.identify(mail, envelope, stored, TOKENS)
    is_own = any(
        isinstance(token, RequestToken) or address == TOKENS.person_address("alice@corp.test")
        for address in recipients
        if (token := TOKENS.parse_recipient(address)) is not None
    )
    expected = "medium" if is_authenticated and sender == "alice@corp.test" and is_own else "none"
    assert received.assurance == expected


def test_quoted_grammar_is_no_verdict() -> None:
    text = describe_grammar(get_open_request(thread_waiting_for_approval()))
    for width in range(1, len(text)):
        lines = [text[start : start + width].strip() for start in range(0, len(text), width)]
        assert parse_verdicts(lines).verdicts == ()
