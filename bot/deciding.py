"""Answers to requests: judged against policy, decided once, whatever channel they come from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agents.agent import Agent
from agents.cards import outcome
from agents.deciders import name_answer
from agents.digest import call_digest
from agents.errors import (
    AlreadySettled,
    ApprovalChanged,
    InvalidAnswer,
    InvalidArguments,
    NotAllowed,
    Refused,
    Retryable,
    Unreachable,
)
from agents.events import BudgetExtended, KnownEvent, ReplyChosen, RequestAnswered, ThreadFinished
from agents.folding.asking import after_answer
from agents.held import resumed
from agents.judge import Edited, Judgement, judge, objection
from agents.opening import agent_address
from agents.people import People
from agents.requests import MAX_REFUSALS, Answer, Request
from agents.state import ThreadState
from agents.tools import Tool
from bot.engine import Engine, Recorded, Reply
from bot.ids import Chance
from bot.roster import Roster
from bot.running import Runner
from bot.tool_calls import ToolRaised
from storage.inbox import Claim
from storage.requests import load_request


@dataclass(frozen=True)
class Deciding:
    """The one place where a request is answered."""

    engine: Engine
    roster: Roster
    chance: Chance
    runner: Runner

    async def answer(
        self,
        named: str,
        answer: Answer,
        *,
        seen: str | None = None,
        claim: Claim | None = None,
        reply: Reply | None = None,
    ) -> Recorded:
        """Answer the request with this id or code. `seen` is the digest of what the person was shown.

        Raises RequestNotFound, AlreadySettled and ApprovalChanged (with the request as it is), InvalidAnswer,
        InvalidArguments, and NotAllowed: the answer of a person we know is then kept as one that did not count, until
        there are MAX_REFUSALS.
        """
        known = await self.find(named)
        edited = await self._edited(known, answer) if self._may_edit(known, answer, seen) else None
        now = self.chance.now()

        def decide(state: ThreadState) -> Sequence[KnownEvent]:
            request = state.request_named(known.id)
            if request is None:
                raise AlreadySettled
            judgement = judge(request, answer, people=self.roster.people, now=now, seen=seen, edited=edited)
            if _is_repeated(request, judgement):
                return ()  # it counts once; `bot.answer_notes` says so
            if judgement.refused is not None and not self._is_kept(request, answer):
                raise NotAllowed(judgement.refused)
            return answered(state, request, judgement, edited, self.roster.people)

        try:
            recorded = await self.engine.record(known.thread_id, decide, claim=claim, reply=reply)
        except (AlreadySettled, ApprovalChanged) as error:
            raise await self._explained(error, known.id) from error
        _refuse(recorded)
        return recorded

    def _is_kept(self, request: Request, answer: Answer) -> bool:
        """Whether a refused answer enters the log, which must not grow with every click of anybody."""
        return (request.refused_count or 0) < MAX_REFUSALS and self.roster.people.get(answer.by) is not None

    async def find(self, named: str) -> Request:
        """The request with this id or code, as of the last commit. Raises RequestNotFound."""
        return await self.engine.database.read(lambda connection: load_request(connection, named))

    def _may_edit(self, request: Request, answer: Answer, seen: str | None) -> bool:
        """Return whether to prepare the new arguments: the right to answer is checked before a tool's code runs."""
        if answer.decision != "edit" or request.purpose != "tool" or request.status != "open":
            return False
        return seen in (None, request.digest) and not objection(request, answer, request.ask, self.roster.people)

    async def _explained(self, error: Refused, request_id: str) -> Refused:
        """The refusal with the request as it is now, so that everybody is told the same ending."""
        request = await self.find(request_id)
        ended = request.status != "open"
        return type(error)(
            f"request {request.code} is settled: {outcome(request)}" if ended else str(error), details=request
        )

    async def _edited(self, request: Request, answer: Answer) -> Edited | None:
        """New arguments go the way of the first ones: schema, preparation, policy."""
        if answer.arguments is None or request.tool is None or request.call_id is None:
            return None
        agent = self.roster.agent(request.agent)
        tool = agent.tool(request.tool)
        if tool is None:
            raise InvalidAnswer(f"{request.agent} has no tool {request.tool} any more")
        arguments = await self._prepared(agent, tool, request, answer.arguments)
        state = await self.engine.load(request.thread_id)
        verdict = self.roster.policy.verdict(tool.name, arguments, stance=tool.stance, trusted=state.is_trusted)
        if verdict.answer == "deny":
            raise NotAllowed(f"policy denies these arguments: {verdict.reason}")
        digest = call_digest(request.thread_id, request.call_id, tool.name, tool.version, arguments)
        return Edited(arguments=arguments, digest=digest, policy=verdict if verdict.ask else request.policy)

    async def _prepared(self, agent: Agent, tool: Tool, request: Request, arguments: dict[str, Any]) -> dict[str, Any]:
        valid = tool.validated(arguments)
        try:
            return await self.runner.prepare(agent, tool, valid, f"edit:{request.id}")
        except ToolRaised as raised:
            if isinstance(raised.error, Retryable):
                raise Unreachable(raised.words, retry_after=raised.error.retry_after) from raised
            raise InvalidArguments(raised.words) from raised


def _is_repeated(request: Request, judgement: Judgement) -> bool:
    approves = judgement.given.decision == "approve" and judgement.given.counted
    return approves and judgement.status == "open" and judgement.given.by in request.approvers


def answered(
    state: ThreadState, request: Request, judgement: Judgement, edited: Edited | None, people: People
) -> Sequence[KnownEvent]:
    """Return the answer as an event, with the names of those it speaks of, and what follows from it."""
    given = judgement.given
    counted = edited if given.counted else None
    event = RequestAnswered(
        at=given.at,
        actor=given.by,
        provenance=judgement.provenance,
        request_id=request.id,
        answer=given,
        status=judgement.status,
        arguments=counted.arguments if counted else None,
        digest=counted.digest if counted else None,
        policy=counted.policy if counted else None,
    )
    event = name_answer(event, people, request)
    event = event.model_copy(update={"outcome": _outcome(request, event)})
    settled = resumed(state, given.at, given.by) if event.status != "open" else ()
    return (event, *settled, *_budget_decided(state, request, event))


def _outcome(request: Request, event: RequestAnswered) -> str | None:
    """Return how the request ended, in the words of its card; None while it is open."""
    if event.status == "open":
        return None
    return outcome(after_answer(request, event).model_copy(update={"status": event.status}))


def _budget_decided(state: ThreadState, request: Request, answered: RequestAnswered) -> Sequence[KnownEvent]:
    if request.purpose != "budget" or answered.status == "open" or request.arguments is None:
        return ()
    kind, by = request.arguments["kind"], request.arguments["by"]
    if answered.status == "approved":
        return (BudgetExtended(at=answered.at, actor=answered.actor, kind=kind, by=by),)
    reason = f"the budget of {kind} is used up and was not extended"
    told = ReplyChosen(at=answered.at, actor=agent_address(state), text=f"I stopped: {reason}.")
    return (told, ThreadFinished(at=answered.at, actor=agent_address(state), outcome="failed", reason=reason))


def _refuse(recorded: Recorded) -> None:
    for event in recorded.events:
        if isinstance(event, RequestAnswered) and not event.answer.counted and recorded.earlier is None:
            raise NotAllowed(event.answer.reason)
