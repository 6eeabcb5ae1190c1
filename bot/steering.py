"""Steering: pause, resume, cancel and fork (factor 6)."""

from collections.abc import Sequence
from dataclasses import dataclass

from agents.addresses import Address
from agents.errors import Invalid, WrongState
from agents.events import KnownEvent, ThreadCancelled, ThreadForked, ThreadPaused, ThreadResumed
from agents.held import is_paused_by_expiry
from agents.state import ThreadState
from bot.engine import Engine, Recorded, Reply
from bot.ids import Chance
from storage.inbox import Claim
from storage.replaying import folded_up_to

_ENDED = ("done", "failed", "cancelled")


@dataclass(frozen=True)
class Steering:
    """Each order is refused with the present status when it makes no sense (WrongState)."""

    engine: Engine
    chance: Chance

    async def pause(
        self, thread_id: str, by: Address, claim: Claim | None = None, reply: Reply | None = None
    ) -> Recorded:
        now = self.chance.now()

        def decide(state: ThreadState) -> Sequence[KnownEvent]:
            if not is_paused_by_expiry(state):  # a person's order outlasts the answer that ends that pause
                _refuse(state, ("paused", *_ENDED), "paused")
            return (ThreadPaused(at=now, actor=by, reason=f"paused by {self.engine.people.name_of(by)}"),)

        return await self.engine.record(thread_id, decide, claim=claim, reply=reply)

    async def resume(
        self, thread_id: str, by: Address, claim: Claim | None = None, reply: Reply | None = None
    ) -> Recorded:
        now = self.chance.now()

        def decide(state: ThreadState) -> Sequence[KnownEvent]:
            if state.status != "paused":
                raise _wrong(state, "resumed: it is not paused")
            return (ThreadResumed(at=now, actor=by),)

        return await self.engine.record(thread_id, decide, claim=claim, reply=reply)

    async def cancel(
        self, thread_id: str, by: Address, claim: Claim | None = None, reply: Reply | None = None
    ) -> Recorded:
        now = self.chance.now()

        def decide(state: ThreadState) -> Sequence[KnownEvent]:
            _refuse(state, _ENDED, "cancelled")
            return (ThreadCancelled(at=now, actor=by, reason=f"cancelled by {self.engine.people.name_of(by)}"),)

        return await self.engine.record(thread_id, decide, claim=claim, reply=reply)

    async def fork(
        self, thread_id: str, at_seq: int, by: Address, claim: Claim | None = None, reply: Reply | None = None
    ) -> Recorded:
        """Copy the first `at_seq` events into a new thread that is at rest. Raises Invalid when it has fewer."""
        version = (await self.engine.load(thread_id)).version
        if not 0 < at_seq <= version:
            raise Invalid(f"thread {thread_id} has {version} events; fork it at one of them, not at {at_seq}")
        history = await folded_up_to(self.engine.database, thread_id, at_seq)
        if history.unreadable is not None or history.version < at_seq:
            raise Invalid(f"thread {thread_id} holds events this Handrail cannot read, so it cannot be forked here")
        new_id = f"thr_{self.chance.fresh()}"
        forked = ThreadForked(at=self.chance.now(), actor=by, thread_id=new_id, parent=thread_id, at_seq=at_seq)
        return await self.engine.fork(history, forked, claim=claim, reply=reply)


def _refuse(state: ThreadState, statuses: tuple[str, ...], order: str) -> None:
    if state.status in statuses:
        raise _wrong(state, order)


def _wrong(state: ThreadState, order: str) -> WrongState:
    message = f"thread {state.thread_id} is {state.status} and cannot be {order}"
    return WrongState(message, details={"status": state.status})
