"""Answers to requests: checked against policy and decided once, for all channels.

A person whose answer left the request open or the thread paused gets a text that suits every channel.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from agents.core.agent import Agent
from agents.core.canonical_json import call_digest
from agents.core.cards import allowed_choices, describe_request_outcome
from agents.core.deadlines import end_expiry_pause
from agents.core.decisions import AnswerEvaluation, EditedCall, evaluate_answer, rejection_reason
from agents.core.errors import AlreadySettled, Conflict, Forbidden, InvalidAnswer, StaleApproval
from agents.core.events import BudgetExtended, KnownEvent, ReplyChosen, RequestAnswered, ThreadFinished
from agents.core.people import People
from agents.core.reducer.requests import after_answer
from agents.core.request_factory import add_names_to_answer, agent_address
from agents.core.requests import MAX_UNCOUNTED_ANSWERS, Answer, Request
from agents.core.state import ThreadState
from agents.core.tools import Tool
from bot.services.engine import CommitResult, Engine, ExtraWrites, ResponseRenderer
from bot.services.ids import Clock
from bot.services.roster import Roster
from storage.inbox import IdempotencyClaim
from storage.requests import load_request


def describe_recorded_answer(commit: CommitResult, request_id: str) -> str | None:
    """Describe an answer that did not decide its request, or decided it in a paused thread; None for any other."""
    state = commit.after
    if commit.duplicate_of is None and state.status == "paused" and state.open_request is None and commit.events:
        return f"Your answer was recorded, but the thread is {_describe_pause(state)}."
    request = commit.after.get_request(request_id)
    if commit.duplicate_of is not None or request is None or request.status != "open" or request.kind != "approval":
        return None
    missing = request.terms.quorum - len(request.approvers)
    if not commit.events:
        return f"You already approved this; {_format_approvals(missing)} required."
    if request.answers[-1].is_proposal:
        return f"Edit proposed. {_format_approvals(missing)} required, from another person."
    return f"Approval recorded. {_format_approvals(missing)} required." if request.answers[-1].counted else None


def _describe_pause(state: ThreadState) -> str:
    reason = (state.paused or "paused").removesuffix(".")
    return f"{reason}. Resume it with `handrail threads resume {state.thread_id}`"


def _format_approvals(count: int) -> str:
    return f"{count} more approval{'s are' if count > 1 else ' is'}"


class ArgumentPreparer(Protocol):
    """The runner of tools, as far as answers need it."""

    async def prepare_edit(self, agent: Agent, tool: Tool, arguments: dict[str, Any], key: str) -> dict[str, Any]:
        """Return the arguments as the tool's `prepare` resolves them. Raises InvalidArguments and Unavailable."""


@dataclass(frozen=True)
class ApprovalService:
    """Service that answers requests; all channels and the REST API use it."""

    engine: Engine
    roster: Roster
    clock: Clock
    argument_preparer: ArgumentPreparer

    async def answer(
        self,
        id_or_code: str,
        answer: Answer,
        *,
        shown_digest: str | None = None,
        claim: IdempotencyClaim | None = None,
        render_response: ResponseRenderer | None = None,
        extra_writes: ExtraWrites | None = None,
    ) -> CommitResult:
        """Answer the request with this id or code. `shown_digest` is the digest of the call on the card.

        `extra_writes` adds writes to the transaction that records the answer, also one that does not count.

        Raises RequestNotFound, AlreadySettled and StaleApproval (with the current request as details), InvalidAnswer,
        InvalidArguments, and Forbidden. A forbidden answer of a person in handrail.toml is recorded as one that does
        not count, at most MAX_UNCOUNTED_ANSWERS times per request.
        """
        found = await self.find_request(id_or_code)
        edited = await self._evaluate_edit(found, answer) if self._may_edit(found, answer, shown_digest) else None
        now = self.clock.now()

        def decide(state: ThreadState) -> Sequence[KnownEvent]:
            request = state.get_request(found.id)
            if request is None:
                raise AlreadySettled
            evaluation = evaluate_answer(
                request, answer, people=self.roster.people, now=now, shown_digest=shown_digest, edited_call=edited
            )
            if _is_repeated_approval(request, evaluation):
                return ()  # it counts once; the person gets a text of `bot.services.approvals`
            if evaluation.rejection_reason is not None and not self._may_record_refusal(request, answer):
                raise Forbidden(evaluation.rejection_reason)
            return answer_events(state, request, evaluation, edited, self.roster.people)

        try:
            commit = await self.engine.apply(
                found.thread_id, decide, claim=claim, render_response=render_response, extra_writes=extra_writes
            )
        except (AlreadySettled, StaleApproval) as error:
            raise await self._with_current_state(error, found.id) from error
        _raise_if_refused(commit)
        return commit

    def check_allowed(self, request: Request, answer: Answer, shown_digest: str | None) -> None:
        """Raise an error if such an answer would be refused now. Nothing is recorded.

        Raises AlreadySettled and StaleApproval, and InvalidAnswer also for a person who may not decide; `answer` raises
        Forbidden then.
        """
        if request.status != "open":
            raise AlreadySettled(
                f"request {request.code} is settled: {describe_request_outcome(request)}", details=request
            )
        if answer.decision == "answer" and answer.text is None:  # any text, as the person has not written one yet
            answer = answer.model_copy(update={"text": (allowed_choices(request) or ("…",))[0]})
        evaluation = evaluate_answer(
            request, answer, people=self.roster.people, now=self.clock.now(), shown_digest=shown_digest
        )
        if evaluation.rejection_reason is not None:
            raise InvalidAnswer(evaluation.rejection_reason)

    def _may_record_refusal(self, request: Request, answer: Answer) -> bool:
        """Return whether to record a refused answer. Limits keep the event log from growing with every click."""
        return (request.refused_count or 0) < MAX_UNCOUNTED_ANSWERS and self.roster.people.get(answer.by) is not None

    async def find_request(self, id_or_code: str) -> Request:
        """Return the request with this id or code, as of the last commit. Raises RequestNotFound."""
        return await self.engine.database.read(lambda connection: load_request(connection, id_or_code))

    def _may_edit(self, request: Request, answer: Answer, shown_digest: str | None) -> bool:
        """Return whether to prepare the edited arguments. The right to answer is checked before code of a tool runs."""
        if answer.decision != "edit" or request.purpose != "tool" or request.status != "open":
            return False
        return shown_digest in (None, request.digest) and not rejection_reason(
            request, answer, request.terms, self.roster.people
        )

    async def _with_current_state(self, error: Conflict, request_id: str) -> Conflict:
        """Return the error with the current request, so that all people see the same outcome."""
        request = await self.find_request(request_id)
        is_closed = request.status != "open"
        return type(error)(
            f"request {request.code} is settled: {describe_request_outcome(request)}" if is_closed else str(error),
            details=request,
        )

    async def _evaluate_edit(self, request: Request, answer: Answer) -> EditedCall | None:
        """Check edited arguments as the original ones were: schema, `prepare` of the tool, policy."""
        if answer.arguments is None or request.tool is None or request.call_id is None:
            return None
        agent = self.roster.get_agent(request.agent)
        tool = agent.get_tool(request.tool)
        if tool is None:
            raise InvalidAnswer(f"{request.agent} has no tool {request.tool} any more")
        arguments = await self._prepare_arguments(agent, tool, request, answer.arguments)
        state = await self.engine.load(request.thread_id)
        decision = self.roster.policy.evaluate(
            tool.name, arguments, defaults=tool.defaults, is_trusted=state.is_trusted
        )
        if decision.answer == "deny":
            raise Forbidden(f"policy denies these arguments: {decision.reason}")
        digest = call_digest(request.thread_id, request.call_id, tool.name, tool.version, arguments)
        return EditedCall(arguments=arguments, digest=digest, policy=decision if decision.ask else request.policy)

    async def _prepare_arguments(
        self, agent: Agent, tool: Tool, request: Request, arguments: dict[str, Any]
    ) -> dict[str, Any]:
        valid = tool.validate_arguments(arguments)
        return await self.argument_preparer.prepare_edit(agent, tool, valid, f"edit:{request.id}")


def _is_repeated_approval(request: Request, evaluation: AnswerEvaluation) -> bool:
    is_approval = evaluation.answer.decision == "approve" and evaluation.answer.counted
    return is_approval and evaluation.status == "open" and evaluation.answer.by in request.approvers


def answer_events(
    state: ThreadState, request: Request, evaluation: AnswerEvaluation, edited_call: EditedCall | None, people: People
) -> Sequence[KnownEvent]:
    """Return the answer as an event, with the names of the people in it, and the events that follow from it."""
    recorded = evaluation.answer
    counted_edit = edited_call if recorded.counted else None
    event = RequestAnswered(
        at=recorded.at,
        actor=recorded.by,
        provenance=evaluation.provenance,
        request_id=request.id,
        answer=recorded,
        status=evaluation.status,
        arguments=counted_edit.arguments if counted_edit else None,
        digest=counted_edit.digest if counted_edit else None,
        policy=counted_edit.policy if counted_edit else None,
    )
    event = add_names_to_answer(event, people, request)
    event = event.model_copy(update={"outcome": _describe_closing(request, event)})
    resumed = end_expiry_pause(state, recorded.at, recorded.by) if event.status != "open" else ()
    return (event, *resumed, *_budget_events(state, request, event))


def _describe_closing(request: Request, event: RequestAnswered) -> str | None:
    """Return the outcome of the request as its card shows it; None while it is open."""
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
    reply = ReplyChosen(at=answered_event.at, actor=agent_address(state), text=f"I stopped: {reason}.")
    return (reply, ThreadFinished(at=answered_event.at, actor=agent_address(state), outcome="failed", reason=reason))


def _raise_if_refused(commit: CommitResult) -> None:
    for event in commit.events:
        if isinstance(event, RequestAnswered) and not event.answer.counted and commit.duplicate_of is None:
            raise Forbidden(event.answer.reason)
