"""Handlers for buttons and modals. They record or reject an answer before Slack's request is acknowledged."""

from dataclasses import dataclass
from typing import Any

from agents.core.cards import allowed_choices, describe_request_outcome, render_card
from agents.core.decisions import evaluate_answer
from agents.core.errors import AlreadySettled, InvalidAnswer, InvalidArguments, Permanent, StaleApproval
from agents.core.messages import Assurance
from agents.core.requests import Answer, Decision, Request
from agents.core.tools import Tool
from bot.services.answer_notices import describe_recorded_answer
from bot.services.approvals import ApprovalService
from bot.services.roster import Roster
from bot.slack.background_tasks import BackgroundTasks
from bot.slack.ephemeral import EphemeralMessages
from bot.slack.message_handlers import CHANNEL
from bot.slack.users import resolve_user
from channels.slack.action_ids import ANSWER, APPROVE, CHOOSE, DENY, EDIT, SHOW, ModalContext
from channels.slack.inbound_events import BlockAction, BotIdentity, ViewSubmission
from channels.slack.modals import (
    TEXT_BLOCK_ID,
    ViewErrors,
    answer_modal,
    deny_modal,
    edit_modal,
    full_card_modal,
    message_modal,
    parse_answer,
    parse_edit,
    parse_reason,
)
from channels.slack.signing import ButtonValue, verify_button_value
from channels.text import format_error
from storage.inbox import IdempotencyClaim

Json = dict[str, Any]

_DECISION_BY_ACTION: dict[str, Decision] = {ANSWER: "answer", DENY: "deny"}
"""Decision of each modal; all other actions approve."""


@dataclass(frozen=True)
class ActionHandlers:
    """Records clicks and modal submissions as answers. `button_signing_key` verifies the values of buttons."""

    approvals: ApprovalService
    roster: Roster
    ephemeral: EphemeralMessages
    background_tasks: BackgroundTasks
    button_signing_key: bytes

    async def handle_block_action(self, click: BlockAction, bot: BotIdentity) -> None:
        """Record the answer or open a modal; if that is rejected, send the reason in an ephemeral message."""
        try:
            button = self._verified_button(click, bot)
            request = await self.approvals.find_request(button.request_id)
            if click.action == SHOW:
                self._open_details(click, bot, button, request)
            elif click.action in (DENY, EDIT, ANSWER):
                await self._open_modal(click, bot, button, request)
            else:
                await self._decide(click, bot, button, **_answer_fields_for_click(click, request))
        except Permanent as error:
            self._post_ephemeral(click, f"Your response was not accepted: {format_error(error)}")

    async def handle_view_submission(self, submission: ViewSubmission, bot: BotIdentity) -> Json | None:
        """Record the answer of a modal and return None, or return the response with which Slack updates the modal."""
        try:
            button = self._verified_button(submission, bot)
            request = await self.approvals.find_request(button.request_id)
            if submission.callback_id == SHOW:
                return {"response_action": "update", "view": self._details_view(submission, bot, button, request)}
            answer_fields = self._parse_submission(submission, request)
            if isinstance(answer_fields, ViewErrors):
                decision = _DECISION_BY_ACTION.get(submission.callback_id, "approve")
                self._check_answer_allowed(submission, bot, button, request, decision)
                return answer_fields.response
            await self._decide(submission, bot, button, **answer_fields)
        except InvalidArguments as error:
            return _first_field_error(submission, error)
        except Permanent as error:
            return {"response_action": "update", "view": message_modal("Not accepted", format_error(error))}
        return None

    def _verified_button(self, interaction: BlockAction | ViewSubmission, bot: BotIdentity) -> ButtonValue:
        return verify_button_value(
            self.button_signing_key, interaction.signed_value, bot.installation_id, interaction.thread_ref.channel
        )

    async def _decide(
        self, interaction: BlockAction | ViewSubmission, bot: BotIdentity, button: ButtonValue, **answer_fields: Any
    ) -> None:
        answer = self._build_answer(interaction, bot, **answer_fields)
        claim = IdempotencyClaim(CHANNEL, interaction.dedup_keys)
        recorded = await self.approvals.answer(button.request_id, answer, shown_digest=button.digest, claim=claim)
        if text := describe_recorded_answer(recorded, button.request_id):
            self._post_ephemeral(interaction, text)

    def _post_ephemeral(self, interaction: BlockAction | ViewSubmission, text: str) -> None:
        self.background_tasks.spawn(
            self.ephemeral.post(interaction.thread_ref, interaction.by, text, about_ts=interaction.message_ts)
        )

    def _build_answer(
        self, interaction: BlockAction | ViewSubmission, bot: BotIdentity, **answer_fields: Any
    ) -> Answer:
        """Return the answer, with high assurance: Slack authenticated the user and signed the request."""
        user = resolve_user(interaction.by, bot, self.roster.people)
        return Answer(
            by=user.address, channel=interaction.thread_ref.address, assurance=Assurance.HIGH, **answer_fields
        )

    async def _open_modal(self, click: BlockAction, bot: BotIdentity, button: ButtonValue, request: Request) -> None:
        """Open a modal. Check the permission first, so that no person fills in a modal whose answer is rejected."""
        self._check_answer_allowed(click, bot, button, request, _DECISION_BY_ACTION.get(click.action, "approve"))
        thread = click.thread_ref
        modal_context = ModalContext(click.signed_value, thread.channel, click.message_ts, thread.thread_ts)
        modal = self._build_modal(click.action, modal_context, request)
        self.background_tasks.spawn(self.ephemeral.open_modal(click.trigger_id, modal))

    def _open_details(self, click: BlockAction, bot: BotIdentity, button: ButtonValue, request: Request) -> None:
        """Open a modal with the complete card, page by page."""
        modal = self._details_view(click, bot, button, request)
        self.background_tasks.spawn(self.ephemeral.open_modal(click.trigger_id, modal))

    def _details_view(
        self, interaction: BlockAction | ViewSubmission, bot: BotIdentity, button: ButtonValue, request: Request
    ) -> Json:
        """Return one page of the complete card. Raises StaleApproval if the request is not the one on the card."""
        card = render_card(request).card
        if request.digest != button.digest or card is None:
            raise StaleApproval(details=request)
        page = interaction.page if isinstance(interaction, ViewSubmission) else 0
        modal_context = ModalContext(
            interaction.signed_value,
            interaction.thread_ref.channel,
            interaction.message_ts,
            interaction.thread_ref.thread_ts,
            page,
        )
        return full_card_modal(modal_context, card, may_decide=self._may_decide(interaction, bot, button, request))

    def _may_decide(
        self, interaction: BlockAction | ViewSubmission, bot: BotIdentity, button: ButtonValue, request: Request
    ) -> bool:
        try:
            self._check_answer_allowed(
                interaction, bot, button, request, "approve" if request.kind == "approval" else "answer"
            )
        except Permanent:
            return False
        return True

    def _check_answer_allowed(
        self,
        interaction: BlockAction | ViewSubmission,
        bot: BotIdentity,
        button: ButtonValue,
        request: Request,
        decision: Decision,
    ) -> None:
        """Raise the error with which such an answer would be rejected, if any."""
        if request.status != "open":
            raise AlreadySettled(
                f"request {request.code} is settled: {describe_request_outcome(request)}", details=request
            )
        text = (allowed_choices(request) or ("…",))[0] if decision == "answer" else None
        answer = self._build_answer(interaction, bot, decision=decision, text=text)
        now = self.approvals.clock.now()
        evaluation = evaluate_answer(request, answer, people=self.roster.people, now=now, shown_digest=button.digest)
        if evaluation.rejection_reason is not None:
            raise InvalidAnswer(evaluation.rejection_reason)

    def _build_modal(self, action: str, modal_context: ModalContext, request: Request) -> Json:
        card = render_card(request).card
        title = card.title if card else ""
        if action == EDIT:
            return edit_modal(modal_context, title, self._get_tool(request).schema, request.arguments or {})
        return deny_modal(modal_context, title) if action == DENY else answer_modal(modal_context, title)

    def _parse_submission(self, submission: ViewSubmission, request: Request) -> Json | ViewErrors:
        """Return the answer's fields, or the errors of the entries."""
        match submission.callback_id:
            case _ if submission.callback_id == DENY:
                return {"decision": "deny", "comment": parse_reason(submission.values)}
            case _ if submission.callback_id == APPROVE:
                return {"decision": "approve"}
            case _ if submission.callback_id == EDIT:
                return self._parse_edit_submission(submission, request)
            case _:
                text = parse_answer(submission.values)
                return text if isinstance(text, ViewErrors) else {"decision": "answer", "text": text}

    def _parse_edit_submission(self, submission: ViewSubmission, request: Request) -> Json | ViewErrors:
        """Return the fields of an edit, or of an approval if no argument was changed."""
        before = request.arguments or {}
        after = parse_edit(self._get_tool(request).schema, before, submission.values)
        if isinstance(after, ViewErrors):
            return after
        if after == before:
            return {"decision": "approve"}
        edited = {n: value for n, value in after.items() if n not in request.filled_in or value != before.get(n)}
        return {"decision": "edit", "arguments": edited}

    def _get_tool(self, request: Request) -> Tool:
        """Return the request's tool. Raises InvalidAnswer for a request without a tool, such as one for more budget."""
        agent = self.roster.agents.get(request.agent)
        tool = agent.get_tool(request.tool) if agent and request.tool else None
        if tool is None:
            raise InvalidAnswer("this request cannot be edited; approve or deny it")
        return tool


def _answer_fields_for_click(click: BlockAction, request: Request) -> Json:
    """Return the answer's fields for a click. Raises InvalidAnswer for a choice that is not offered."""
    if click.action == APPROVE:
        return {"decision": "approve"}
    choices = allowed_choices(request)
    if click.action != CHOOSE or click.choice_index is None or click.choice_index >= len(choices):
        raise InvalidAnswer("this choice is no longer offered; read the request again")
    return {"decision": "answer", "text": choices[click.choice_index]}


def _first_field_error(submission: ViewSubmission, error: InvalidArguments) -> Json:
    return ViewErrors({next(iter(submission.values), TEXT_BLOCK_ID): str(error)}).response
