"""Automatic mail starts nothing: replies of absent people, lists, bounces, the bot's own mail and mail storms."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.email.automatic_mail import HEADER_NAMES, classify, is_storm, may_reply
from channels.email.tokens import MailTokens
from channels.email.values import MailEnvelope, ParsedMail, SenderVerdict

TOKENS = MailTokens("bot@corp.test", b"k" * 32)


def mail(sender: str | None = "alice@corp.test", **changes: Any) -> ParsedMail:
    headers = {name: tuple(values) for name, values in changes.pop("headers", {}).items()}
    verdict = SenderVerdict(address=sender, is_authenticated=True, method="dkim", reason="")
    return ParsedMail(**{"body_sha256": "0" * 64, "headers": headers, "sender": verdict, **changes})


def reason(parsed: ParsedMail, mail_from: str = "alice@corp.test") -> str | None:
    envelope = MailEnvelope(mail_from=mail_from, recipients=("bot@corp.test",), peer="::1", helo="x", protocol="smtp")
    return classify(parsed, envelope, TOKENS)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"auto-submitted": ["no"]},
        {"auto-submitted": ["No (written by a person)"]},
        {"precedence": ["first-class"]},
        {"content-type": ["multipart/alternative; boundary=report"]},
        {"x-auto-response-suppress": ["All"]},
        {"x-loop": ["other@corp.test"]},
        {"x-autoreply": ["no"]},
    ],
)
def test_mail_of_a_person_is_not_automatic(headers: dict[str, list[str]]) -> None:
    assert reason(mail(headers=headers, subject="Re: Out of office tool", message_id="<1@corp.test>")) is None


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"auto-submitted": ["auto-replied"]}, "automatically submitted"),
        ({"auto-submitted": ["Auto-Generated; owner=x"]}, "automatically submitted"),
        ({"auto-submitted": ["no", "auto-notified"]}, "automatically submitted"),
        ({"auto-submitted": [""]}, "automatically submitted"),
        ({"precedence": ["Bulk"]}, "bulk precedence"),
        ({"precedence": ["list"]}, "bulk precedence"),
        ({"precedence": ["junk"]}, "bulk precedence"),
        ({"precedence": ["auto_reply"]}, "bulk precedence"),
        ({"x-autoreply": ["yes"]}, "automatic reply"),
        ({"x-autorespond": ["Re: Approval"]}, "automatic reply"),
        ({"x-auto-reply-from": ["alice@corp.test"]}, "automatic reply"),
        ({"list-id": ["<team.corp.test>"]}, "mailing list"),
        ({"list-unsubscribe": ["<mailto:x@corp.test>"]}, "mailing list"),
        ({"content-type": ['Multipart/Report; report-type="delivery-status"']}, "report"),
        ({"x-loop": [" Bot@Corp.test "]}, "own mail"),
    ],
)
def test_header_shows_automatic_mail(headers: dict[str, list[str]], expected: str) -> None:
    assert set(headers) <= HEADER_NAMES
    assert reason(mail(headers=headers)) == expected


@pytest.mark.parametrize(
    "subject",
    [
        "Automatic reply: Approval",
        "Out of Office: Approval",
        "Out of the office AutoReply: Approval",
        "AutoReply: x",
        "Abwesenheitsnotiz: Freigabe",
        "Automatische Antwort: x",
        "Réponse automatique : x",
        "Respuesta automática: x",
        "Risposta automatica: x",
        "Resposta automática: x",
        "Automatisch antwoord: x",
    ],
)
def test_subject_shows_the_reply_of_an_absent_person(subject: str) -> None:
    assert reason(mail(subject=subject)) == "subject of an automatic reply"
    assert reason(mail(subject=f"Re: {subject}")) is None


@pytest.mark.parametrize(
    ("sender", "mail_from", "expected"),
    [
        ("alice@corp.test", "", "null sender"),
        ("MAILER-DAEMON@corp.test", "x@corp.test", "mail system"),
        ("postmaster@corp.test", "x@corp.test", "mail system"),
        ("alice@corp.test", "mailer-daemon@corp.test", "mail system"),
        ("bot@corp.test", "x@corp.test", "own mail"),
        ("Bot+anything@corp.test", "x@corp.test", "own mail"),
        ("alice@corp.test", "bot@corp.test", "own mail"),
        ("alice@corp.test", TOKENS.return_path("thr_1:a"), "own mail"),
        (None, "bot@corp.test", "own mail"),
    ],
)
def test_sender_shows_automatic_mail(sender: str | None, mail_from: str, expected: str) -> None:
    assert reason(mail(sender), mail_from) == expected


def test_own_message_id_shows_own_mail_and_one_of_the_same_domain_does_not() -> None:
    assert reason(mail(message_id=TOKENS.message_id("thr_1:a"))) == "own mail"
    assert reason(mail(message_id="<m1@corp.test>")) is None


@pytest.mark.parametrize("value", ["All", "OOF, AutoReply", "autoreply", "DR;All"])
def test_sender_who_wants_no_automatic_reply_gets_none(value: str) -> None:
    assert not may_reply(mail(headers={"x-auto-response-suppress": [value]}))


@pytest.mark.parametrize(
    "sender",
    [
        "no-reply@x.test",
        "noreply@x.test",
        "do-not-reply@x.test",
        "donotreply@x.test",
        "noreply-team@x.test",
        "bounces+1=a@x.test",
        None,
    ],
)
def test_sender_who_reads_no_replies_gets_none(sender: str | None) -> None:
    assert not may_reply(mail(sender))


@pytest.mark.parametrize("sender", ["alice@corp.test", "norel@corp.test", "bouncer@corp.test", "nota@corp.test"])
def test_person_gets_a_reply(sender: str) -> None:
    assert may_reply(mail(sender))
    assert may_reply(mail(sender, headers={"x-auto-response-suppress": ["DR, OOF"]}))


def test_storm_begins_earlier_for_a_stranger_in_a_thread() -> None:
    assert [count for count in range(1, 40) if not is_storm(count, has_token=True, is_known=False)] == [1, 2, 3]
    for has_token, is_known in ((False, False), (True, True), (False, True)):
        accepted = [count for count in range(1, 40) if not is_storm(count, has_token=has_token, is_known=is_known)]
        assert accepted == list(range(1, 31))


def test_two_programs_exchange_three_mails_and_then_none() -> None:
    """The other program answers each mail and hides that it is one."""
    answers = 0
    for received in range(1, 100):
        if reason(mail("robot@other.test"), "robot@other.test") or is_storm(received, has_token=True, is_known=False):
            break
        answers += 1
    assert answers == 3


@given(
    st.dictionaries(st.sampled_from(sorted(HEADER_NAMES)), st.lists(st.text(max_size=20), min_size=1, max_size=2)),
    st.text(max_size=30),
)
def test_any_headers_are_classified_without_an_error(headers: dict[str, list[str]], text: str) -> None:
    parsed = mail(headers=headers, subject=text, message_id=text)
    if "list-id" in headers:
        assert reason(parsed, text) is not None
    assert isinstance(may_reply(parsed), bool)
