"""Answers by mail: who may decide, what the reply to the sender says, and what decides nothing."""

import pytest

from agents.core.errors import Unavailable
from agents.core.messages import Assurance
from agents.core.policy import ApprovalTerms, EscalationStep, Rule
from agents.core.state import ThreadState
from agents.core.steps import DoneForNow
from agents.core.values import Address, person_address
from channels.email.input_handler import MAX_RECORDING_TIME
from storage.database.database import Database
from tests.channels.email.mail_desk import BOT, SHIP, TOKENS, MailDesk, card_address, mail_desk
from tests.fakes.scripted_model import ScriptedModel
from tests.harness.people import EMAIL_ADDRESSES

RELEASE = ApprovalTerms(roles=("release",))
SHIPPED = DoneForNow(message="v1 is shipped.")


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


def _was_sent(state: ThreadState, person: str) -> bool:
    request, address = state.open_request, Address(f"email:{EMAIL_ADDRESSES[person]}")
    return request is not None and any(card.address == address for card in request.cards)


async def test_reply_to_a_card_decides_with_medium_assurance(database: Database) -> None:
    async with mail_desk(database, ScriptedModel(SHIP, SHIPPED)) as desk:
        request = await desk.open_request()
        mail = desk.mail(f"APPROVE {request.code}\nlooks good", sender="bob")
        result = await desk.receive(mail, card_address(request, "bob"))
        [answer] = (await desk.current(request)).answers
        assert (answer.by, answer.assurance, answer.comment) == (person_address("bob"), Assurance.MEDIUM, "looks good")
        assert result.reply is not None
        assert result.reply.text == f"Recorded for {request.code} (ship): approved by you."
        assert result.reply.to == Address("email:bob@corp.test")
        await desk.bot.wait_until_done(request.thread_id)
        assert [action for _, action in desk.bot.tool_call_recorder.runs] == ["ship v1"]


async def test_mail_handled_twice_is_one_answer_with_the_same_reply(database: Database) -> None:
    async with mail_desk(database, ScriptedModel(SHIP, SHIPPED)) as desk:
        request = await desk.open_request()
        mail = desk.mail(f"APPROVE {request.code}", sender="bob")
        first = await desk.receive(mail, card_address(request, "bob"))
        await desk.bot.wait_until_done(request.thread_id)
        second = await desk.receive(mail, card_address(request, "bob"), attempt=2)
        assert len((await desk.current(request)).answers) == 1
        assert first == second


@pytest.mark.parametrize("sender", ["bob@corp.test", "bob@c0rp.test", "bob@corp.test.evil.test"])
async def test_sender_that_is_not_authenticated_decides_nothing_silently(database: Database, sender: str) -> None:
    async with mail_desk(database, ScriptedModel(SHIP)) as desk:
        request = await desk.open_request()
        for verb in ("APPROVE", "DENY"):
            mail = desk.mail(f"{verb} {request.code}", sender=sender, is_authenticated=False)
            result = await desk.receive(mail, card_address(request, "bob"))
            assert (result.state, result.reply) == ("ignored", None)
        assert await desk.current(request) == request
        assert desk.thread_ids() == [request.thread_id]


@pytest.mark.parametrize("sender", ["bob@c0rp.test", "bob@corp.test.evil.test", "eve@corp.test"])
async def test_authenticated_stranger_decides_nothing_and_hears_nothing(database: Database, sender: str) -> None:
    async with mail_desk(database, ScriptedModel(SHIP)) as desk:
        request = await desk.open_request()
        for address in (BOT, card_address(request, "bob"), card_address(request, sender)):
            for verb in ("APPROVE", "DENY"):
                result = await desk.receive(desk.mail(f"{verb} {request.code}", sender=sender), address)
                assert result.reply is None
        current = await desk.current(request)
        assert (current.status, [answer for answer in current.answers if answer.counted]) == ("open", [])


async def test_approval_without_the_token_of_the_card_is_asked_back_once(database: Database) -> None:
    async with mail_desk(database, ScriptedModel(SHIP)) as desk:
        request = await desk.open_request()
        addresses = (BOT, TOKENS.thread_address(request.thread_id), card_address(request, "carol"))
        mails = [desk.mail(f"APPROVE {request.code}", sender="bob") for _ in addresses]
        results = [await desk.receive(mail, address) for mail, address in zip(mails, addresses, strict=True)]
        replies = [result.reply for result in results if result.reply is not None]
        assert len(replies) == len(addresses)
        assert {reply.limit_key for reply in replies} == {replies[0].limit_key}
        assert "is not a reply to the mail that asked you" in replies[0].text
        assert (await desk.current(request)).status == "open"


async def test_denial_needs_no_token(database: Database) -> None:
    async with mail_desk(database, ScriptedModel(SHIP, SHIPPED)) as desk:
        request = await desk.open_request()
        result = await desk.receive(desk.mail(f"DENY {request.code} wrong tag", sender="bob"))
        current = await desk.current(request)
        assert (current.status, current.answers[-1].comment) == ("denied", "wrong tag")
        assert result.reply is not None
        assert result.reply.text == f"Recorded for {request.code} (ship): denied by you."
        await desk.bot.wait_until_done(request.thread_id)


async def test_late_answer_is_reported_with_the_outcome_and_by_whom(database: Database) -> None:
    async with mail_desk(database, ScriptedModel(SHIP, SHIPPED)) as desk:
        request = await desk.open_request()
        await desk.receive(desk.mail(f"DENY {request.code}", sender="carol"))
        await desk.bot.wait_until_done(request.thread_id)
        results = [
            await desk.receive(desk.mail(f"APPROVE {request.code}", sender="bob"), card_address(request, "bob"))
            for _ in range(20)
        ]
        replies = [result.reply for result in results if result.reply is not None]
        assert {reply.text for reply in replies} == {
            f"{request.code} is settled: denied by Carol Diaz (email) at 09:00 UTC."
        }
        assert len({reply.limit_key for reply in replies}) <= 3
        assert (await desk.current(request)).status == "denied"


async def test_request_beyond_the_assurance_of_mail_names_the_link(database: Database) -> None:
    rule = Rule(name="release", tool="ship", ask=ApprovalTerms(roles=("release",), min_assurance=Assurance.HIGH))
    async with mail_desk(database, ScriptedModel(SHIP, SHIPPED), rules=(rule,)) as desk:
        request = await desk.open_request()
        approval = desk.mail(f"APPROVE {request.code}", sender="bob")
        result = await desk.receive(approval, card_address(request, "bob"))
        assert result.reply is not None
        assert "requires high" in result.reply.text
        assert "Approve it with a click in Slack" in result.reply.text
        assert (await desk.current(request)).status == "open"
        await desk.receive(desk.mail(f"DENY {request.code}", sender="bob"), card_address(request, "bob"))
        assert (await desk.current(request)).status == "denied"
        await desk.bot.wait_until_done(request.thread_id)


async def test_reply_to_a_digest_decides_the_named_lines_only(database: Database) -> None:
    step = EscalationStep(after=0, to=Address("email:bob@corp.test"))
    rule = Rule(name="release", tool="ship", ask=ApprovalTerms(roles=("release",), escalate=(step,)))
    async with mail_desk(database, ScriptedModel(SHIP, SHIP, SHIP, SHIPPED, SHIPPED), rules=(rule,)) as desk:
        requests = [await desk.open_request() for _ in range(3)]
        for request in requests:
            await desk.bot.wait_until(request.thread_id, lambda state: _was_sent(state, "bob"))
        text = f"APPROVE {requests[0].code}\nDENY {requests[2].code} not now"
        result = await desk.receive(desk.mail(text, sender="bob"), TOKENS.person_address("bob@corp.test"))
        statuses = [(await desk.current(request)).status for request in requests]
        assert statuses == ["approved", "open", "denied"]
        assert result.reply is not None
        assert result.reply.text.count("Recorded for") == 2
        for request in (requests[0], requests[2]):
            await desk.bot.wait_until_done(request.thread_id)


async def test_reply_to_a_digest_waits_until_its_delivery_is_recorded(database: Database) -> None:
    async with mail_desk(database, ScriptedModel(SHIP)) as desk:
        request, digest = await desk.open_request(), TOKENS.person_address("bob@corp.test")
        mail, received_at = desk.mail(f"APPROVE {request.code}", sender="bob"), desk.bot.clock.now()
        with pytest.raises(Unavailable):
            await desk.receive(mail, digest, received_at=received_at)
        desk.bot.clock.advance(seconds=MAX_RECORDING_TIME.total_seconds())
        result = await desk.receive(mail, digest, received_at=received_at, attempt=2)
        assert result.reply is not None
        assert "is not a reply to the mail that asked you" in result.reply.text
        assert (await desk.current(request)).status == "open"


async def test_request_edited_before_its_digest_is_approved_by_a_reply(database: Database) -> None:
    step = EscalationStep(after=60, to=Address("email:bob@corp.test"))
    rule = Rule(name="release", tool="ship", ask=ApprovalTerms(roles=("release",), quorum=2, escalate=(step,)))
    async with mail_desk(database, ScriptedModel(SHIP), rules=(rule,)) as desk:
        request = await desk.open_request()
        edit = desk.mail(f"EDIT {request.code} tag=v2", sender="carol")
        await desk.receive(edit, card_address(request, "carol"))
        desk.bot.clock.advance(seconds=61)
        await desk.bot.wait_until(request.thread_id, lambda state: _was_sent(state, "bob"))
        await desk.receive(desk.mail(f"APPROVE {request.code}", sender="bob"), TOKENS.person_address("bob@corp.test"))
        answers = (await desk.current(request)).answers
        assert [(one.by, one.decision, one.counted) for one in answers] == [
            (person_address("carol"), "edit", True),
            (person_address("bob"), "approve", True),
        ]


async def test_reply_to_a_mail_without_all_of_the_request_does_not_approve(database: Database) -> None:
    step = EscalationStep(after=0, to=Address("email:bob@corp.test"))
    rule = Rule(name="release", tool="ship", ask=ApprovalTerms(roles=("release",), escalate=(step,)))
    model = ScriptedModel({"intent": "ship", "tag": "v" * 500}, SHIPPED)
    async with mail_desk(database, model, rules=(rule,)) as desk:
        request = await desk.open_request()
        await desk.bot.wait_until(request.thread_id, lambda state: _was_sent(state, "bob"))
        to = TOKENS.person_address("bob@corp.test")
        result = await desk.receive(desk.mail(f"APPROVE {request.code}", sender="bob"), to)
        assert result.reply is not None
        assert "does not show all of it" in result.reply.text
        assert (await desk.current(request)).status == "open"
        await desk.receive(desk.mail(f"DENY {request.code}", sender="bob"), to)
        assert (await desk.current(request)).status == "denied"
        await desk.bot.wait_until_done(request.thread_id)


async def test_words_that_look_like_a_verdict_are_an_ordinary_message(database: Database) -> None:
    async with mail_desk(database, ScriptedModel(DoneForNow(message="Hello."))) as desk:
        result = await desk.receive(desk.mail("Reject these changes, please.", sender="alice"))
        assert (result.state, result.reply) == ("processed", None)
        await desk.bot.wait_until_done(desk.last_thread_id())


async def test_mail_to_a_thread_that_is_gone_opens_a_new_one(database: Database) -> None:
    async with mail_desk(database, ScriptedModel(DoneForNow(message="Hello."))) as desk:
        result = await desk.receive(desk.mail("hello", sender="alice"), TOKENS.thread_address("thr_gone"))
        assert result.state == "processed"
        await desk.bot.wait_until_done(desk.last_thread_id())


async def test_token_of_another_request_does_not_approve(database: Database) -> None:
    async with mail_desk(database, ScriptedModel(SHIP, SHIP)) as desk:
        shown, other = [await desk.open_request() for _ in range(2)]
        result = await desk.receive(desk.mail(f"APPROVE {other.code}", sender="bob"), card_address(shown, "bob"))
        assert result.reply is not None
        assert "is not a reply to the mail that asked you" in result.reply.text
        assert (await desk.current(other)).status == "open"


async def test_refused_approval_is_refused_again_if_its_mail_is_processed_twice(database: Database) -> None:
    async with mail_desk(database, ScriptedModel(SHIP)) as desk:
        request = await desk.open_request()
        mail = desk.mail(f"APPROVE {request.code}", sender="alice")
        replies = [(await desk.receive(mail, card_address(request, "alice"))).reply for _ in range(2)]
        assert [reply is not None and "Recorded" not in reply.text for reply in replies] == [True, True]
        assert (await desk.current(request)).status == "open"


async def test_contradicting_verdicts_decide_nothing_and_are_asked_back_once(database: Database) -> None:
    async with mail_desk(database, ScriptedModel(SHIP)) as desk:
        request = await desk.open_request()
        text = f"APPROVE {request.code}\nDENY {request.code}"
        results = [await desk.receive(desk.mail(text, sender="bob"), card_address(request, "bob")) for _ in range(2)]
        replies = [result.reply for result in results if result.reply is not None]
        assert "two different verdicts" in replies[0].text
        assert f"“APPROVE {request.code}”" in replies[0].text
        assert replies[0].limit_key == replies[1].limit_key
        assert await desk.current(request) == request


async def test_contradicting_verdicts_on_a_settled_request_get_its_outcome(database: Database) -> None:
    async with mail_desk(database, ScriptedModel(SHIP, SHIPPED)) as desk:
        request = await desk.open_request()
        await desk.receive(desk.mail(f"DENY {request.code}", sender="carol"), card_address(request, "carol"))
        text = f"APPROVE {request.code}\nDENY {request.code}"
        result = await desk.receive(desk.mail(text, sender="bob"), card_address(request, "bob"))
        assert result.reply is not None
        assert "denied by Carol" in result.reply.text
        await desk.bot.wait_until_done(request.thread_id)


async def test_verdict_without_code_is_asked_back_with_the_code(database: Database) -> None:
    async with mail_desk(database, ScriptedModel(SHIP)) as desk:
        request = await desk.open_request()
        for address in (card_address(request, "bob"), BOT):
            result = await desk.receive(desk.mail("Approve", sender="bob"), address)
            assert result.reply is not None
            assert f"“DENY {request.code}”" in result.reply.text
        assert await desk.current(request) == request
        assert desk.thread_ids() == [request.thread_id]


async def test_unknown_code_is_reported(database: Database) -> None:
    async with mail_desk(database, ScriptedModel()) as desk:
        result = await desk.receive(desk.mail("APPROVE ZZZZZ", sender="bob"))
        assert result.reply is not None
        assert result.reply.text == "There is no request ZZZZZ that you can decide."


async def test_edit_changes_the_named_arguments(database: Database) -> None:
    async with mail_desk(database, ScriptedModel(SHIP, SHIPPED)) as desk:
        request = await desk.open_request()
        wrong = await desk.receive(desk.mail(f"EDIT {request.code} tog=v2", sender="bob"), card_address(request, "bob"))
        assert wrong.reply is not None
        assert "There is no argument tog; there are: tag." in wrong.reply.text
        await desk.receive(desk.mail(f"EDIT {request.code} tag=v2", sender="bob"), card_address(request, "bob"))
        await desk.bot.wait_until_done(request.thread_id)
        assert [action for _, action in desk.bot.tool_call_recorder.runs] == ["ship v2"]


async def test_reply_to_a_card_from_before_an_edit_may_deny(database: Database) -> None:
    rules = (Rule(name="release", tool="ship", ask=ApprovalTerms(roles=("release",), quorum=2)),)
    async with mail_desk(database, ScriptedModel(SHIP, SHIPPED), rules=rules) as desk:
        request = await desk.open_request()
        await desk.receive(desk.mail(f"EDIT {request.code} tag=v2", sender="bob"), card_address(request, "bob"))
        await desk.receive(desk.mail(f"DENY {request.code} no", sender="carol"), card_address(request, "carol"))
        assert (await desk.current(request)).status == "denied"
        await desk.bot.wait_until_done(request.thread_id)


async def test_reply_to_a_card_from_before_an_edit_does_not_approve(database: Database) -> None:
    terms = ApprovalTerms(roles=("release",), quorum=2)
    async with mail_desk(database, ScriptedModel(SHIP), rules=(Rule(name="release", tool="ship", ask=terms),)) as desk:
        request = await desk.open_request()
        await desk.receive(desk.mail(f"EDIT {request.code} tag=v2", sender="bob"), card_address(request, "bob"))
        edited = await desk.current(request)
        assert edited.digest != request.digest
        mail = desk.mail(f"APPROVE {request.code}", sender="carol")
        result = await desk.receive(mail, card_address(request, "carol"))
        assert result.reply is not None
        assert "was changed after the mail that you answered" in result.reply.text
        assert (await desk.current(request)).status == "open"


ASK_DAY = {"intent": "request_human_input", "question": "Which day?"}
ASK_CHOICE = {
    "intent": "request_human_input",
    "question": "Which day?",
    "choices": ["Monday", "Tuesday"],
    "format": "multiple_choice",
}


@pytest.mark.parametrize(
    ("question", "text", "answer"),
    [
        (ASK_DAY, "Tuesday morning,\nif you can", "Tuesday morning,\nif you can"),
        (ASK_CHOICE, "2", "Tuesday"),
        (ASK_CHOICE, "tuesday\n\nRegards, Alice", "Tuesday"),
        (ASK_CHOICE, "ANSWER {code} 1", "Monday"),
    ],
)
async def test_reply_to_a_question_answers_it(
    database: Database, question: dict[str, object], text: str, answer: str
) -> None:
    async with mail_desk(database, ScriptedModel(question, DoneForNow(message="Noted."))) as desk:
        request = await desk.open_request("plan it")
        mail = desk.mail(text.format(code=request.code))
        await desk.receive(mail, card_address(request, "alice"))
        current = await desk.current(request)
        assert (current.status, current.answers[-1].text) == ("answered", answer)
        await desk.bot.wait_until_done(request.thread_id)


async def test_reply_that_is_none_of_the_choices_is_asked_back(database: Database) -> None:
    async with mail_desk(database, ScriptedModel(ASK_CHOICE)) as desk:
        request = await desk.open_request("plan it")
        result = await desk.receive(desk.mail("Wednesday"), card_address(request, "alice"))
        assert result.reply is not None
        assert "1 for Monday, 2 for Tuesday" in result.reply.text
        assert await desk.current(request) == request


async def test_comment_on_a_card_without_a_verdict_decides_nothing(database: Database) -> None:
    async with mail_desk(database, ScriptedModel(SHIP)) as desk:
        request = await desk.open_request()
        await desk.receive(desk.mail("ok", sender="bob"), card_address(request, "bob"))
        assert (await desk.current(request)).status == "open"
        await desk.bot.wait_until(request.thread_id, lambda _: _has_notice(desk))
        assert desk.thread_ids() == [request.thread_id]


def _has_notice(desk: MailDesk) -> bool:
    return any("A message never approves." in text for text in desk.sent_texts(EMAIL_ADDRESSES["bob"]))
