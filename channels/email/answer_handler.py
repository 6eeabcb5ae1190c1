"""Answers to requests in one mail: each verdict becomes an answer, and each answer a report to its sender."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from agents.core.cards import allowed_choices, render_card
from agents.core.errors import AlreadySettled, InvalidAnswer, InvalidInput, StaleApproval, Unavailable
from agents.core.messages import Assurance
from agents.core.people import Person
from agents.core.requests import Request
from agents.core.values import Address, person_address
from channels.answer_words import match_choice, parse_assignments
from channels.base import Receiver
from channels.edited_arguments import merge_arguments
from channels.email.automatic_replies import (
    AnswerReport,
    ask_again,
    ask_for_code,
    ask_for_token,
    report_changed,
    report_incomplete,
    report_recorded,
    report_refused,
    report_settled,
    report_unknown,
    report_weak,
)
from channels.email.correspondence import ReceivedMail
from channels.email.digest import shows_all_arguments
from channels.email.rendering import limit_values
from channels.email.tokens import RequestToken
from channels.email.verdicts import ParsedReply, Verdict
from channels.inbound import InboundAnswer, Overview, Refusal
from channels.text import format_error

_PROBLEM_TEXTS = {
    "conflict": "Your mail has two different verdicts on {code}, so neither counts.",
    "repeated_other": "Your mail has two different verdicts on {code}, so neither counts.",
    "two_on_a_line": "Your mail has two verdicts on one line, so neither counts.",
}


@dataclass(frozen=True)
class AnswerHandler:
    """Records the answers of one mail, whose sender is authenticated.

    `overview` has the sender's person and the open requests that they may decide. All methods raise Retryable. A mail
    can be handled again: an answer that was recorded before is recognized by its dedup key. A reply to a digest can
    come before the delivery of the digest is recorded; it is handled again then as long as it `may_wait`.
    """

    receiver: Receiver
    received: ReceivedMail
    overview: Overview
    may_wait: bool = False

    async def answer(self, reply: ParsedReply) -> list[AnswerReport] | None:
        """Record all verdicts, in their order, and return the reports. None if the mail is an ordinary message."""
        if not reply.verdicts and (question := await self._find_question()) is not None:
            return [await self._answer_question(question)]
        if not reply.verdicts and not reply.problems:
            return None
        if not reply.problems and not await self._has_any_code(reply):
            return None
        reports = [report async for report in self._record_all(reply)]
        return reports if self.overview.person is not None else [one for one in reports if one.kind == "recorded"]

    async def _has_any_code(self, reply: ParsedReply) -> bool:
        """Return whether a verdict has a code that was written as one, or that a request has.

        `Reject these changes` looks like a verdict on the request THESE.
        """
        for verdict in reply.verdicts:
            if verdict.is_typed_as_code or await self._find_request(verdict.code) is not None:
                return True
        return False

    async def _record_all(self, reply: ParsedReply) -> AsyncIterator[AnswerReport]:
        for verdict in reply.verdicts:
            yield await self._answer_verdict(verdict)
        for problem in reply.problems:
            if (report := await self._ask_about(problem.kind, problem.code)) is not None:
                yield report

    async def _answer_verdict(self, verdict: Verdict) -> AnswerReport:
        request = await self._find_request(verdict.code)
        if request is None:
            return report_unknown(verdict.code)
        if request.status != "open" and not self._has_answered(request, verdict):
            return report_settled(request)
        if request.status == "open" and self.may_wait and self.received.may_be_unrecorded(request):
            raise Unavailable("the mail to which this one replies is not recorded yet")
        try:
            answer = self._to_answer(request, verdict)
        except (InvalidAnswer, ValueError) as error:
            return ask_again(request, format_error(error))
        if answer.decision in ("approve", "edit") and not self._is_shown_whole(request):
            return report_incomplete(request)
        return await self._record(request, answer)

    def _is_shown_whole(self, request: Request) -> bool:
        """Return whether the mail to which this one replies shows the whole request, if it is one that shows it."""
        card = render_card(request).card
        if card is None or not self.received.is_reply_to_mail_with(request):
            return True
        if self.received.request_token(request.id) is None and not shows_all_arguments(card):
            return False
        return not limit_values(card).is_truncated

    async def _answer_question(self, question: Request) -> AnswerReport:
        """Answer the question of the card with the text of the mail, or with the one choice that it names."""
        text: str | None = self.received.parsed.new_text.strip()
        if choices := allowed_choices(question):
            matches = {match_choice(line, choices) for line in (text or "", *self.received.parsed.decision_lines)}
            matches.discard(None)
            text = matches.pop() if len(matches) == 1 else None
        if not text:
            return ask_again(question, "Your mail does not answer the question.")
        return await self._record(question, replace(self._base_answer(question), decision="answer", text=text))

    async def _record(self, request: Request, answer: InboundAnswer) -> AnswerReport:
        result = await self.receiver.answer(answer)
        if result.refusal is not None:
            return await self._report_refusal(request, answer, result.refusal)
        current = result.request or request
        if (reason := self._refusal_before(current, answer)) is not None:
            return report_refused(current, reason)
        return report_recorded(current, answer.decision, result.notice)

    def _refusal_before(self, request: Request, answer: InboundAnswer) -> str | None:
        """Return why this answer did not count when the mail was handled before, None if it counted or is new."""
        own = [one for one in request.answers if one.by == self._by and one.decision == answer.decision]
        return own[-1].reason if own and not own[-1].counted else None

    async def _report_refusal(self, request: Request, answer: InboundAnswer, refusal: Refusal) -> AnswerReport:
        match refusal.error:
            case AlreadySettled(details=Request() as current):
                return report_settled(current)
            case StaleApproval(details=current):
                return report_changed(current if isinstance(current, Request) else request)
            case InvalidInput():
                return ask_again(request, refusal.text)
        stronger = replace(answer, assurance=Assurance.HIGH)
        if answer.assurance is not Assurance.HIGH and await self.receiver.check_answer(stronger) is None:
            if answer.assurance is Assurance.NONE and request.terms.min_assurance is not Assurance.HIGH:
                return ask_for_token(request)
            return report_weak(request, refusal.text)
        return report_refused(request, refusal.text)

    async def _ask_about(self, kind: str, code: str) -> AnswerReport | None:
        """Return the question back about lines that are no verdict, None if nothing waits for the sender."""
        if kind != "no_code":
            request = await self._find_request(code) if code else await self._find_shown_request()
            if request is None or request.status != "open":
                return None if request is None else report_settled(request)
            return ask_again(request, _PROBLEM_TEXTS[kind].format(code=request.code))
        shown = await self._find_shown_request()
        requests = self.overview.requests if shown is None or shown.status != "open" else (shown,)
        return ask_for_code(requests) if requests else None

    async def _find_question(self) -> Request | None:
        """Return the open question to whose card the mail replies."""
        request = await self._find_shown_request()
        return request if request is not None and request.kind == "question" and request.status == "open" else None

    async def _find_shown_request(self) -> Request | None:
        """Return the request to whose card the mail replies."""
        token = next((token for token in self.received.own_tokens if isinstance(token, RequestToken)), None)
        return None if token is None else await self._find_request(token.request_id)

    async def _find_request(self, reference: str) -> Request | None:
        """Return the request with this id or code if the sender may see it, or was sent the card replied to."""
        arrival, shown = self.received.arrival(), await self._find_by_token(reference)
        if shown is not None:
            return shown
        found = await self.receiver.find_request(reference, arrival)
        return None if isinstance(found, Refusal) else found

    async def _find_by_token(self, reference: str) -> Request | None:
        for token in self.received.own_tokens:
            if isinstance(token, RequestToken):
                found = await self.receiver.find_request(token.request_id, self.received.arrival(), was_shown=True)
                if isinstance(found, Request) and reference.upper() in (found.id.upper(), found.code.upper()):
                    return found
        return None

    def _has_answered(self, request: Request, verdict: Verdict) -> bool:
        """Return whether the sender gave this answer by mail before, as when a mail is handled again after a crash."""
        return any(
            answer.by == self._by and answer.channel == self.received.address and answer.decision == verdict.verb
            for answer in request.answers
            if answer.counted
        )

    @property
    def _by(self) -> Address:
        """Return the address of the sender in the log."""
        person = self.overview.person
        return person_address(person.key) if isinstance(person, Person) else self.received.address

    def _to_answer(self, request: Request, verdict: Verdict) -> InboundAnswer:
        """Return the answer for a verdict. Raises InvalidAnswer and ValueError with a text for the sender."""
        answer, rest = replace(self._base_answer(request), decision=verdict.verb), verdict.rest.strip()
        match verdict.verb:
            case "edit":
                schema = self.receiver.argument_schema(request)
                return replace(answer, arguments=merge_arguments(request, parse_assignments(rest), schema))
            case "answer":
                return replace(answer, text=_parse_answer_text(request, rest))
            case "deny":  # possible without proof of what was shown
                return replace(answer, comment=rest or None, shown_digest=None)
            case _:
                return replace(answer, comment=rest or None)

    def _base_answer(self, request: Request) -> InboundAnswer:
        """Return an answer with the proof of what the sender saw: the digest in the token of the card.

        A digest mail has no such token, so the digest of the card that was sent last to the sender counts.
        """
        token = self.received.request_token(request.id)
        digest8 = self.received.shown_digest_in_digest(request) if token is None else token.digest8
        shown_digest = request.digest if digest8 and request.digest.startswith(digest8) else digest8
        return InboundAnswer(
            arrival=self.received.arrival(f"#{request.id}{'' if token is None else ':with token'}"),
            request=request.id,
            decision="deny",
            assurance=self.received.assurance_for(request),
            shown_digest=shown_digest,
            was_shown=token is not None,
        )


def _parse_answer_text(request: Request, text: str) -> str:
    choices: Sequence[str] = allowed_choices(request)
    if not choices:
        return text
    if (choice := match_choice(text, choices)) is None:
        raise InvalidAnswer("Your answer is none of the choices.")
    return choice
