"""The one checker: what must hold of a database and of what the outside saw, whatever was killed when.

The numbers and sentences are those of the reference's list of invariants. What is wrong comes back in words. Those
marked `at_heal` hold once everybody has had the time to finish; all others hold at every commit.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from tests.crashes.approval_checks import unapproved_calls
from tests.crashes.snapshot import LoggedRow, SystemSnapshot
from tests.crashes.tool_calls import tool_call_histories

InvariantCheck = Callable[[SystemSnapshot], Iterator[str]]
Arrival = tuple[str, datetime]
"""When something came in, and to which thread."""
INBOUND_EVENT_TYPES = ("MessageReceived", "MessageEdited", "MessageDeleted", "RequestAnswered", "ThreadCancelled")
"""The events that somebody outside is the cause of."""
JOURNALED_DESTINATIONS = ("pager:", "slack:")
"""Where messages leave of which it is known what was taken."""


@dataclass(frozen=True)
class Invariant:
    """One thing that must hold."""

    number: int
    description: str
    check: InvariantCheck
    is_eventual: bool


INVARIANTS: list[Invariant] = []


def invariant(
    number: int, description: str, *, is_eventual: bool = False
) -> Callable[[InvariantCheck], InvariantCheck]:
    """Put a function among the invariants."""

    def declare(find: InvariantCheck) -> InvariantCheck:
        INVARIANTS.append(Invariant(number, description, find, is_eventual))
        return find

    return declare


def find_violations(snapshot: SystemSnapshot, *, is_settled: bool) -> list[str]:
    """All that is wrong; nothing when all is well."""
    return [
        f"no. {each.number}, {each.description}: {found}"
        for each in INVARIANTS
        if is_settled or not each.is_eventual
        for found in each.check(snapshot)
    ]


@invariant(1, "the events of a thread are numbered 1 to n, without a gap and without a repeat")
def contiguity(snapshot: SystemSnapshot) -> Iterator[str]:
    """Logs are no hash chains yet; when they are, the chain is checked here."""
    for thread, row in snapshot.threads.items():
        numbers = [event.seq for event in snapshot.logs.get(thread, ())]
        if numbers != list(range(1, row.version + 1)):
            yield f"{thread} is at {row.version} and holds {numbers}"


@invariant(2, "what was once in a log stays there, unchanged")
def append_only(snapshot: SystemSnapshot) -> Iterator[str]:
    if snapshot.earlier is not None:
        for thread, earlier in snapshot.earlier.logs.items():
            if list(snapshot.logs.get(thread, ()))[: len(earlier)] != list(earlier):
                yield f"{thread} does not begin with what was seen of it before"


@invariant(3, "what was answered with a 2xx is in the inbox once and in the log once")
def acknowledged_is_durable(snapshot: SystemSnapshot) -> Iterator[str]:
    names = Counter((row.channel, row.key) for row in snapshot.inbox)
    caused = Counter(_cause(event) for event in snapshot.of_type(*INBOUND_EVENT_TYPES))
    for answer in snapshot.http_responses:
        if not _is_accepted(answer):
            continue
        if (found := names[_inbox_key(answer)]) != 1:
            yield f"{answer['key']} was accepted and is in the inbox {found} times"
        if (found := caused[_expected_cause(answer)]) != 1:
            yield f"{answer['key']} was accepted and is in the log {found} times"


def _is_accepted(answer: Any) -> bool:
    return bool(200 <= answer["status"] < 300)


def _inbox_key(answer: Any) -> tuple[str, str]:
    return f"web:{answer['by']}", f"POST {answer['path']} {answer['key']}"


def _expected_cause(answer: Any) -> tuple[str, ...]:
    """What in a log an accepted request is the cause of."""
    if answer["path"].endswith("/answer"):
        return "RequestAnswered", answer["id"], f"person:{answer['by']}"
    if answer["path"].endswith("/cancel"):
        return "ThreadCancelled", answer["id"], f"person:{answer['by']}"
    return "MessageReceived", answer["id"], answer["body"].get("message") or answer["body"]["text"]


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


@invariant(4, "what came in under one name is in a log once")
def inbound_once(snapshot: SystemSnapshot) -> Iterator[str]:
    came_in, passed_over = _count_arrivals(snapshot)
    stands = Counter({(event.thread_id, event.at) for event in snapshot.of_type(*INBOUND_EVENT_TYPES)})
    for thread, at in (came_in - passed_over - stands) + (stands - came_in):
        yield f"{thread} has {came_in[thread, at]} names and {stands[thread, at]} causes of {at}"
    said = Counter(_cause(event)[2] for event in snapshot.of_type("MessageReceived"))
    yield from (f"{text!r} was said once and is in the logs {n} times" for text, n in said.items() if n > 1)


def _count_arrivals(snapshot: SystemSnapshot) -> tuple[Counter[Arrival], Counter[Arrival]]:
    """What came in, and what of it may have been passed over: a change of a message that was nothing new.

    On Slack one thing has several names, which count as one.
    """
    on_slack = [row for row in snapshot.inbox if row.channel == "slack"]
    named = Counter((row.thread_id, row.at) for row in snapshot.inbox if row.channel != "slack")
    changes = (row for row in on_slack if row.key.startswith(("edit:", "delete:")))
    arrived = Counter({(row.thread_id, row.at) for row in on_slack})
    return named | arrived, Counter({(row.thread_id, row.at) for row in changes})


@invariant(4, "a place outside leads to the thread that is there, and to no other")
def conversations_match_logs(snapshot: SystemSnapshot) -> Iterator[str]:
    kept = {(row.place.partition(":")[2], row.thread_id) for row in snapshot.conversations if row.channel == "slack"}
    there = {(place, thread) for thread, log in snapshot.logs.items() for place in _conversation_keys(log)}
    yield from (f"what is said at {place} does not reach {thread}" for place, thread in there - kept)
    yield from (f"{place} leads to {thread}, which is not there" for place, thread in kept - there)


def _conversation_keys(log: Sequence[LoggedRow]) -> Iterator[str]:
    """Where on Slack a thread was opened, and where messages of its own began something: not those a fork copied."""
    own = 1 + max((event.seq for event in log if event.type == "ThreadForked"), default=-1)
    if not own and log[1].data.get("source", "").startswith("slack:"):
        yield log[0].data["origin"].removeprefix("slack:")
    for event in log[own:]:
        if (started := event.data.get("receipt", {}).get("started")) is not None:
            yield started["conversation_key"].partition(":")[2]


@invariant(5, "what is kept of a thread is what its log folds to")
def determinism(snapshot: SystemSnapshot) -> Iterator[str]:
    yield from (f"{thread} folds to something else" for thread, same in snapshot.replay_matches.items() if not same)


@invariant(6, "what needs an approval starts with one, by people whose words did not lead to it")
def approvals_precede_calls(snapshot: SystemSnapshot) -> Iterator[str]:
    for thread, log in snapshot.logs.items():
        yield from (f"{thread}: {found}" for found in unapproved_calls(log))


@invariant(7, "a deed is done once, and again only as its class allows")
def at_most_once(snapshot: SystemSnapshot) -> Iterator[str]:
    done = Counter(deed["key"] for deed in snapshot.side_effects)
    for call in tool_call_histories(snapshot):
        allowed = {"once": 1 + call.retry_orders, "verifiable": 1 + call.retry_orders}.get(call.effect)
        if allowed is not None and done[call.key] > allowed:
            yield f"{call.tool} ({call.effect}) was done {done[call.key]} times under {call.key}"
    keys = {(deed["tool"], deed["order"], deed["key"]) for deed in snapshot.side_effects if deed["order"]}
    for (tool, order), n in Counter((tool, order) for tool, order, _ in keys).items():
        if n > 1:
            yield f"{tool} {order} was done under {n} keys"
    handed = Counter((entry["key"], entry["pid"]) for entry in snapshot.sent_messages)
    yield from (f"one process handed {key} over {n} times" for (key, _), n in handed.items() if n > 1)


@invariant(8, "every call has an end, every message has left, no thread is at work", is_eventual=True)
def all_work_finished(snapshot: SystemSnapshot) -> Iterator[str]:
    yield from (f"{call.tool} {call.key} has no end" for call in tool_call_histories(snapshot) if not call.outcomes)
    yield from (f"{row.key} of {row.thread_id} is still to be sent" for row in snapshot.outbox)
    yield from (f"{row.id} is at work" for row in snapshot.threads.values() if row.unfinished)
    yield from (f"request {row.id} is still open" for row in snapshot.requests.values() if row.status == "open")
    taken = {entry["ref"] for entry in snapshot.sent_messages}
    for event in snapshot.of_type("RequestShown", "MessageSent"):
        if event.data["to"].startswith(JOURNALED_DESTINATIONS) and event.data["receipt"]["ref"] not in taken:
            yield f"{event.data['key']} was never taken by its channel"


@invariant(9, "of every doubt a person is asked")
def unknown_outcomes_open_requests(snapshot: SystemSnapshot) -> Iterator[str]:
    for call in tool_call_histories(snapshot):
        asked = sum(purpose == "outcome" for purpose in call.requests.values())
        if asked != len(call.unknown_outcome_events):
            yield f"{call.key} was in doubt {len(call.unknown_outcome_events)} times, and asked about {asked} times"


@invariant(9, "of every doubt a person was told", is_eventual=True)
def unknown_outcomes_are_reported(snapshot: SystemSnapshot) -> Iterator[str]:
    told = {entry["request"] for entry in snapshot.sent_messages if entry["kind"] == "card"}
    for call in tool_call_histories(snapshot):
        for request in (r for r, purpose in call.requests.items() if purpose == "outcome" and r not in told):
            yield f"no card of {request} ever left"
    replied = {entry["key"].partition(":")[0] for entry in snapshot.sent_messages if "cannot tell" in entry["text"]}
    for call in tool_call_histories(snapshot):
        if call.has_unknown_outcome and call.called_event.thread_id not in replied:
            yield f"{call.key} was cancelled in doubt, and nobody was told"


@invariant(10, "a request ends once, and whoever came later was told so")
def single_decision(snapshot: SystemSnapshot) -> Iterator[str]:
    ends: dict[str, list[str]] = {request: [] for request in snapshot.requests}
    for event in snapshot.of_type("RequestAnswered", "RequestExpired", "RequestSuperseded"):
        if (end := _final_status(event)) is not None:
            ends.setdefault(event.data["request_id"], []).append(end)
    winners = Counter(a["id"] for a in snapshot.http_responses if _is_accepted(a) and a["path"].endswith("/answer"))
    for request, how in ends.items():
        if len(how) > 1:
            yield f"{request} ended as {' and '.join(how)}"
        row = snapshot.requests.get(request)
        if row is None or (row.status not in (*how, "cancelled") if how else row.status not in ("open", "cancelled")):
            yield f"{request} ended as {how} and is kept as {row and row.status}"
        if winners[request] > 1:
            yield f"{winners[request]} people were told that they decided {request}"


def _final_status(event: LoggedRow) -> str | None:
    """How the event ends its request; None when it leaves it open."""
    if event.type == "RequestAnswered":
        status: str = event.data["status"]
        return None if status == "open" else status
    if event.type == "RequestExpired":
        return None if event.data["on_expire"] == "hold" else "expired"
    return "superseded"


@invariant(11, "nobody decides what has run out")
def no_decision_after_expiry(snapshot: SystemSnapshot) -> Iterator[str]:
    over = _expiry_times(snapshot)
    for event in snapshot.of_type("RequestAnswered"):
        request = event.data["request_id"]
        if event.data["answer"]["counted"] and event.at >= over[request]:
            yield f"{request} ran out at {over[request]} and was decided at {event.at}"


def _expiry_times(snapshot: SystemSnapshot) -> dict[str, datetime]:
    opened = ((event.at, event.data["request"]) for event in snapshot.of_type("RequestOpened"))
    return {asked["id"]: at + timedelta(seconds=asked["policy"]["ask"]["expires"]) for at, asked in opened}


@invariant(13, "nothing is done by who is not, or no longer, in charge")
def fencing(snapshot: SystemSnapshot) -> Iterator[str]:
    """The fence is the version: no deed without its own start in the log, no step but on the latest event."""
    calls = tool_call_histories(snapshot)
    starts = Counter(key for call in calls for key in call.keys)
    for key, n in Counter(deed["key"] for deed in snapshot.side_effects).items():
        if n > starts[key]:
            yield f"{key} was done {n} times and started {starts[key]} times"
    for call in calls:
        if call.attempts != list(range(1, len(call.attempts) + 1)) or set(call.keys) - {call.key}:
            yield f"{call.key} was started as {call.attempts} under {call.keys}"
    for event in snapshot.of_type("StepChosen"):
        if event.data["based_on"] != event.seq - 1:
            yield f"{event.thread_id} {event.seq} was chosen when it had {event.data['based_on']} events"


@invariant(15, "a deadline is reported once, and never early")
def timer_once(snapshot: SystemSnapshot) -> Iterator[str]:
    for log in snapshot.logs.values():
        yield from _timer_violations(log)
    told = Counter(
        (event.data["request_id"], event.type, event.data.get("nth"))
        for event in snapshot.of_type("RequestExpired", "RequestReminded", "RequestEscalated")
    )
    yield from (f"{request}: {what} {nth or ''} came {n} times" for (request, what, nth), n in told.items() if n > 1)
    over = _expiry_times(snapshot)
    for event in snapshot.of_type("RequestExpired"):
        if event.at < over[event.data["request_id"]]:
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


@invariant(17, "what came in was appended, known already, or refused; a call ends in one way")
def inbound_and_calls_are_accounted_for(snapshot: SystemSnapshot) -> Iterator[str]:
    names = {(row.channel, row.key) for row in snapshot.inbox}
    for answer in snapshot.http_responses:
        if not _is_accepted(answer) and _inbox_key(answer) in names:
            yield f"{answer['key']} was refused with {answer['status']} and kept all the same"
    for call in tool_call_histories(snapshot):
        if len(call.outcomes) > 1:
            yield f"{call.key} ended as {' and '.join(call.outcomes)}"
    known = {call.called_event.data["call_id"] for call in tool_call_histories(snapshot)}
    for event in snapshot.of_type("ToolStarted", "ToolSucceeded", "ToolFailed", "ToolOutcomeUnknown"):
        if event.data["call_id"] not in known:
            yield f"{event.thread_id} {event.seq}: {event.type} of a call that was never made"


@invariant(17, "all that is in the inbox was answered", is_eventual=True)
def inbox_entries_were_answered(snapshot: SystemSnapshot) -> Iterator[str]:
    accepted = {_inbox_key(answer) for answer in snapshot.http_responses if _is_accepted(answer)}
    kept = {(row.channel, row.key) for row in snapshot.inbox if row.channel.startswith("web:")}
    yield from chain(
        (f"{key} is kept, and nobody was told" for _, key in kept - accepted),
        (f"{key} was accepted, and is not kept" for _, key in accepted - kept),
    )
