"""Answers to requests: judged against policy, decided once, whatever channel they come from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agents.agent import Agent
from agents.cards import describe_request_outcome
from agents.deciders import name_answer
from agents.decisions import AnswerEvaluation, EditedCall, evaluate_answer, rejection_reason
from agents.digest import call_digest
from agents.errors import (
    AlreadySettled,
    Conflict,
    Forbidden,
    InvalidAnswer,
    InvalidArguments,
    Retryable,
    StaleApproval,
    Unavailable,
)
from agents.events import BudgetExtended, KnownEvent, ReplyChosen, RequestAnswered, ThreadFinished
from agents.expiry_pause import resume_events
from agents.people import People
from agents.reducers.requests import after_answer
from agents.request_factory import agent_address
from agents.requests import MAX_UNCOUNTED_ANSWERS, Answer, Request
from agents.state import ThreadState
from agents.tools import Tool
from bot.engine import CommitResult, Engine, ResponseRenderer
from bot.ids import Clock
from bot.roster import Roster
from bot.tool_calls import ToolCallError
from bot.tool_runner import ToolRunner
from storage.inbox import IdempotencyClaim
from storage.requests import load_request


@dataclass(frozen=True)
class ApprovalService:
    """The one place where a request is answered."""

    engine: Engine
    roster: Roster
    clock: Clock
    tool_runner: ToolRunner

    async def answer(
        self,
        id_or_code: str,
        answer: Answer,
        *,
        shown_digest: str | None = None,
        claim: IdempotencyClaim | None = None,
        render_response: ResponseRenderer | None = None,
    ) -> CommitResult:
        """Answer the request with this id or code. `seen` is the digest of what the person was shown.

        Raises RequestNotFound, AlreadySettled and ApprovalChanged (with the request as it is), InvalidAnswer,
        InvalidArguments, and NotAllowed: the answer of a person we know is then kept as one that did not count, until
        there are MAX_REFUSALS.
        """
        known = await self.find_request(id_or_code)
        edited = await self._evaluate_edit(known, answer) if self._may_edit(known, answer, shown_digest) else None
        now = self.clock.now()

        def decide(state: ThreadState) -> Sequence[KnownEvent]:
            request = state.get_request(known.id)
            if request is None:
                raise AlreadySettled
            judgement = evaluate_answer(
                request, answer, people=self.roster.people, now=now, shown_digest=shown_digest, edited_call=edited
            )
            if _is_repeated_approval(request, judgement):
                return ()  # it counts once; `bot.answer_notices` says so
            if judgement.rejection_reason is not None and not self._may_record_refusal(request, answer):
                raise Forbidden(judgement.rejection_reason)
            return answer_events(state, request, judgement, edited, self.roster.people)

        try:
            recorded = await self.engine.apply(known.thread_id, decide, claim=claim, render_response=render_response)
        except (AlreadySettled, StaleApproval) as error:
            raise await self._with_current_state(error, known.id) from error
        _raise_if_refused(recorded)
        return recorded

    def _may_record_refusal(self, request: Request, answer: Answer) -> bool:
        """Whether a refused answer enters the log, which must not grow with every click of anybody."""
        return (request.refused_count or 0) < MAX_UNCOUNTED_ANSWERS and self.roster.people.get(answer.by) is not None

    async def find_request(self, id_or_code: str) -> Request:
        """The request with this id or code, as of the last commit. Raises RequestNotFound."""
        return await self.engine.database.read(lambda connection: load_request(connection, id_or_code))

    def _may_edit(self, request: Request, answer: Answer, shown_digest: str | None) -> bool:
        """Return whether to prepare the new arguments: the right to answer is checked before a tool's code runs."""
        if answer.decision != "edit" or request.purpose != "tool" or request.status != "open":
            return False
        return shown_digest in (None, request.digest) and not rejection_reason(
            request, answer, request.terms, self.roster.people
        )

    async def _with_current_state(self, error: Conflict, request_id: str) -> Conflict:
        """The refusal with the request as it is now, so that everybody is told the same ending."""
        request = await self.find_request(request_id)
        ended = request.status != "open"
        return type(error)(
            f"request {request.code} is settled: {describe_request_outcome(request)}" if ended else str(error),
            details=request,
        )

    async def _evaluate_edit(self, request: Request, answer: Answer) -> EditedCall | None:
        """New arguments go the way of the first ones: schema, preparation, policy."""
        if answer.arguments is None or request.tool is None or request.call_id is None:
            return None
        agent = self.roster.get_agent(request.agent)
        tool = agent.get_tool(request.tool)
        if tool is None:
            raise InvalidAnswer(f"{request.agent} has no tool {request.tool} any more")
        arguments = await self._prepare_arguments(agent, tool, request, answer.arguments)
        state = await self.engine.load(request.thread_id)
        verdict = self.roster.policy.evaluate(tool.name, arguments, defaults=tool.defaults, is_trusted=state.is_trusted)
        if verdict.answer == "deny":
            raise Forbidden(f"policy denies these arguments: {verdict.reason}")
        digest = call_digest(request.thread_id, request.call_id, tool.name, tool.version, arguments)
        return EditedCall(arguments=arguments, digest=digest, policy=verdict if verdict.ask else request.policy)

    async def _prepare_arguments(
        self, agent: Agent, tool: Tool, request: Request, arguments: dict[str, Any]
    ) -> dict[str, Any]:
        valid = tool.validate_arguments(arguments)
        try:
            return await self.tool_runner.prepare(agent, tool, valid, f"edit:{request.id}")
        except ToolCallError as raised:
            if isinstance(raised.error, Retryable):
                raise Unavailable(raised.message, retry_after=raised.error.retry_after) from raised
            raise InvalidArguments(raised.message) from raised


def _is_repeated_approval(request: Request, evaluation: AnswerEvaluation) -> bool:
    approves = evaluation.answer.decision == "approve" and evaluation.answer.counted
    return approves and evaluation.status == "open" and evaluation.answer.by in request.approvers


def answer_events(
    state: ThreadState, request: Request, evaluation: AnswerEvaluation, edited_call: EditedCall | None, people: People
) -> Sequence[KnownEvent]:
    """Return the answer as an event, with the names of those it speaks of, and what follows from it."""
    given = evaluation.answer
    counted = edited_call if given.counted else None
    event = RequestAnswered(
        at=given.at,
        actor=given.by,
        provenance=evaluation.provenance,
        request_id=request.id,
        answer=given,
        status=evaluation.status,
        arguments=counted.arguments if counted else None,
        digest=counted.digest if counted else None,
        policy=counted.policy if counted else None,
    )
    event = name_answer(event, people, request)
    event = event.model_copy(update={"outcome": _describe_closing(request, event)})
    settled = resume_events(state, given.at, given.by) if event.status != "open" else ()
    return (event, *settled, *_budget_events(state, request, event))


def _describe_closing(request: Request, event: RequestAnswered) -> str | None:
    """Return how the request ended, in the words of its card; None while it is open."""
    if event.status == "open":
        return None
    return describe_request_outcome(after_answer(request, event).model_copy(update={"status": event.status}))


def _budget_events(state: ThreadState, request: Request, answered_event: RequestAnswered) -> Sequence[KnownEvent]:
    if request.purpose != "budget" or answered_event.status == "open" or request.arguments is None:
        return ()
    kind, by = request.arguments["kind"], request.arguments["by"]
    if answered_event.status == "approved":
        return (BudgetExtended(at=answered_event.at, actor=answered_event.actor, kind=kind, by=by),)
    reason = f"the budget of {kind} is used up and was not extended"
    told = ReplyChosen(at=answered_event.at, actor=agent_address(state), text=f"I stopped: {reason}.")
    return (told, ThreadFinished(at=answered_event.at, actor=agent_address(state), outcome="failed", reason=reason))


def _raise_if_refused(commit: CommitResult) -> None:
    for event in commit.events:
        if isinstance(event, RequestAnswered) and not event.answer.counted and commit.duplicate_of is None:
            raise Forbidden(event.answer.reason)
