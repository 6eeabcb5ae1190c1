"""Stored inputs of channels: store them, hand them out for processing, and end their attempts (ADR 0032)."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection

from agents.core.values import Address
from agents.core.visible_text import escape_and_truncate
from bot.log import LogEvent, log
from bot.services.ids import Clock, IdGenerator
from bot.services.retry import next_retry_at
from channels.stored_input import InputReply, InputResult, RawInput, StoredInput, ThreadContext
from storage import raw_inputs
from storage.database.database import Database
from storage.jobs import Job, defer_on
from storage.raw_inputs import AttemptEnd, ClaimedInput, InputGroup, NewInput, StoredReply
from storage.sent_messages import SentRecord, insert_sent

MAX_BACK_OFF_SECONDS = 900.0
MAX_UNFINISHED_ATTEMPTS = 5
"""Attempts in a row without an end after which an input is quarantined."""
RETRY_PERIOD = timedelta(hours=24)
"""Time after its arrival during which an input is tried again; then it is quarantined."""
MAX_REASON_LENGTH = 200

InputListener = Callable[[InputGroup], None]
ReplyListener = Callable[[str], None]
"""Function called with the id of an input that has a pending reply."""


@dataclass(frozen=True)
class InputService:
    """Service for the inputs that channels store before they acknowledge them.

    With `has_job_queue` the jobs that process them are deferred in the same transactions. The listeners are called on
    the event loop after the commits.
    """

    database: Database
    clock: Clock = field(default_factory=Clock)
    ids: IdGenerator = field(default_factory=IdGenerator)
    has_job_queue: bool = False
    listeners: list[InputListener] = field(default_factory=list)
    reply_listeners: list[ReplyListener] = field(default_factory=list)

    async def store(self, raw_input: RawInput) -> bool:
        """Store an input. Return False if its channel has stored its key before. Raises StoreUnavailable."""
        group = InputGroup(raw_input.channel, raw_inputs.to_indexable(raw_input.group))
        new = NewInput(
            id=f"inp_{self.ids.new_id()}",
            key=raw_input.key,
            group=group,
            metadata=raw_input.metadata,
            received_at=raw_input.received_at,
            content=raw_input.content,
            keeps_key=raw_input.keeps_key,
        )

        def store(connection: Connection) -> bool:
            is_new = raw_inputs.store(connection, new)
            if is_new and self.has_job_queue:
                defer_on(connection, input_job(new.id, group))
            return is_new

        return await self.database.transaction(store, partial(self._notify, group))

    async def count_recent(self, channel: str, reason: str) -> int:
        """Return the number of inputs of a channel whose processing ended within an hour with this reason."""
        since = self.clock.now() - raw_inputs.RECENT_PERIOD
        return await self.database.read(partial(raw_inputs.count_ended, channel=channel, reason=reason, since=since))

    def _notify(self, group: InputGroup, is_new: bool) -> None:
        for listener in self.listeners if is_new else ():
            listener(group)

    async def claim_next(self, group: InputGroup) -> StoredInput | datetime | None:
        """Begin an attempt with the next input of the group. Return when it is due if that is later; None without one.

        An input with MAX_UNFINISHED_ATTEMPTS is quarantined, and the next one is claimed. Raises StoreUnavailable.
        """
        while True:
            claim = partial(raw_inputs.claim_next, group=group, now=self.clock.now())
            claimed = await self.database.transaction(claim)
            if not isinstance(claimed, ClaimedInput):
                return claimed
            stored = _to_stored_input(claimed)
            if claimed.unfinished_attempts < MAX_UNFINISHED_ATTEMPTS:
                return stored
            reason = f"processing ended without a result {claimed.unfinished_attempts} times"
            await self.finish(stored, InputResult("quarantined", reason))

    async def finish(self, stored: StoredInput, result: InputResult) -> None:
        """End the processing, and store the reply in the same transaction. Raises StoreUnavailable.

        Nothing is recorded if another process has claimed the input meanwhile.
        """
        reply = result.reply
        end = AttemptEnd(
            state=result.state,
            reason=escape_and_truncate(result.reason, MAX_REASON_LENGTH),
            at=self.clock.now(),
            reply=None if reply is None else _dump_reply(reply),
            reply_key=None if reply is None else reply.limit_key,
            max_replies=1 if reply is None else reply.max_count,
            has_wrong_code=result.has_wrong_code,
        )

        def finish_and_defer(connection: Connection) -> tuple[bool, bool]:
            is_recorded = raw_inputs.finish(connection, stored.id, stored.attempt, end)
            has_reply = is_recorded and bool(raw_inputs.list_replies(connection, input_id=stored.id))
            if has_reply and reply is not None and self.has_job_queue:
                defer_on(connection, reply_job(stored.id, reply.to))
            return is_recorded, has_reply

        on_commit = partial(self._notify_reply, stored.id)
        is_recorded, _ = await self.database.transaction(finish_and_defer, on_commit)
        if is_recorded and result.state == "quarantined":
            log(
                LogEvent.INPUT_QUARANTINED,
                level="warning",
                channel=stored.raw.channel,
                key=stored.id,
                reason=end.reason,
            )

    def _notify_reply(self, input_id: str, outcome: tuple[bool, bool]) -> None:
        for listener in self.reply_listeners if outcome[1] else ():
            listener(input_id)

    async def retry(self, stored: StoredInput, retry_after: float | None, *, is_expected: bool) -> None:
        """Let the input be processed again after a back-off of at most MAX_BACK_OFF_SECONDS. Raises StoreUnavailable.

        After RETRY_PERIOD quarantine it instead. An error that is not expected counts as an attempt without an end.
        """
        now = self.clock.now()
        if now - stored.raw.received_at >= RETRY_PERIOD:
            await self.finish(stored, InputResult("quarantined", "temporary errors for 24 hours"))
            return
        at = next_retry_at(stored.attempt, self.clock.jitter(), now, retry_after, MAX_BACK_OFF_SECONDS)
        await self._postpone(stored, at, is_ended=is_expected)

    async def release(self, stored: StoredInput) -> None:
        """End an attempt that was stopped with its process; the next one may begin at once. Raises StoreUnavailable."""
        await self._postpone(stored, None, is_ended=True)

    async def _postpone(self, stored: StoredInput, until: datetime | None, *, is_ended: bool) -> None:
        await self.database.transaction(
            lambda connection: raw_inputs.postpone(connection, stored.id, stored.attempt, until, is_ended=is_ended)
        )

    async def load_reply(self, input_id: str) -> tuple[InputReply, datetime] | None:
        """Return the pending reply to an input and the time at which it was stored; None if there is none."""
        replies = await self.database.read(partial(raw_inputs.list_replies, input_id=input_id))
        return next(((load_reply(reply), reply.created_at) for reply in replies), None)

    async def end_reply(self, input_id: str, state: str, sent: SentRecord | None = None) -> None:
        """Record that the reply was sent, or that it is undeliverable. Raises StoreUnavailable.

        `sent` is the record of a reply on a metered channel.
        """

        def end(connection: Connection) -> None:
            raw_inputs.end_reply(connection, input_id, state)
            if sent is not None:
                insert_sent(connection, sent)

        await self.database.transaction(end)


def input_job(input_id: str, group: InputGroup) -> Job:
    """Return a job that processes the inputs of the group if this one is still unprocessed.

    Jobs of a group run one after the other.
    """
    lock = f"input:{group.channel}:{group.name}"
    return Job("input", {"input": input_id}, lock=lock, queueing_lock=f"input:{input_id}")


def reply_job(input_id: str, to: Address) -> Job:
    """Return a job that sends the reply to an input, in the order of all messages to its destination."""
    return Job("input", {"reply": input_id}, lock=f"to:{to}", queueing_lock=f"reply:{input_id}")


def list_lost_jobs(connection: Connection, since: datetime) -> list[Job]:
    """Return jobs for the inputs and replies that should have made progress since then. A lost job is replaced."""
    inputs = (input_job(*row) for row in raw_inputs.list_unprocessed(connection, since))
    replies = raw_inputs.list_replies(connection, before=since)
    return [*inputs, *(reply_job(reply.input_id, load_reply(reply).to) for reply in replies)]


def _to_stored_input(claimed: ClaimedInput) -> StoredInput:
    stored = claimed.stored
    raw_input = RawInput(
        channel=stored.group.channel,
        key=stored.key,
        group=stored.group.name,
        received_at=stored.received_at,
        metadata=stored.metadata,
        content=stored.content,
        keeps_key=stored.keeps_key,
    )
    recent = claimed.recent
    return StoredInput(stored.id, raw_input, claimed.attempt, recent.count, recent.wrong_codes)


def _dump_reply(reply: InputReply) -> str:
    """Return the reply as JSON in ASCII, which every database can store."""
    return json.dumps(asdict(reply))


def load_reply(stored: StoredReply) -> InputReply:
    """Return a stored reply."""
    fields = json.loads(stored.content)
    context = ThreadContext(**fields.pop("context")) if fields["context"] is not None else fields.pop("context")
    if context is not None:
        context = replace(context, references=tuple(context.references))
    return InputReply(**fields | {"to": Address(fields["to"])}, context=context)
