"""The main scenario by mail with real server processes, and kill -9 after any of its stages."""

from collections.abc import AsyncIterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import pytest

from tests.crashes.checker import find_violations
from tests.fakes.email.composers import Original, outlook_desktop
from tests.fakes.email.mail_person import InboxMail, MailPerson, set_thread_headers
from tests.fakes.email.postfix import why_unavailable
from tests.harness.email_server import Deployment, EmailServerHarness, running_email_server
from tests.slow_cases import slow, slow_unless

SQLITE, POSTGRESQL = Deployment("sqlite"), Deployment("postgresql")
SEPARATE_PROCESSES = Deployment("postgresql", ("web", "worker", "clock", "smtp"))
BEHIND_POSTFIX = [] if why_unavailable() else [Deployment("sqlite", has_postfix=True)]
"""Deployment behind a real Postfix over LMTP; the header of a test run says why there is none."""
STAGES = ("requested", "shown", "forged", "approved", "confirmed", "done", "reported")
TOOL, REQUEST_TEXT, SUBJECT = "push_release_tag", "deploy v1.4.0 to production", "Release of today"


async def run_scenario(harness: EmailServerHarness) -> AsyncIterator[str]:
    """Run the scenario, and yield the name of each stage after the stage is done."""
    alice, bob = harness.world.alice, harness.world.bob
    request = await alice.write(REQUEST_TEXT, subject=SUBJECT)
    yield "requested"
    card = await bob.wait_for_mail(TOOL)
    await alice.wait_for_mail(TOOL)
    await alice.wait_for_mail("I asked Bob Ito by email")
    yield "shown"
    await forge_replies(harness, card)
    yield "forged"
    await bob.reply(card, f"APPROVE {card.code}\n\nGrüße, Bob", compose=compose_german_outlook_reply_with_banner)
    yield "approved"
    await bob.wait_for_mail(f"Recorded for {card.code}")
    yield "confirmed"
    await harness.wait_for_tag("production", "v1.4.0")
    yield "done"
    answer = await alice.wait_for_mail("production is now v1.4.0")
    check_is_in_thread(answer, request)
    yield "reported"


def compose_german_outlook_reply_with_banner(original: EmailMessage, text: str) -> EmailMessage:
    """Return the reply of Outlook on a desktop, whose organisation marks mails from outside."""
    body = original.get_body(("plain",))
    assert body is not None
    quoted = Original(text=str(body.get_content()), subject=str(original["Subject"]))
    banner = "VORSICHT: Diese E-Mail stammt von außerhalb der Organisation."
    raw = outlook_desktop(
        text, "de", banner=banner, original=quoted, sender=str(original["From"]), subject=f"AW: {quoted.subject}"
    )
    reply = message_from_bytes(raw, _class=EmailMessage, policy=SMTP)
    set_thread_headers(reply, original)
    return reply


async def forge_replies(harness: EmailServerHarness, card: InboxMail) -> None:
    """Let Eve answer the card as Bob: unsigned, and signed by her own domain. The request must stay open."""
    sent = message_ids(harness)
    for impostor in (
        harness.world.impostor_of(harness.world.bob),
        harness.world.impostor_of(harness.world.bob, harness.world.eve.sign),
    ):
        await impostor.reply(card, f"APPROVE {card.code}")
    await harness.world.eve.reply(card, f"APPROVE {card.code}")
    await harness.wait_until_processed(count=4)  # with the request of Alice
    [row] = harness.take_snapshot().requests.values()
    assert row.status == "open"
    assert message_ids(harness) == sent


def message_ids(harness: EmailServerHarness) -> set[str]:
    """Return the Message-IDs of all mails; a process that was killed may have sent one of them twice."""
    return {mail.message_id for person in harness.world.people for mail in person.inbox()}


def check_is_in_thread(answer: InboxMail, request: EmailMessage) -> None:
    """Check the headers by which mail programs show the answer in the thread of the request."""
    assert answer.subject == f"Re: {SUBJECT}"
    assert str(request["Message-ID"]) in str(answer.message["References"]).split()
    assert answer.message["In-Reply-To"] in str(answer.message["References"]).split()
    assert answer.message["Auto-Submitted"] is not None


async def check_done_once(harness: EmailServerHarness) -> str:
    """Wait until the server is idle, check that each effect happened once, and return the id of the thread."""
    await harness.wait_until_idle()
    snapshot = harness.take_snapshot()
    assert find_violations(snapshot, is_work_finished=True) == []
    assert {row.status for row in snapshot.threads.values()} == {"done"}
    [thread], [request] = snapshot.threads, snapshot.requests.values()
    assert [e.data["text"] for e in snapshot.events_of_type("MessageReceived")] == [REQUEST_TEXT]
    assert request.status == "approved"
    assert sum(event.data["answer"]["counted"] for event in snapshot.events_of_type("RequestAnswered")) == 1
    check_mails_sent_once(harness)
    target = harness.repository.tag_commit("v1.4.0")
    assert harness.repository.tag_history("production") == [target]
    assert len(harness.repository.release_records(target)) == 1
    return thread


def check_mails_sent_once(harness: EmailServerHarness) -> None:
    """Check the number of mails to each person. A mail that was sent again has the same Message-ID and text."""
    mails = [mail for person in harness.world.people for mail in person.inbox()]
    assert len({(mail.message_id, mail.text) for mail in mails}) == len(message_ids(harness))
    assert {person.name: count_mails(person) for person in harness.world.people} == {
        "Alice": 3,  # the card, because she asked by mail, the notice that Bob is asked, and the answer
        "Bob": 2,  # the card and the confirmation
        "Carol": 0,
        "Eve": 0,
    }


def count_mails(person: MailPerson) -> int:
    return len({mail.message_id for mail in person.inbox()})


@pytest.mark.parametrize(
    "deployment",
    [SQLITE, SEPARATE_PROCESSES, *(pytest.param(one, marks=slow) for one in (POSTGRESQL, *BEHIND_POSTFIX))],
    ids=str,
)
async def test_forged_reply_is_ignored_and_genuine_reply_is_done(tmp_path: Path, deployment: Deployment) -> None:
    async with running_email_server(tmp_path, deployment) as harness:
        async for _ in run_scenario(harness):
            pass
        thread = await check_done_once(harness)
        assert harness.replay(thread)["matches"] is True


@pytest.mark.parametrize("kill_stage", slow_unless(lambda stage: stage == "approved", STAGES))
async def test_each_effect_happens_once_after_a_kill_at_this_stage(tmp_path: Path, kill_stage: str) -> None:
    async with running_email_server(tmp_path, SQLITE) as harness:
        async for stage in run_scenario(harness):
            if stage == kill_stage:
                await harness.kill()
                await harness.start()
        await check_done_once(harness)


@slow
@pytest.mark.parametrize("deployment", [SQLITE, POSTGRESQL, SEPARATE_PROCESSES], ids=str)
async def test_each_effect_happens_once_after_a_kill_at_every_stage(tmp_path: Path, deployment: Deployment) -> None:
    async with running_email_server(tmp_path, deployment) as harness:
        async for _ in run_scenario(harness):
            await harness.kill()
            await harness.start()
        await check_done_once(harness)
