"""Listener for buttons and select menus. It records an answer, or opens a modal for one."""

from dataclasses import dataclass
from typing import Any

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck

from agents.core.cards import allowed_choices, render_card
from agents.core.errors import InvalidAnswer, Permanent
from agents.core.requests import Request
from channels.base import Runtime
from channels.slack.action_ids import ANSWER, APPROVE, CHOOSE, DENY, EDIT, HANDRAIL_ID_PATTERN, SHOW
from channels.slack.background_tasks import BackgroundTasks
from channels.slack.blocks import View
from channels.slack.card_interaction import CardInteraction, decision_of
from channels.slack.ephemeral import EphemeralMessages
from channels.slack.inbound_events import BlockAction, BotIdentity
from channels.slack.interactions import parse_block_action
from channels.slack.modals import answer_modal, deny_modal, edit_modal
from channels.text import format_error


@dataclass(frozen=True)
class ActionListener:
    """Handles clicks. `signing_key` verifies the values of buttons."""

    ephemeral: EphemeralMessages
    background_tasks: BackgroundTasks
    signing_key: bytes

    def register(self, app: AsyncApp) -> None:
        app.block_action(HANDRAIL_ID_PATTERN)(self.on_action)

    async def on_action(self, ack: AsyncAck, body: dict[str, Any], bot: BotIdentity, runtime: Runtime) -> None:
        if (click := parse_block_action(body)) is not None:
            await self.handle_click(click, bot, runtime)
        await ack()

    async def handle_click(self, click: BlockAction, bot: BotIdentity, runtime: Runtime) -> None:
        """Record the answer or open a modal.

        Send the notice about the answer, or the reason of a refusal, in an ephemeral message.
        """
        try:
            interaction = CardInteraction.verify(click, bot, runtime, self.signing_key)
            request = await interaction.find_request()
            if click.action in (SHOW, DENY, EDIT, ANSWER):
                view = await _build_modal(click.action, interaction, request)
                self.background_tasks.spawn(runtime, self.ephemeral.open_modal(click.trigger_id, view))
                return
            text = await interaction.decide(**_answer_fields(click, request))
        except Permanent as error:
            text = f"Your response was not accepted: {format_error(error)}"
        if text is not None:
            ephemeral = self.ephemeral.post(click.thread_ref, click.by, text, about_ts=click.message_ts)
            self.background_tasks.spawn(runtime, ephemeral)


async def _build_modal(action: str, interaction: CardInteraction, request: Request) -> View:
    """Return a modal. Check the permission first, so that no person fills in a modal whose answer is refused."""
    if action == SHOW:
        return await interaction.details_view(request)
    await interaction.check_allowed(decision_of(action))
    card = render_card(request).card
    context, card_title = interaction.modal_context(), card.title if card else ""
    if action == EDIT:
        return edit_modal(context, card_title, interaction.argument_schema(request), request.arguments or {})
    return deny_modal(context, card_title) if action == DENY else answer_modal(context, card_title)


def _answer_fields(click: BlockAction, request: Request) -> dict[str, Any]:
    """Return the answer's fields for a click. Raises InvalidAnswer for a choice that is not offered."""
    if click.action == APPROVE:
        return {"decision": "approve"}
    choices = allowed_choices(request)
    if click.action != CHOOSE or click.choice_index is None or click.choice_index >= len(choices):
        raise InvalidAnswer("this choice is no longer offered; read the request again")
    return {"decision": "answer", "text": choices[click.choice_index]}
