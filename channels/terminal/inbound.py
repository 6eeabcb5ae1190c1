"""What is typed, understood: one line is one order or something to say. Pure; nothing here asks or tells anybody."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)  # as `handrail.toml` writes people and agents


@dataclass(frozen=True)
class Say:
    """Something to say to the agent."""

    text: str


@dataclass(frozen=True)
class Approve:
    """Approve the request with this code."""

    code: str
    comment: str | None = None


@dataclass(frozen=True)
class Deny:
    """Deny the request with this code."""

    code: str
    comment: str | None = None


@dataclass(frozen=True)
class Edit:
    """Approve the request with other arguments."""

    code: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class AnswerQuestion:
    """Answer the question with this code."""

    code: str
    text: str


@dataclass(frozen=True)
class SpeakAs:
    """Speak and decide as this person from now on."""

    person: str


@dataclass(frozen=True)
class ListThreads:
    """Show the threads there are."""


@dataclass(frozen=True)
class SwitchTo:
    """Go on in this thread."""

    thread_id: str


@dataclass(frozen=True)
class ListRequests:
    """Show what waits for an answer."""


@dataclass(frozen=True)
class StartNew:
    """Begin a new thread with the next thing said; None keeps the agent."""

    agent: str | None = None


@dataclass(frozen=True)
class ShowHelp:
    """Show what can be typed."""


@dataclass(frozen=True)
class Quit:
    """Leave. The thread goes on without us."""


@dataclass(frozen=True)
class Misunderstood:
    """What was typed makes no sense; `hint` says what to type instead."""

    hint: str


Typed = (
    Say
    | Approve
    | Deny
    | Edit
    | AnswerQuestion
    | SpeakAs
    | ListThreads
    | SwitchTo
    | ListRequests
    | StartNew
    | ShowHelp
    | Quit
    | Misunderstood
)

Decisive = Approve | Deny | Edit | AnswerQuestion
"""What answers a request."""

Parse = Callable[[str], Typed]


def parse(line: str) -> Typed | None:
    """What a line means; None for an empty one. A line that starts with two slashes is said with one of them."""
    text = line.strip()
    if not text:
        return None
    if not text.startswith("/"):
        return Say(text)
    if text.startswith("//"):
        return Say(text[1:])
    order, _, rest = text[1:].partition(" ")
    return _order(order.lower(), rest.strip())


def decision(order: Decisive) -> dict[str, Any]:
    """The order as the API takes it (CONTRACT §4)."""
    match order:
        case Approve(_, comment):
            return {"decision": "approve", "comment": comment}
        case Deny(_, comment):
            return {"decision": "deny", "comment": comment}
        case Edit(_, arguments):
            return {"decision": "edit", "arguments": arguments}
        case AnswerQuestion(_, text):
            return {"decision": "answer", "text": text}


def _order(order: str, rest: str) -> Typed:
    if order in _PARSERS:
        return _PARSERS[order](rest)
    close = get_close_matches(order, _PARSERS, n=1)
    return Misunderstood(f"there is no /{order[:40]}; " + (f"did you mean /{close[0]}?" if close else "see /help"))


def _approve(rest: str) -> Typed:
    code, text = _code_and_text(rest)
    return Approve(code, text or None) if code else Misunderstood("/approve CODE, perhaps with a comment behind it")


def _deny(rest: str) -> Typed:
    code, text = _code_and_text(rest)
    return Deny(code, text or None) if code else Misunderstood("/deny CODE, best with the reason behind it")


def _answer(rest: str) -> Typed:
    code, text = _code_and_text(rest)
    return AnswerQuestion(code, text) if text else Misunderstood("/answer CODE and the answer")


def _edit(rest: str) -> Typed:
    code, text = _code_and_text(rest)
    try:
        arguments = json.loads(text)
    except (ValueError, RecursionError):
        arguments = None
    if not isinstance(arguments, dict):
        return Misunderstood('/edit CODE and the new arguments as JSON, like {"tag": "v1.4.1"}')
    return Edit(code, arguments)


def _as(rest: str) -> Typed:
    name = rest.lower()
    return SpeakAs(name) if _NAME.fullmatch(name) else Misunderstood("/as and the name of a person, like /as alice")


def _thread(rest: str) -> Typed:
    return SwitchTo(rest) if rest and " " not in rest else Misunderstood("/thread and an id out of /threads")


def _new(rest: str) -> Typed:
    name = rest.lower()
    known = not name or _NAME.fullmatch(name)
    return StartNew(name or None) if known else Misunderstood("/new, perhaps with the name of an agent behind it")


def _code_and_text(rest: str) -> tuple[str, str]:
    code, _, text = rest.partition(" ")
    return code.strip("[]").upper(), text.strip()


_PARSERS: dict[str, Parse] = {
    "approve": _approve,
    "deny": _deny,
    "answer": _answer,
    "edit": _edit,
    "as": _as,
    "threads": lambda _: ListThreads(),
    "thread": _thread,
    "requests": lambda _: ListRequests(),
    "new": _new,
    "help": lambda _: ShowHelp(),
    "quit": lambda _: Quit(),
    "exit": lambda _: Quit(),
}

HELP = (
    ("/approve CODE [comment]", "approve what is asked"),
    ("/deny CODE why", "deny it, and tell the agent why"),
    ("/edit CODE {json}", "approve it with other arguments"),
    ("/answer CODE text", "answer a question"),
    ("/requests", "what waits for an answer"),
    ("/threads", "the latest threads"),
    ("/thread ID", "go on in another thread"),
    ("/new [agent]", "begin a new thread"),
    ("/as alice", "speak and decide as somebody else (needs a token that may)"),
    ("/quit", "leave; the thread goes on"),
)
"""What can be typed, and what it does."""
