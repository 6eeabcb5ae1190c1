"""Invariants of the database and of the journals that hold after any kill.

The numbers only identify the invariants, and parts of one invariant share a number. Violations are returned as texts.
Invariants marked `is_eventual` hold once all work has finished; all others hold at every commit.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from tests.crashes.approval_checks import find_unapproved_calls
from tests.crashes.snapshot import LoggedRow, SystemSnapshot
from tests.crashes.tool_calls import tool_call_histories

InvariantCheck = Callable[[SystemSnapshot], Iterator[str]]
Arrival = tuple[str, datetime]
"""Thread id and time of a message, an answer or another event from outside."""
INBOUND_EVENT_TYPES = ("MessageReceived", "MessageEdited", "MessageDeleted", "RequestAnswered", "ThreadCancelled")
"""Event types that have a cause outside of Handrail."""
JOURNALED_DESTINATIONS = ("pager:", "slack:")
"""Prefixes of addresses whose channels write a journal of sent messages."""


@dataclass(frozen=True)
class Invariant:
    """One condition that must hold."""

    number: int
    description: str
    check: InvariantCheck
    is_eventual: bool


INVARIANTS: list[Invariant] = []


def invariant(
    number: int, description: str, *, is_eventual: bool = False
) -> Callable[[InvariantCheck], InvariantCheck]:
    """Register a function as an invariant."""

    def register(check: InvariantCheck) -> InvariantCheck:
        INVARIANTS.append(Invariant(number, description, check, is_eventual))
        return check

    return register


def find_violations(snapshot: SystemSnapshot, *, is_work_finished: bool) -> list[str]:
    """Return all violations as texts. Eventual invariants are checked only if `is_work_finished`."""
    return [
        f"no. {each.number}, {each.description}: {violation}"
        for each in INVARIANTS
        if is_work_finished or not each.is_eventual
        for violation in each.check(snapshot)
    ]


@invariant(1, "the events of a thread are numbered 1 to n without gaps or repeats")
def check_event_numbers(snapshot: SystemSnapshot) -> Iterator[str]:
    """Compare the numbers of the events with the version of the thread. Logs have no hash chain to check."""
    for thread, row in snapshot.threads.items():
        numbers = [event.seq for event in snapshot.logs.get(thread, ())]
        if numbers != list(range(1, row.version + 1)):
            yield f"{thread} is at {row.version} and holds {numbers}"


@invariant(2, "events in a log never change")
def check_events_are_append_only(snapshot: SystemSnapshot) -> Iterator[str]:
    if snapshot.earlier is not None:
        for thread, earlier in snapshot.earlier.logs.items():
            if list(snapshot.logs.get(thread, ()))[: len(earlier)] != list(earlier):
                yield f"{thread} does not begin with its earlier events"


@invariant(3, "a request answered with 2xx is in the inbox once and in the log once")
def check_accepted_requests_are_stored(snapshot: SystemSnapshot) -> Iterator[str]:
    keys = Counter((row.channel, row.key) for row in snapshot.inbox)
    causes = Counter(_cause(event) for event in snapshot.events_of_type(*INBOUND_EVENT_TYPES))
    for response in snapshot.http_responses:
        if not _is_accepted(response):
            continue
        if (count := keys[_inbox_key(response)]) != 1:
            yield f"{response['key']} was accepted and is in the inbox {count} times"
        if (count := causes[_expected_cause(response)]) != 1:
            yield f"{response['key']} was accepted and is in the log {count} times"


def _is_accepted(response: Any) -> bool:
    return bool(200 <= response["status"] < 300)


def _inbox_key(response: Any) -> tuple[str, str]:
    return f"web:{response['by']}", f"POST {response['path']} {response['key']}"


def _expected_cause(response: Any) -> tuple[str, ...]:
    """Return the key of the event that an accepted HTTP request must have caused."""
    if response["path"].endswith("/answer"):
        return "RequestAnswered", response["id"], f"person:{response['by']}"
    if response["path"].endswith("/cancel"):
        return "ThreadCancelled", response["id"], f"person:{response['by']}"
    return "MessageReceived", response["id"], response["body"].get("message") or response["body"]["text"]


def _cause(event: LoggedRow) -> tuple[str, ...]:
    match event.type:
        case "RequestAnswered":
            return event.type, event.data["request_id"], event.actor
        case "ThreadCancelled":
            return event.type, event.thread_id, event.actor
        case "MessageEdited" | "MessageDeleted":
            return event.type, event.thread_id, event.data["ref"]
        case _:
            return event.type, event.thread_id, event.data["text"]


@invariant(4, "a message or answer from outside is in the log once")
def check_arrivals_are_logged_once(snapshot: SystemSnapshot) -> Iterator[str]:
    arrivals, ignorable = _count_arrivals(snapshot)
    causes = Counter({(event.thread_id, event.at) for event in snapshot.events_of_type(*INBOUND_EVENT_TYPES)})
    for thread, at in (arrivals - ignorable - causes) + (causes - arrivals):
        yield f"{thread} has {arrivals[thread, at]} inbox keys and {causes[thread, at]} events of {at}"
    texts = Counter(_cause(event)[2] for event in snapshot.events_of_type("MessageReceived"))
    yield from (f"message {text!r} is in the logs {n} times" for text, n in texts.items() if n > 1)


def _count_arrivals(snapshot: SystemSnapshot) -> tuple[Counter[Arrival], Counter[Arrival]]:
    """Count all arrivals, and those that may lack an event: a change of a message without new text is ignored.

    Several dedup keys of one Slack arrival count once.
    """
    on_slack = [row for row in snapshot.inbox if row.channel == "slack"]
    from_others = Counter((row.thread_id, row.at) for row in snapshot.inbox if row.channel != "slack")
    changes = (row for row in on_slack if row.key.startswith(("edit:", "delete:")))
    from_slack = Counter({(row.thread_id, row.at) for row in on_slack})
    return from_others | from_slack, Counter({(row.thread_id, row.at) for row in changes})


@invariant(4, "a Slack conversation is linked to the thread that was opened there, and to no other")
def check_conversations_match_logs(snapshot: SystemSnapshot) -> Iterator[str]:
    linked = {(row.place.partition(":")[2], row.thread_id) for row in snapshot.conversations if row.channel == "slack"}
    expected = {(key, thread) for thread, log in snapshot.logs.items() for key in _conversation_keys(log)}
    yield from (f"{key} is not linked to {thread}" for key, thread in expected - linked)
    yield from (f"{key} is linked to {thread} by mistake" for key, thread in linked - expected)


def _conversation_keys(log: Sequence[LoggedRow]) -> Iterator[str]:
    """Yield the Slack conversations that a thread or its own messages started, without those a fork copied."""
    own = 1 + max((event.seq for event in log if event.type == "ThreadForked"), default=-1)
    if not own and log[1].data.get("source", "").startswith("slack:"):
        yield log[0].data["origin"].removeprefix("slack:")
    for event in log[own:]:
        if (started := event.data.get("receipt", {}).get("started")) is not None:
            yield started["conversation_key"].partition(":")[2]


@invariant(5, "the stored state of a thread equals its folded log")
def check_states_match_logs(snapshot: SystemSnapshot) -> Iterator[str]:
    yield from (f"{thread} does not match its log" for thread, same in snapshot.replay_matches.items() if not same)


@invariant(6, "a call that needs an approval starts with one, by people who did not request it")
def check_approvals_precede_calls(snapshot: SystemSnapshot) -> Iterator[str]:
    for thread, log in snapshot.logs.items():
        yield from (f"{thread}: {violation}" for violation in find_unapproved_calls(log))


@invariant(7, "a tool runs once, and again only as its effect class allows")
def check_side_effects_are_not_repeated(snapshot: SystemSnapshot) -> Iterator[str]:
    runs = Counter(side_effect["key"] for side_effect in snapshot.side_effects)
    for call in tool_call_histories(snapshot):
        allowed = {"once": 1 + call.retry_answers, "verifiable": 1 + call.retry_answers}.get(call.effect_class)
        if allowed is not None and runs[call.key] > allowed:
            yield f"{call.tool} ({call.effect_class}) ran {runs[call.key]} times under {call.key}"
    keys = {
        (side_effect["tool"], side_effect["order"], side_effect["key"])
        for side_effect in snapshot.side_effects
        if side_effect["order"]
    }
    for (tool, order), n in Counter((tool, order) for tool, order, _ in keys).items():
        if n > 1:
            yield f"{tool} {order} ran under {n} keys"
    sent = Counter((entry["key"], entry["pid"]) for entry in snapshot.sent_messages)
    yield from (f"one process sent {key} {n} times" for (key, _), n in sent.items() if n > 1)


@invariant(8, "every call has an outcome, every message was sent, no thread is unfinished", is_eventual=True)
def check_all_work_is_finished(snapshot: SystemSnapshot) -> Iterator[str]:
    yield from (f"{call.tool} {call.key} has no outcome" for call in tool_call_histories(snapshot) if not call.outcomes)
    yield from (f"{row.key} of {row.thread_id} was not sent" for row in snapshot.outbox)
    yield from (f"{row.id} is unfinished" for row in snapshot.threads.values() if row.unfinished)
    yield from (f"request {row.id} is still open" for row in snapshot.requests.values() if row.status == "open")
    sent = {entry["ref"] for entry in snapshot.sent_messages}
    for event in snapshot.events_of_type("RequestShown", "MessageSent"):
        if event.data["to"].startswith(JOURNALED_DESTINATIONS) and event.data["receipt"]["ref"] not in sent:
            yield f"{event.data['key']} was recorded, but its channel never sent it"


@invariant(9, "a person is asked about each unknown outcome")
def check_unknown_outcomes_open_requests(snapshot: SystemSnapshot) -> Iterator[str]:
    for call in tool_call_histories(snapshot):
        requests = sum(purpose == "outcome" for purpose in call.request_purposes.values())
        if requests != len(call.unknown_outcome_events):
            yield f"{call.key} has {len(call.unknown_outcome_events)} unknown outcomes and {requests} requests"


@invariant(9, "a card was sent for each unknown outcome", is_eventual=True)
def check_unknown_outcomes_are_reported(snapshot: SystemSnapshot) -> Iterator[str]:
    shown = {entry["request"] for entry in snapshot.sent_messages if entry["kind"] == "card"}
    for call in tool_call_histories(snapshot):
        for request in (r for r, purpose in call.request_purposes.items() if purpose == "outcome" and r not in shown):
            yield f"no card of {request} was sent"
    threads_with_reply = {
        entry["key"].partition(":")[0]
        for entry in snapshot.sent_messages
        if "do not know the outcome of this call" in entry["text"]
    }
    for call in tool_call_histories(snapshot):
        if call.has_unknown_outcome and call.called_event.thread_id not in threads_with_reply:
            yield f"{call.key} was cancelled with an unknown outcome, which no reply says"


@invariant(10, "a request is settled once, and later answers are rejected")
def check_requests_are_settled_once(snapshot: SystemSnapshot) -> Iterator[str]:
    statuses: dict[str, list[str]] = {request: [] for request in snapshot.requests}
    for event in snapshot.events_of_type("RequestAnswered", "RequestExpired", "RequestSuperseded"):
        if (status := _final_status(event)) is not None:
            statuses.setdefault(event.data["request_id"], []).append(status)
    winners = Counter(a["id"] for a in snapshot.http_responses if _is_accepted(a) and a["path"].endswith("/answer"))
    for request, settled in statuses.items():
        if len(settled) > 1:
            yield f"{request} was settled as {' and '.join(settled)}"
        row = snapshot.requests.get(request)
        if row is None or (
            row.status not in (*settled, "cancelled") if settled else row.status not in ("open", "cancelled")
        ):
            yield f"{request} was settled as {settled} and is stored as {row and row.status}"
        if winners[request] > 1:
            yield f"{winners[request]} people got a 2xx for deciding {request}"


def _final_status(event: LoggedRow) -> str | None:
    """Return the status in which the event ends its request, None if the request stays open."""
    if event.type == "RequestAnswered":
        status: str = event.data["status"]
        return None if status == "open" else status
    if event.type == "RequestExpired":
        return None if event.data["on_expire"] == "hold" else "expired"
    return "superseded"


@invariant(11, "an expired request is not decided")
def check_expired_requests_are_not_decided(snapshot: SystemSnapshot) -> Iterator[str]:
    expiry_times = _expiry_times(snapshot)
    for event in snapshot.events_of_type("RequestAnswered"):
        request = event.data["request_id"]
        if event.data["answer"]["counted"] and event.at >= expiry_times[request]:
            yield f"{request} expired at {expiry_times[request]} and was decided at {event.at}"


def _expiry_times(snapshot: SystemSnapshot) -> dict[str, datetime]:
    opened = ((event.at, event.data["request"]) for event in snapshot.events_of_type("RequestOpened"))
    return {request["id"]: at + timedelta(seconds=request["policy"]["ask"]["expires"]) for at, request in opened}


@invariant(13, "only the owner of a thread acts for it")
def check_only_the_owner_acts(snapshot: SystemSnapshot) -> Iterator[str]:
    """Check that each side effect has its ToolStarted, and that each step was chosen on the latest event."""
    calls = tool_call_histories(snapshot)
    starts = Counter(key for call in calls for key in call.keys)
    for key, n in Counter(side_effect["key"] for side_effect in snapshot.side_effects).items():
        if n > starts[key]:
            yield f"{key} ran {n} times and was started {starts[key]} times"
    for call in calls:
        if call.attempts != list(range(1, len(call.attempts) + 1)) or set(call.keys) - {call.key}:
            yield f"{call.key} was started with attempts {call.attempts} under {call.keys}"
    for event in snapshot.events_of_type("StepChosen"):
        if event.data["based_on"] != event.seq - 1:
            yield f"{event.thread_id} {event.seq} was chosen on {event.data['based_on']} events"


@invariant(15, "a deadline is reported once, and never early")
def check_deadlines_are_reported_once(snapshot: SystemSnapshot) -> Iterator[str]:
    for log in snapshot.logs.values():
        yield from _timer_violations(log)
    reported = Counter(
        (event.data["request_id"], event.type, event.data.get("nth"))
        for event in snapshot.events_of_type("RequestExpired", "RequestReminded", "RequestEscalated")
    )
    yield from (
        f"{request}: {event_type} {nth or ''} was reported {n} times"
        for (request, event_type, nth), n in reported.items()
        if n > 1
    )
    expiry_times = _expiry_times(snapshot)
    for event in snapshot.events_of_type("RequestExpired"):
        if event.at < expiry_times[event.data["request_id"]]:
            yield f"{event.data['request_id']} expired early"


def _timer_violations(log: Any) -> Iterator[str]:
    due: datetime | None = None
    for event in log:
        if event.type == "TimerSet":
            due = datetime.fromisoformat(event.data["fires_at"])
        elif event.type == "TimerFired" and (due is None or event.at < due):
            yield f"{event.thread_id} {event.seq}: a timer fired {'twice' if due is None else 'early'}"
        if event.type in ("TimerFired", "MessageReceived"):
            due = None


@invariant(17, "an arrival was stored, a duplicate or rejected; a call has at most one outcome")
def check_arrivals_and_calls_are_accounted_for(snapshot: SystemSnapshot) -> Iterator[str]:
    keys = {(row.channel, row.key) for row in snapshot.inbox}
    for response in snapshot.http_responses:
        if not _is_accepted(response) and _inbox_key(response) in keys:
            yield f"{response['key']} was rejected with {response['status']} and is in the inbox"
    for call in tool_call_histories(snapshot):
        if len(call.outcomes) > 1:
            yield f"{call.key} has the outcomes {' and '.join(call.outcomes)}"
    known = {call.called_event.data["call_id"] for call in tool_call_histories(snapshot)}
    for event in snapshot.events_of_type("ToolStarted", "ToolSucceeded", "ToolFailed", "ToolOutcomeUnknown"):
        if event.data["call_id"] not in known:
            yield f"{event.thread_id} {event.seq}: {event.type} of an unknown call"


@invariant(17, "each inbox entry was answered", is_eventual=True)
def check_inbox_entries_were_answered(snapshot: SystemSnapshot) -> Iterator[str]:
    accepted = {_inbox_key(response) for response in snapshot.http_responses if _is_accepted(response)}
    stored = {(row.channel, row.key) for row in snapshot.inbox if row.channel.startswith("web:")}
    yield from chain(
        (f"{key} is in the inbox and was not answered" for _, key in stored - accepted),
        (f"{key} was accepted and is not in the inbox" for _, key in accepted - stored),
    )
