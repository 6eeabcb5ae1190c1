"""Buttons and modals: what people decide on Slack. It is decided before Slack is answered, or refused with a reason."""

from dataclasses import dataclass
from typing import Any

from agents.cards import card_of, choices_of, outcome
from agents.errors import AlreadySettled, ApprovalChanged, InvalidAnswer, InvalidArguments, Permanent
from agents.judge import judge
from agents.messages import Assurance
from agents.requests import Answer, Decision, Request
from agents.tools import Tool
from bot.answer_notes import answer_note
from bot.deciding import Deciding
from bot.roster import Roster
from bot.slack.afterwards import Afterwards
from bot.slack.hearing import CHANNEL
from bot.slack.notes import Notes
from bot.slack.who import somebody
from channels.slack.actions import ANSWER, APPROVE, CHOOSE, DENY, EDIT, SHOW, Behind
from channels.slack.facts import Clicked, Ourselves, Submitted
from channels.slack.modals import (
    Refusal,
    answer,
    answer_modal,
    deny_modal,
    edit_modal,
    edited,
    reason,
    told_modal,
    whole_modal,
)
from channels.slack.signing import Reference, read_reference
from storage.inbox import Claim

Json = dict[str, Any]

_DECISIONS: dict[str, Decision] = {ANSWER: "answer", DENY: "deny"}
"""What the modal behind a button leads to; any other is an approval."""


@dataclass(frozen=True)
class Pressing:
    """Turns what was pressed into answers. `key` is what the references on our buttons are sealed with."""

    deciding: Deciding
    roster: Roster
    notes: Notes
    afterwards: Afterwards
    key: bytes

    async def clicked(self, click: Clicked, us: Ourselves) -> None:
        """Decide, or show a modal. Whoever may not, or comes too late, is told so privately."""
        try:
            about = self._about(click, us)
            request = await self.deciding.find(about.request_id)
            if click.action == SHOW:
                self._show_all(click, us, about, request)
            elif click.action in (DENY, EDIT, ANSWER):
                await self._ask_for_more(click, us, about, request)
            else:
                await self._decide(click, us, about, **_decided(click, request))
        except Permanent as error:
            self._tell(click, f"This did not count: {error}.")

    async def submitted(self, sent: Submitted, us: Ourselves) -> Json | None:
        """Decide what a modal says; what Slack is to show in its place, if anything is wrong."""
        try:
            about = self._about(sent, us)
            request = await self.deciding.find(about.request_id)
            if sent.modal == SHOW:
                return {"response_action": "update", "view": self._page(sent, us, about, request)}
            given = self._given(sent, request)
            if isinstance(given, Refusal):
                self._refuse_early(sent, us, about, request, _DECISIONS.get(sent.modal, "approve"))
                return given.response
            await self._decide(sent, us, about, **given)
        except InvalidArguments as error:
            return _beside_the_first(sent, error)
        except Permanent as error:
            return {"response_action": "update", "view": told_modal("Not decided", f"{error}.")}
        return None

    def _about(self, pressed: Clicked | Submitted, us: Ourselves) -> Reference:
        return read_reference(self.key, pressed.reference, us.home, pressed.place.channel)

    async def _decide(self, pressed: Clicked | Submitted, us: Ourselves, about: Reference, **given: Any) -> None:
        answer, claim = self._answer(pressed, us, **given), Claim(CHANNEL, pressed.keys)
        recorded = await self.deciding.answer(about.request_id, answer, seen=about.digest, claim=claim)
        if note := answer_note(recorded, about.request_id):
            self._tell(pressed, note)

    def _tell(self, pressed: Clicked | Submitted, text: str) -> None:
        self.afterwards.do(self.notes.tell(pressed.place, pressed.by, text, about=pressed.message))

    def _answer(self, pressed: Clicked | Submitted, us: Ourselves, **given: Any) -> Answer:
        """A signed click of a person we know is as good as it gets; of anybody else it counts for nothing."""
        who = somebody(pressed.by, us, self.roster.people)
        return Answer(by=who.by, channel=pressed.place.address, assurance=Assurance.HIGH, **given)

    async def _ask_for_more(self, click: Clicked, us: Ourselves, about: Reference, request: Request) -> None:
        """Show a modal; nobody writes a reason only to be told that it does not count."""
        self._refuse_early(click, us, about, request, _DECISIONS.get(click.action, "approve"))
        behind = Behind(click.reference, click.place.channel, click.message, click.place.root)
        self.afterwards.do(self.notes.open_modal(click.trigger_id, self._modal(click.action, behind, request)))

    def _show_all(self, click: Clicked, us: Ourselves, about: Reference, request: Request) -> None:
        """Show all of a card that did not fit its message, page by page."""
        modal = self._page(click, us, about, request)
        self.afterwards.do(self.notes.open_modal(click.trigger_id, modal))

    def _page(self, pressed: Clicked | Submitted, us: Ourselves, about: Reference, request: Request) -> Json:
        """Return one page of what the card shows; raises ApprovalChanged where that is something else by now."""
        card = card_of(request).card
        if request.digest != about.digest or card is None:
            raise ApprovalChanged(details=request)
        page = pressed.page if isinstance(pressed, Submitted) else 0
        behind = Behind(pressed.reference, pressed.place.channel, pressed.message, pressed.place.root, page)
        return whole_modal(behind, card, may_decide=self._may_decide(pressed, us, about, request))

    def _may_decide(self, pressed: Clicked | Submitted, us: Ourselves, about: Reference, request: Request) -> bool:
        try:
            self._refuse_early(pressed, us, about, request, "approve" if request.kind == "approval" else "answer")
        except Permanent:
            return False
        return True

    def _refuse_early(
        self,
        pressed: Clicked | Submitted,
        us: Ourselves,
        about: Reference,
        request: Request,
        decision: Decision,
    ) -> None:
        """Raises what an answer that is complete would raise."""
        if request.status != "open":
            raise AlreadySettled(f"request {request.code} is settled: {outcome(request)}", details=request)
        text = (choices_of(request) or ("…",))[0] if decision == "answer" else None
        tried = self._answer(pressed, us, decision=decision, text=text)
        now = self.deciding.chance.now()
        judged = judge(request, tried, people=self.roster.people, now=now, seen=about.digest)
        if judged.refused is not None:
            raise InvalidAnswer(judged.refused)

    def _modal(self, action: str, behind: Behind, request: Request) -> Json:
        card = card_of(request).card
        title = card.title if card else ""
        if action == EDIT:
            return edit_modal(behind, title, self._tool(request).schema, request.arguments or {})
        return deny_modal(behind, title) if action == DENY else answer_modal(behind, title)

    def _given(self, sent: Submitted, request: Request) -> Json | Refusal:
        """The answer a modal holds, or what is wrong with it."""
        match sent.modal:
            case _ if sent.modal == DENY:
                return {"decision": "deny", "comment": reason(sent.values)}
            case _ if sent.modal == APPROVE:
                return {"decision": "approve"}
            case _ if sent.modal == EDIT:
                return self._edited(sent, request)
            case _:
                text = answer(sent.values)
                return text if isinstance(text, Refusal) else {"decision": "answer", "text": text}

    def _edited(self, sent: Submitted, request: Request) -> Json | Refusal:
        """Who changes nothing approves what is there."""
        before = request.arguments or {}
        after = edited(self._tool(request).schema, before, sent.values)
        if isinstance(after, Refusal):
            return after
        if after == before:
            return {"decision": "approve"}
        left = {n: value for n, value in after.items() if n not in request.filled_in or value != before.get(n)}
        return {"decision": "edit", "arguments": left}

    def _tool(self, request: Request) -> Tool:
        """Raises InvalidAnswer for what is no tool of ours, such as more budget."""
        agent = self.roster.agents.get(request.agent)
        tool = agent.tool(request.tool) if agent and request.tool else None
        if tool is None:
            raise InvalidAnswer("this can be approved or denied, and not edited")
        return tool


def _decided(click: Clicked, request: Request) -> Json:
    """Raises InvalidAnswer for a choice that is not offered."""
    if click.action == APPROVE:
        return {"decision": "approve"}
    choices = choices_of(request)
    if click.action != CHOOSE or click.choice is None or click.choice >= len(choices):
        raise InvalidAnswer("this is not offered any more; look at the request again")
    return {"decision": "answer", "text": choices[click.choice]}


def _beside_the_first(sent: Submitted, error: InvalidArguments) -> Json:
    return Refusal({next(iter(sent.values), "words"): str(error)}).response
