"""Buttons and modals: what people decide on Slack. It is decided before Slack is answered, or refused with a reason."""

from dataclasses import dataclass
from typing import Any

from agents.cards import allowed_choices, describe_request_outcome, render_card
from agents.decisions import evaluate_answer
from agents.errors import AlreadySettled, InvalidAnswer, InvalidArguments, Permanent, StaleApproval
from agents.messages import Assurance
from agents.requests import Answer, Decision, Request
from agents.tools import Tool
from bot.answer_notices import describe_recorded_answer
from bot.approval_service import ApprovalService
from bot.roster import Roster
from bot.slack.background_tasks import BackgroundTasks
from bot.slack.ephemeral import EphemeralMessages
from bot.slack.message_handlers import CHANNEL
from bot.slack.users import resolve_user
from channels.slack.action_ids import ANSWER, APPROVE, CHOOSE, DENY, EDIT, SHOW, ModalContext
from channels.slack.inbound_events import BlockAction, BotIdentity, ViewSubmission
from channels.slack.modals import (
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
from storage.inbox import IdempotencyClaim

Json = dict[str, Any]

_DECISION_BY_ACTION: dict[str, Decision] = {ANSWER: "answer", DENY: "deny"}
"""What the modal behind a button leads to; any other is an approval."""


@dataclass(frozen=True)
class ActionHandlers:
    """Turns what was pressed into answers. `key` is what the references on our buttons are sealed with."""

    approvals: ApprovalService
    roster: Roster
    ephemeral: EphemeralMessages
    background_tasks: BackgroundTasks
    button_signing_key: bytes

    async def handle_block_action(self, click: BlockAction, bot: BotIdentity) -> None:
        """Decide, or show a modal. Whoever may not, or comes too late, is told so privately."""
        try:
            about = self._verified_button(click, bot)
            request = await self.approvals.find_request(about.request_id)
            if click.action == SHOW:
                self._open_details(click, bot, about, request)
            elif click.action in (DENY, EDIT, ANSWER):
                await self._open_modal(click, bot, about, request)
            else:
                await self._decide(click, bot, about, **_answer_fields_for_click(click, request))
        except Permanent as error:
            self._post_ephemeral(click, f"This did not count: {error}.")

    async def handle_view_submission(self, submission: ViewSubmission, bot: BotIdentity) -> Json | None:
        """Decide what a modal says; what Slack is to show in its place, if anything is wrong."""
        try:
            about = self._verified_button(submission, bot)
            request = await self.approvals.find_request(about.request_id)
            if submission.callback_id == SHOW:
                return {"response_action": "update", "view": self._details_view(submission, bot, about, request)}
            given = self._parse_submission(submission, request)
            if isinstance(given, ViewErrors):
                self._check_answer_allowed(
                    submission, bot, about, request, _DECISION_BY_ACTION.get(submission.callback_id, "approve")
                )
                return given.response
            await self._decide(submission, bot, about, **given)
        except InvalidArguments as error:
            return _first_field_error(submission, error)
        except Permanent as error:
            return {"response_action": "update", "view": message_modal("Not decided", f"{error}.")}
        return None

    def _verified_button(self, interaction: BlockAction | ViewSubmission, bot: BotIdentity) -> ButtonValue:
        return verify_button_value(
            self.button_signing_key, interaction.signed_value, bot.installation_id, interaction.thread_ref.channel
        )

    async def _decide(
        self, interaction: BlockAction | ViewSubmission, bot: BotIdentity, button: ButtonValue, **answer_fields: Any
    ) -> None:
        answer, claim = (
            self._build_answer(interaction, bot, **answer_fields),
            IdempotencyClaim(CHANNEL, interaction.dedup_keys),
        )
        recorded = await self.approvals.answer(button.request_id, answer, shown_digest=button.digest, claim=claim)
        if note := describe_recorded_answer(recorded, button.request_id):
            self._post_ephemeral(interaction, note)

    def _post_ephemeral(self, interaction: BlockAction | ViewSubmission, text: str) -> None:
        self.background_tasks.spawn(
            self.ephemeral.post(interaction.thread_ref, interaction.by, text, about_ts=interaction.message_ts)
        )

    def _build_answer(
        self, interaction: BlockAction | ViewSubmission, bot: BotIdentity, **answer_fields: Any
    ) -> Answer:
        """A signed click of a person we know is as good as it gets; of anybody else it counts for nothing."""
        who = resolve_user(interaction.by, bot, self.roster.people)
        return Answer(by=who.address, channel=interaction.thread_ref.address, assurance=Assurance.HIGH, **answer_fields)

    async def _open_modal(self, click: BlockAction, bot: BotIdentity, button: ButtonValue, request: Request) -> None:
        """Show a modal; nobody writes a reason only to be told that it does not count."""
        self._check_answer_allowed(click, bot, button, request, _DECISION_BY_ACTION.get(click.action, "approve"))
        behind = ModalContext(
            click.signed_value, click.thread_ref.channel, click.message_ts, click.thread_ref.thread_ts
        )
        self.background_tasks.spawn(
            self.ephemeral.open_modal(click.trigger_id, self._build_modal(click.action, behind, request))
        )

    def _open_details(self, click: BlockAction, bot: BotIdentity, button: ButtonValue, request: Request) -> None:
        """Show all of a card that did not fit its message, page by page."""
        modal = self._details_view(click, bot, button, request)
        self.background_tasks.spawn(self.ephemeral.open_modal(click.trigger_id, modal))

    def _details_view(
        self, interaction: BlockAction | ViewSubmission, bot: BotIdentity, button: ButtonValue, request: Request
    ) -> Json:
        """Return one page of what the card shows; raises ApprovalChanged where that is something else by now."""
        card = render_card(request).card
        if request.digest != button.digest or card is None:
            raise StaleApproval(details=request)
        page = interaction.page if isinstance(interaction, ViewSubmission) else 0
        behind = ModalContext(
            interaction.signed_value,
            interaction.thread_ref.channel,
            interaction.message_ts,
            interaction.thread_ref.thread_ts,
            page,
        )
        return full_card_modal(behind, card, may_decide=self._may_decide(interaction, bot, button, request))

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
        """Raises what an answer that is complete would raise."""
        if request.status != "open":
            raise AlreadySettled(
                f"request {request.code} is settled: {describe_request_outcome(request)}", details=request
            )
        text = (allowed_choices(request) or ("…",))[0] if decision == "answer" else None
        tried = self._build_answer(interaction, bot, decision=decision, text=text)
        now = self.approvals.clock.now()
        judged = evaluate_answer(request, tried, people=self.roster.people, now=now, shown_digest=button.digest)
        if judged.rejection_reason is not None:
            raise InvalidAnswer(judged.rejection_reason)

    def _build_modal(self, action: str, modal_context: ModalContext, request: Request) -> Json:
        card = render_card(request).card
        title = card.title if card else ""
        if action == EDIT:
            return edit_modal(modal_context, title, self._get_tool(request).schema, request.arguments or {})
        return deny_modal(modal_context, title) if action == DENY else answer_modal(modal_context, title)

    def _parse_submission(self, submission: ViewSubmission, request: Request) -> Json | ViewErrors:
        """The answer a modal holds, or what is wrong with it."""
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
        """Who changes nothing approves what is there."""
        before = request.arguments or {}
        after = parse_edit(self._get_tool(request).schema, before, submission.values)
        if isinstance(after, ViewErrors):
            return after
        if after == before:
            return {"decision": "approve"}
        left = {n: value for n, value in after.items() if n not in request.filled_in or value != before.get(n)}
        return {"decision": "edit", "arguments": left}

    def _get_tool(self, request: Request) -> Tool:
        """Raises InvalidAnswer for what is no tool of ours, such as more budget."""
        agent = self.roster.agents.get(request.agent)
        tool = agent.get_tool(request.tool) if agent and request.tool else None
        if tool is None:
            raise InvalidAnswer("this can be approved or denied, and not edited")
        return tool


def _answer_fields_for_click(click: BlockAction, request: Request) -> Json:
    """Raises InvalidAnswer for a choice that is not offered."""
    if click.action == APPROVE:
        return {"decision": "approve"}
    choices = allowed_choices(request)
    if click.action != CHOOSE or click.choice_index is None or click.choice_index >= len(choices):
        raise InvalidAnswer("this is not offered any more; look at the request again")
    return {"decision": "answer", "text": choices[click.choice_index]}


def _first_field_error(submission: ViewSubmission, error: InvalidArguments) -> Json:
    return ViewErrors({next(iter(submission.values), "words"): str(error)}).response
