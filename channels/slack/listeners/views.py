"""Listener for submitted modals. It records the answer, or returns what the modal shows instead."""

from dataclasses import dataclass
from typing import Any

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck

from agents.core.errors import InvalidArguments, Permanent
from agents.core.requests import Request
from channels.base import Runtime
from channels.slack.action_ids import APPROVE, DENY, EDIT, HANDRAIL_ID_PATTERN, SHOW
from channels.slack.background_tasks import BackgroundTasks
from channels.slack.card_interaction import CardInteraction, decision_of
from channels.slack.ephemeral import EphemeralMessages
from channels.slack.inbound_events import BotIdentity, ViewSubmission
from channels.slack.interactions import parse_view_submission
from channels.slack.modals import TEXT_BLOCK_ID, ViewErrors, message_modal, parse_answer, parse_edit, parse_reason
from channels.text import format_error

Json = dict[str, Any]


@dataclass(frozen=True)
class ViewListener:
    """Handles modal submissions. `signing_key` verifies the value of the button that opened the modal."""

    ephemeral: EphemeralMessages
    background_tasks: BackgroundTasks
    signing_key: bytes

    def register(self, app: AsyncApp) -> None:
        app.view_submission(HANDRAIL_ID_PATTERN)(self.on_submission)

    async def on_submission(self, ack: AsyncAck, body: Json, bot: BotIdentity, runtime: Runtime) -> None:
        await ack(await self.handle_submission(parse_view_submission(body), bot, runtime) or "")

    async def handle_submission(self, submission: ViewSubmission, bot: BotIdentity, runtime: Runtime) -> Json | None:
        """Record the answer of a modal and return None, or return the response with which Slack updates the modal."""
        try:
            interaction = CardInteraction.verify(submission, bot, runtime, self.signing_key)
            request = await interaction.find_request()
            if submission.callback_id == SHOW:
                return {"response_action": "update", "view": await interaction.details_view(request)}
            fields = _parse_submission(submission, interaction, request)
            if isinstance(fields, ViewErrors):
                await interaction.check_allowed(decision_of(submission.callback_id))
                return fields.response
            notice = await interaction.decide(**fields)
        except InvalidArguments as error:
            return ViewErrors({next(iter(submission.values), TEXT_BLOCK_ID): str(error)}).response
        except Permanent as error:
            return {"response_action": "update", "view": message_modal("Not accepted", format_error(error))}
        if notice is not None:
            self._post_ephemeral(submission, notice, runtime)
        return None

    def _post_ephemeral(self, submission: ViewSubmission, text: str, runtime: Runtime) -> None:
        ephemeral = self.ephemeral.post(submission.thread_ref, submission.by, text, about_ts=submission.message_ts)
        self.background_tasks.spawn(runtime, ephemeral)


def _parse_submission(submission: ViewSubmission, interaction: CardInteraction, request: Request) -> Json | ViewErrors:
    """Return the answer's fields, or the errors of the entries."""
    match submission.callback_id:
        case _ if submission.callback_id == DENY:
            return {"decision": "deny", "comment": parse_reason(submission.values)}
        case _ if submission.callback_id == APPROVE:
            return {"decision": "approve"}
        case _ if submission.callback_id == EDIT:
            return _parse_edit_submission(submission, interaction, request)
        case _:
            text = parse_answer(submission.values)
            return text if isinstance(text, ViewErrors) else {"decision": "answer", "text": text}


def _parse_edit_submission(
    submission: ViewSubmission, interaction: CardInteraction, request: Request
) -> Json | ViewErrors:
    """Return the fields of an edit, or of an approval if no argument was changed.

    An unchanged argument that the tool has `filled_in` itself is left out, so that the tool fills it in again.
    """
    before = request.arguments or {}
    after = parse_edit(interaction.argument_schema(request), before, submission.values)
    if isinstance(after, ViewErrors):
        return after
    if after == before:
        return {"decision": "approve"}
    edited = {n: value for n, value in after.items() if n not in request.filled_in or value != before.get(n)}
    return {"decision": "edit", "arguments": edited}
