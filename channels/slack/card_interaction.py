"""An interaction with a request's card: a click on a button, or the submission of a modal opened from it."""

from dataclasses import dataclass
from typing import Any

from agents.core.cards import render_card
from agents.core.errors import InvalidAnswer, Permanent, StaleApproval
from agents.core.messages import Assurance
from agents.core.requests import Decision, Request
from channels.base import Runtime
from channels.inbound import Arrival, InboundAnswer, Refusal
from channels.slack.action_ids import ANSWER, DENY, ModalContext
from channels.slack.blocks import View
from channels.slack.inbound_events import BlockAction, BotIdentity, ViewSubmission, create_arrival
from channels.slack.modals import full_card_modal
from channels.slack.signing import ButtonValue, verify_button_value

_DECISION_BY_ACTION: dict[str, Decision] = {ANSWER: "answer", DENY: "deny"}
"""Decisions of the deny and answer modals; the other modals (edit, complete card) approve."""


def decision_of(action: str) -> Decision:
    """Return the decision that a modal with this callback id, or a button that opens it, is for."""
    return _DECISION_BY_ACTION.get(action, "approve")


@dataclass(frozen=True)
class CardInteraction:
    """An interaction whose button was verified. Its methods raise the receiver's refusals, which are Permanent."""

    event: BlockAction | ViewSubmission
    button: ButtonValue
    bot: BotIdentity
    runtime: Runtime

    @classmethod
    def verify(
        cls, event: BlockAction | ViewSubmission, bot: BotIdentity, runtime: Runtime, signing_key: bytes
    ) -> "CardInteraction":
        """Verify the signed value of the button. Raises Forbidden if Handrail did not sign it for this channel."""
        channel = event.thread_ref.channel
        button = verify_button_value(signing_key, event.signed_value, bot.installation_id, channel)
        return cls(event, button, bot, runtime)

    async def find_request(self) -> Request:
        """Return the request of the button. The signature proves that the channel of the button has seen it."""
        found = await self.runtime.receiver.find_request(self.button.request_id, self._arrival, was_shown=True)
        if isinstance(found, Refusal):
            raise found.error
        return found

    async def decide(self, decision: Decision, **fields: Any) -> str | None:
        """Record the answer and return a notice for the user, None if there is nothing to say."""
        result = await self.runtime.receiver.answer(self._answer(decision, **fields))
        if result.refusal is not None:
            raise result.refusal.error
        return result.notice

    async def check_allowed(self, decision: Decision) -> None:
        """Raise the error with which such an answer would be refused now, if any."""
        if (refusal := await self.runtime.receiver.check_answer(self._answer(decision))) is not None:
            raise refusal.error

    def argument_schema(self, request: Request) -> Any:
        """Return the schema of the request's arguments. Raises InvalidAnswer if it has none.

        A request to extend the thread's budget has none.
        """
        schema = self.runtime.receiver.argument_schema(request)
        if schema is None:
            raise InvalidAnswer("this request cannot be edited; approve or deny it")
        return schema

    async def details_view(self, request: Request) -> View:
        """Return one page of the complete card.

        Raises StaleApproval if the request was changed after the card was rendered.
        """
        card = render_card(request).card
        if request.digest != self.button.digest or card is None:
            raise StaleApproval(details=request)
        page = self.event.page if isinstance(self.event, ViewSubmission) else 0
        may_decide = await self._may_decide("approve" if request.kind == "approval" else "answer")
        return full_card_modal(self.modal_context(page), card, may_decide=may_decide)

    def modal_context(self, page: int = 0) -> ModalContext:
        """Return the context for a modal that is opened from this card."""
        thread = self.event.thread_ref
        return ModalContext(self.event.signed_value, thread.channel, self.event.message_ts, thread.thread_ts, page)

    async def _may_decide(self, decision: Decision) -> bool:
        try:
            await self.check_allowed(decision)
        except Permanent:
            return False
        return True

    @property
    def _arrival(self) -> Arrival:
        return create_arrival(self.event, self.event.by, self.runtime.now(), self.bot)

    def _answer(self, decision: Decision, **fields: Any) -> InboundAnswer:
        """Return the answer, with high assurance: Slack authenticated the user and signed the request."""
        return InboundAnswer(
            arrival=self._arrival,
            request=self.button.request_id,
            decision=decision,
            assurance=Assurance.HIGH,
            shown_digest=self.button.digest,
            was_shown=True,
            **fields,
        )
