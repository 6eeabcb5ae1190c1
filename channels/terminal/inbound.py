"""What is typed, understood: one line is one order or something to say. Pure; nothing here asks or tells anybody."""

import re
from collections.abc import Callable
from difflib import get_close_matches

from channels.terminal.edits import changes_in
from channels.terminal.orders import (
    AnswerQuestion,
    Approve,
    Deny,
    Edit,
    ListAgents,
    ListRequests,
    ListThreads,
    Misunderstood,
    Quit,
    Say,
    ShowHelp,
    SpeakAs,
    StartNew,
    Steer,
    SwitchTo,
    Typed,
    WhoAmI,
)

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)  # as `handrail.toml` writes people and agents

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


def _order(order: str, rest: str) -> Typed:
    if order in _PARSERS:
        return _PARSERS[order](rest)
    close = get_close_matches(order, _PARSERS, n=1)
    return Misunderstood(f"there is no /{order[:40]}; " + (f"did you mean /{close[0]}?" if close else "see /help"))


def _approve(rest: str) -> Typed:
    code, text = _code_and_text(rest)
    return Approve(code or None, text or None)


def _deny(rest: str) -> Typed:
    code, text = _code_and_text(rest)
    return Deny(code, text or None) if code else Misunderstood("/deny CODE, best with the reason behind it")


def _answer(rest: str) -> Typed:
    code, text = _code_and_text(rest)
    return AnswerQuestion(code, text) if text else Misunderstood("/answer CODE and the answer")


def _edit(rest: str) -> Typed:
    code, text = _code_and_text(rest)
    changes = changes_in(text)
    if changes is None:
        return Misunderstood('/edit CODE and what to change, like tag=v1.4.1 or note="two words"; the rest stays')
    return Edit(code, changes)


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
    "requests": lambda rest: ListRequests(is_all=rest.lower() == "all"),
    "new": _new,
    "pause": lambda _: Steer("pause"),
    "resume": lambda _: Steer("resume"),
    "cancel": lambda _: Steer("cancel"),
    "agents": lambda _: ListAgents(),
    "whoami": lambda _: WhoAmI(),
    "help": lambda _: ShowHelp(),
    "quit": lambda _: Quit(),
    "exit": lambda _: Quit(),
}

HELP = (
    ("/approve [CODE] [comment]", "approve what is asked; without a code when one request is open"),
    ("/deny CODE why", "deny it, and tell the agent why"),
    ("/edit CODE name=value", "approve it with this argument changed"),
    ("/answer CODE text", "answer a question"),
    ("/requests [all]", "what waits for an answer; all: what was answered, too"),
    ("/threads", "the latest threads"),
    ("/thread ID", "go on in another thread"),
    ("/new [agent]", "begin a new thread"),
    ("/agents", "the agents there are"),
    ("/pause", "start nothing new in this thread until it is resumed"),
    ("/resume", "let a paused thread go on"),
    ("/cancel", "end this thread, and close what it asks"),
    ("/whoami", "the person you speak and decide as"),
    ("/as alice", "speak and decide as another person (needs a token that may)"),
    ("/quit", "leave; the thread goes on"),
)
"""What can be typed, and what it does."""

COMMANDS = tuple(f"/{name}" for name in _PARSERS)
