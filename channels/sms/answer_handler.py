"""Answers to requests in one short message: each becomes an answer with low assurance, and a report to its sender."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from agents.core.cards import allowed_choices
from agents.core.errors import AlreadySettled, InvalidAnswer, InvalidInput, StaleApproval
from agents.core.messages import Assurance
from agents.core.requests import PostedCard, Request
from agents.core.values import person_address
from channels.answer_words import match_choice, parse_assignments
from channels.base import Receiver
from channels.edited_arguments import merge_arguments
from channels.inbound import Arrival, InboundAnswer, Overview, Refusal
from channels.sms.answers import CodeAnswer
from channels.sms.replies import (
    ask_again,
    report_changed,
    report_incomplete,
    report_recorded,
    report_refused,
    report_settled,
    report_unknown,
    report_weak,
)
from channels.text import format_error

INCOMPLETE_DIGEST = ""
"""Digest in the receipt of a card that did not show its whole request, and so does not prove what was read."""


@dataclass(frozen=True)
class AnswerOutcome:
    """Reports to the sender about the answers of one message. `has_wrong_code`: one named no request of theirs."""

    reports: tuple[str, ...] = ()
    has_wrong_code: bool = False


@dataclass(frozen=True)
class AnswerHandler:
    """Records the answers of one message of a known person.

    `arrival` is that of the message. All methods raise Retryable. A message can be handled again: an answer that was
    recorded before is recognized by its dedup key.
    """

    receiver: Receiver
    arrival: Arrival
    overview: Overview

    async def answer(self, answers: Sequence[CodeAnswer]) -> AnswerOutcome | None:
        """Record all answers, in their order. None if the text is an ordinary message: no request has its codes."""
        requests = [await self.find_request(answer.code) for answer in answers]
        if not any(requests) and not any(answer.is_certain for answer in answers):
            return None
        reports = list[str]()
        for answer, request in zip(answers, requests, strict=True):
            reports.append(report_unknown(answer.code) if request is None else await self.answer_one(request, answer))
        return AnswerOutcome(tuple(dict.fromkeys(reports)), has_wrong_code=None in requests)

    async def find_request(self, reference: str) -> Request | None:
        """Return the request with this code if the sender may see it, or was sent it at this number."""
        found = await self.receiver.find_request(reference, self.arrival)
        if isinstance(found, Refusal):
            found = await self.receiver.find_request(reference, self.arrival, was_shown=True)
        if isinstance(found, Refusal):
            return None
        return found if self._was_sent(found) or found.id in {one.id for one in self.overview.requests} else None

    async def answer_one(self, request: Request, answer: CodeAnswer) -> str:
        """Record one answer and return the report about it."""
        try:
            inbound = self._to_answer(request, answer)
        except (InvalidAnswer, ValueError) as error:
            return ask_again(request, format_error(error))
        if request.status != "open" and not self._has_answered(request, inbound):
            return report_settled(request)
        if inbound.decision in ("approve", "edit") and self._is_incomplete(request):
            return report_incomplete(request)
        return await self._record(request, inbound)

    async def _record(self, request: Request, answer: InboundAnswer) -> str:
        result = await self.receiver.answer(answer)
        if result.refusal is not None:
            return await self._report_refusal(request, answer, result.refusal)
        current = result.request or request
        own = [one for one in current.answers if one.by == self._by and one.decision == answer.decision]
        if own and not own[-1].counted and own[-1].reason:
            return report_refused(current, own[-1].reason)
        return report_recorded(current, answer.decision, result.notice)

    async def _report_refusal(self, request: Request, answer: InboundAnswer, refusal: Refusal) -> str:
        match refusal.error:
            case AlreadySettled(details=Request() as current):
                return report_settled(current)
            case StaleApproval():
                return report_changed(request)
            case InvalidInput():
                return ask_again(request, refusal.text)
        stronger = replace(answer, assurance=Assurance.HIGH)
        if await self.receiver.check_answer(stronger) is None:
            return report_weak(request, refusal.text)
        return report_refused(request, refusal.text)

    def _to_answer(self, request: Request, answer: CodeAnswer) -> InboundAnswer:
        """Return the answer to record. Raises InvalidAnswer and ValueError with a text for the sender."""
        base = self._base_answer(request)
        if request.kind == "question":
            return replace(base, decision="answer", text=_parse_answer_text(request, answer))
        if answer.verb == "deny":  # possible without proof of what was shown
            return replace(base, comment=answer.rest or None, shown_digest=None)
        if answer.verb == "approve":
            return replace(base, decision="approve", comment=answer.rest or None)
        if "=" not in answer.rest:
            raise InvalidAnswer(f"{request.code} needs an answer." if not answer.rest else "That is no answer.")
        schema = self.receiver.argument_schema(request)
        return replace(
            base, decision="edit", arguments=merge_arguments(request, parse_assignments(answer.rest), schema)
        )

    def _base_answer(self, request: Request) -> InboundAnswer:
        [key] = self.arrival.dedup_keys
        cards = self._cards_here(request)
        return InboundAnswer(
            arrival=replace(self.arrival, dedup_keys=(f"{key}#{request.id}",)),
            request=request.id,
            decision="deny",
            assurance=Assurance.LOW,
            shown_digest=cards[-1].receipt.digest or None if cards else None,
            was_shown=self._was_sent(request),
        )

    def _cards_here(self, request: Request) -> list[PostedCard]:
        """Return the cards that were sent to this number, the newest last."""
        return [card for card in request.cards if card.address == self.arrival.source]

    def _was_sent(self, request: Request) -> bool:
        """Return whether the request was sent to this number, also if no receipt came: the message may have arrived."""
        undelivered = (card.address for card in request.undeliverable_cards)
        return bool(self._cards_here(request)) or self.arrival.source in undelivered

    def _is_incomplete(self, request: Request) -> bool:
        cards = self._cards_here(request)
        return bool(cards) and cards[-1].receipt.digest == INCOMPLETE_DIGEST

    def _has_answered(self, request: Request, answer: InboundAnswer) -> bool:
        """Return whether the sender gave this answer from here before, as when a message is handled again."""
        return any(
            one.by == self._by and one.channel == self.arrival.source and one.decision == answer.decision
            for one in request.answers
            if one.counted
        )

    @property
    def _by(self) -> str:
        person = self.overview.person
        return self.arrival.source if person is None else person_address(person.key)


def _parse_answer_text(request: Request, answer: CodeAnswer) -> str:
    """Return the text that answers a question, or the choice that it names. Raises InvalidAnswer."""
    choices = allowed_choices(request)
    if choices == ("yes", "no") and answer.verb is not None:
        return "yes" if answer.verb == "approve" else "no"
    if choices:
        if (choice := match_choice(answer.words, choices)) is None:
            raise InvalidAnswer("Your answer is none of the choices.")
        return choice
    if not answer.words:
        raise InvalidAnswer(f"{request.code} needs an answer.")
    return answer.words
