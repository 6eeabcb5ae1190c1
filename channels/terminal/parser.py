"""What is typed, understood: one line is one order or something to say. Pure; nothing here asks or tells anybody."""

import re
from collections.abc import Callable
from difflib import get_close_matches

from channels.terminal.argument_changes import parse_changes
from channels.terminal.commands import (
    ActAs,
    AnswerQuestion,
    Approve,
    ControlThread,
    Deny,
    Edit,
    ListAgents,
    ListRequests,
    ListThreads,
    ParseError,
    Quit,
    Say,
    ShowHelp,
    StartThread,
    SwitchThread,
    TerminalCommand,
    WhoAmI,
)

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)  # as `handrail.toml` writes people and agents

ArgumentParser = Callable[[str], TerminalCommand]


def parse_line(line: str) -> TerminalCommand | None:
    """What a line means; None for an empty one. A line that starts with two slashes is said with one of them."""
    text = line.strip()
    if not text:
        return None
    if not text.startswith("/"):
        return Say(text)
    if text.startswith("//"):
        return Say(text[1:])
    order, _, rest = text[1:].partition(" ")
    return _parse_command(order.lower(), rest.strip())


def _parse_command(name: str, rest: str) -> TerminalCommand:
    if name in _PARSERS:
        return _PARSERS[name](rest)
    close = get_close_matches(name, _PARSERS, n=1)
    return ParseError(f"there is no /{name[:40]}; " + (f"did you mean /{close[0]}?" if close else "see /help"))


def _parse_approve(rest: str) -> TerminalCommand:
    code, text = _split_code(rest)
    return Approve(code or None, text or None)


def _parse_deny(rest: str) -> TerminalCommand:
    code, text = _split_code(rest)
    return Deny(code, text or None) if code else ParseError("/deny CODE, best with the reason behind it")


def _parse_answer(rest: str) -> TerminalCommand:
    code, text = _split_code(rest)
    return AnswerQuestion(code, text) if text else ParseError("/answer CODE and the answer")


def _parse_edit(rest: str) -> TerminalCommand:
    code, text = _split_code(rest)
    changes = parse_changes(text)
    if changes is None:
        return ParseError('/edit CODE and what to change, like tag=v1.4.1 or note="two words"; the rest stays')
    return Edit(code, changes)


def _parse_as(rest: str) -> TerminalCommand:
    name = rest.lower()
    return ActAs(name) if _NAME.fullmatch(name) else ParseError("/as and the name of a person, like /as alice")


def _parse_thread(rest: str) -> TerminalCommand:
    return SwitchThread(rest) if rest and " " not in rest else ParseError("/thread and an id out of /threads")


def _parse_new(rest: str) -> TerminalCommand:
    name = rest.lower()
    known = not name or _NAME.fullmatch(name)
    return StartThread(name or None) if known else ParseError("/new, perhaps with the name of an agent behind it")


def _split_code(rest: str) -> tuple[str, str]:
    code, _, text = rest.partition(" ")
    return code.strip("[]").upper(), text.strip()


_PARSERS: dict[str, ArgumentParser] = {
    "approve": _parse_approve,
    "deny": _parse_deny,
    "answer": _parse_answer,
    "edit": _parse_edit,
    "as": _parse_as,
    "threads": lambda _: ListThreads(),
    "thread": _parse_thread,
    "requests": lambda rest: ListRequests(is_all=rest.lower() == "all"),
    "new": _parse_new,
    "pause": lambda _: ControlThread("pause"),
    "resume": lambda _: ControlThread("resume"),
    "cancel": lambda _: ControlThread("cancel"),
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
