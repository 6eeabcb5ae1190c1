"""Pause, resume, cancel and fork threads."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from agents.core.deadlines import is_paused_by_expiry
from agents.core.errors import InvalidInput, WrongState
from agents.core.events import KnownEvent, ThreadCancelled, ThreadForked, ThreadPaused, ThreadResumed
from agents.core.state import ThreadState
from agents.core.values import Address
from bot.services.engine import CommitResult, Engine, ResponseRenderer
from bot.services.ids import Clock, IdGenerator
from storage.inbox import IdempotencyClaim
from storage.replay import fold_until_version

_FINAL_STATUSES = ("done", "failed", "cancelled")


@dataclass(frozen=True)
class ThreadControl:
    """Service that changes the lifecycle of a thread. Raises WrongState if the thread's status does not allow it."""

    engine: Engine
    clock: Clock
    ids: IdGenerator = field(default_factory=IdGenerator)

    async def apply(
        self,
        action: Literal["cancel", "pause", "resume"],
        thread_id: str,
        by: Address,
        claim: IdempotencyClaim | None = None,
    ) -> CommitResult:
        """Cancel, pause or resume a thread."""
        change = {"cancel": self.cancel, "pause": self.pause, "resume": self.resume}[action]
        return await change(thread_id, by, claim)

    async def pause(
        self,
        thread_id: str,
        by: Address,
        claim: IdempotencyClaim | None = None,
        render_response: ResponseRenderer | None = None,
    ) -> CommitResult:
        now = self.clock.now()

        def decide(state: ThreadState) -> Sequence[KnownEvent]:
            if not is_paused_by_expiry(state):  # an explicit pause lasts longer than the pause of an expired request
                _check_status(state, ("paused", *_FINAL_STATUSES), "paused")
            return (ThreadPaused(at=now, actor=by, reason=f"paused by {self.engine.people.name_of(by)}"),)

        return await self.engine.apply(thread_id, decide, claim=claim, render_response=render_response)

    async def resume(
        self,
        thread_id: str,
        by: Address,
        claim: IdempotencyClaim | None = None,
        render_response: ResponseRenderer | None = None,
    ) -> CommitResult:
        now = self.clock.now()

        def decide(state: ThreadState) -> Sequence[KnownEvent]:
            if state.status != "paused":
                raise _wrong_state(state, _not_paused_message(state))
            return (ThreadResumed(at=now, actor=by),)

        return await self.engine.apply(thread_id, decide, claim=claim, render_response=render_response)

    async def cancel(
        self,
        thread_id: str,
        by: Address,
        claim: IdempotencyClaim | None = None,
        render_response: ResponseRenderer | None = None,
    ) -> CommitResult:
        now = self.clock.now()

        def decide(state: ThreadState) -> Sequence[KnownEvent]:
            _check_status(state, _FINAL_STATUSES, "cancelled")
            return (ThreadCancelled(at=now, actor=by, reason=f"cancelled by {self.engine.people.name_of(by)}"),)

        return await self.engine.apply(thread_id, decide, claim=claim, render_response=render_response)

    async def fork(
        self,
        thread_id: str,
        at_seq: int,
        by: Address,
        claim: IdempotencyClaim | None = None,
        render_response: ResponseRenderer | None = None,
    ) -> CommitResult:
        """Copy the first `at_seq` events to a new thread, without work in progress.

        Raises InvalidInput if there are fewer events.
        """
        version = (await self.engine.load(thread_id)).version
        if not 0 < at_seq <= version:
            raise InvalidInput(f"thread {thread_id} has {version} events; fork it at one of them, not at {at_seq}")
        state_at_fork = await fold_until_version(self.engine.database, thread_id, at_seq)
        if state_at_fork.unreadable is not None or state_at_fork.version < at_seq:
            raise InvalidInput(
                f"thread {thread_id} has events that this version of Handrail cannot read; "
                "fork the thread with the version that wrote them"
            )
        new_id = f"thr_{self.ids.new_id()}"
        forked = ThreadForked(at=self.clock.now(), actor=by, thread_id=new_id, parent=thread_id, at_seq=at_seq)
        return await self.engine.fork(state_at_fork, forked, claim=claim, render_response=render_response)


def _check_status(state: ThreadState, forbidden_statuses: tuple[str, ...], action: str) -> None:
    if state.status in forbidden_statuses:
        raise _wrong_state(state, f"thread {state.thread_id} is {state.status} and cannot be {action}")


def _not_paused_message(state: ThreadState) -> str:
    if state.status == "waiting_for_human":
        advice = "it waits for the answer to its request. Only a paused thread can be resumed"
        return f"thread {state.thread_id} is {state.status}: {advice}"
    return f"thread {state.thread_id} is {state.status}; only a paused thread can be resumed"


def _wrong_state(state: ThreadState, message: str) -> WrongState:
    return WrongState(message, details={"status": state.status})
