"""Receiver: the one implementation of the port on which all channels report what comes in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agents.core.errors import Permanent
from agents.core.requests import Answer, Request
from agents.core.rights import may_view, request_not_found, to_viewer
from agents.core.values import Address
from agents.llm.offline.model import help_text
from bot.services.approvals import ApprovalService, describe_recorded_answer
from bot.services.contacts import ContactService
from bot.services.delivery_confirmations import DeliveryConfirmations
from bot.services.engine import CommitResult, ExtraWrites, ResponseRenderer
from bot.services.inputs import InputService
from bot.services.message_receiver import MessageReceiver, claim_of, to_refusal
from bot.services.request_query import OverviewQuery
from bot.services.roster import resolve_sender
from channels.inbound import AnswerResult, Arrival, HelpTexts, InboundAnswer, Overview, Refusal, Sender
from channels.stored_input import DeliveryConfirmation, DeliveryFailure, OptOut, RawInput, SentMessage
from storage.inbox import IdempotencyClaim


@dataclass(frozen=True)
class ThreadReceiver(MessageReceiver):
    """The receiver of all inputs: messages and commands, answers to requests, and questions about them."""

    approvals: ApprovalService
    overviews: OverviewQuery
    inputs: InputService
    deliveries: DeliveryConfirmations
    contacts: ContactService

    async def answer(self, answer: InboundAnswer) -> AnswerResult:
        """Record an answer to a request, once."""
        try:
            request = await self._find_visible_request(answer.request, answer.arrival, was_shown=answer.was_shown)
            commit = await self.record_answer(request, answer, claim=claim_of(answer.arrival))
        except Permanent as error:
            return AnswerResult(refusal=to_refusal(error))
        current = commit.requests.get(request.id) or commit.after.get_request(request.id) or request
        return AnswerResult(current, notice=describe_recorded_answer(commit, request.id))

    async def record_answer(
        self,
        request: Request,
        answer: InboundAnswer,
        *,
        claim: IdempotencyClaim | None,
        render_response: ResponseRenderer | None = None,
        extra_writes: ExtraWrites | None = None,
    ) -> CommitResult:
        """Record an answer; raise what ApprovalService raises, for callers that need its errors."""
        return await self.approvals.answer(
            request.id,
            self._to_answer(answer),
            shown_digest=answer.shown_digest,
            claim=claim,
            render_response=render_response,
            extra_writes=extra_writes,
        )

    async def check_answer(self, answer: InboundAnswer) -> Refusal | None:
        """Return why such an answer would be refused now, None if it would not."""
        try:
            request = await self._find_visible_request(answer.request, answer.arrival, was_shown=answer.was_shown)
            self.approvals.check_allowed(request, self._to_answer(answer), answer.shown_digest)
        except Permanent as error:
            return to_refusal(error)
        return None

    async def find_request(self, reference: str, arrival: Arrival, *, was_shown: bool = False) -> Request | Refusal:
        """Return the request with this id or code if the sender may see it."""
        try:
            return await self._find_visible_request(reference, arrival, was_shown=was_shown)
        except Permanent as error:
            return to_refusal(error)

    async def overview(self, sender: Sender, limit: int) -> Overview:
        """Return the sender's person, the requests that they may decide, and their threads."""
        resolved = self._resolve(sender)
        return await self.overviews.load(resolved.address, resolved.person, limit)

    async def store_input(self, raw_input: RawInput) -> bool:
        """Store an input for processing. Return False for a duplicate. Raises StoreUnavailable."""
        return await self.inputs.store(raw_input)

    async def count_recent_inputs(self, channel: str, reason: str) -> int:
        """Return the number of inputs of a channel whose processing ended within an hour with this reason."""
        return await self.inputs.count_recent(channel, reason)

    async def report_failure(self, failure: DeliveryFailure) -> None:
        """Record that a message was not delivered although it had been accepted; an unknown one is ignored."""
        await self.deliveries.record_failure(failure)

    async def report_delivery(self, confirmation: DeliveryConfirmation) -> None:
        """Record that a card reached its recipient; other messages are ignored."""
        await self.deliveries.confirm(confirmation)

    async def report_opt_out(self, opt_out: OptOut) -> None:
        """Record that an address takes no more messages, or takes them again."""
        await self.contacts.report_opt_out(opt_out)

    async def report_unknown_sender(self, arrival: Arrival) -> None:
        """Record a sender whom `handrail.toml` does not name."""
        await self.contacts.report_unknown_sender(arrival)

    async def find_last_message(self, to: Address) -> SentMessage | None:
        """Return the last message to an address of a metered channel, None if there is none."""
        return await self.contacts.find_last_message(to)

    def argument_schema(self, request: Request) -> Mapping[str, Any] | None:
        """Return the JSON schema of the arguments of a request's tool; None if they cannot be edited."""
        agent = self.roster.agents.get(request.agent)
        tool = agent.get_tool(request.tool) if agent and request.tool else None
        return None if tool is None else tool.schema

    def help_texts(self) -> HelpTexts:
        """Return the help text and example commands of the default agent."""
        agent = self.roster.get_agent(None)
        phrases = (command.phrase_without_slots for command in agent.commands.commands)
        return HelpTexts(help_text(agent), tuple(phrase for phrase in phrases if phrase is not None))

    def _to_answer(self, answer: InboundAnswer) -> Answer:
        sender = resolve_sender(answer.arrival.sender, self.roster.people)
        return Answer(
            by=sender.address,
            entered_by=sender.entered_by,
            channel=answer.arrival.source,
            assurance=answer.assurance,
            decision=answer.decision,
            comment=answer.comment,
            text=answer.text,
            arguments=answer.arguments,
        )

    async def _find_visible_request(self, reference: str, arrival: Arrival, *, was_shown: bool) -> Request:
        """Return the request. Raises RequestNotFound, also if the sender may not see it."""
        request = await self.approvals.find_request(reference)
        if not was_shown:
            state = await self.approvals.engine.load(request.thread_id)
            sender = self._resolve(arrival.sender)
            if not may_view(state, to_viewer(sender.address, self.roster.people, source=arrival.source)):
                raise request_not_found(reference)
        return request
