"""Parser for typed lines, each a command or a message, and their Tab completion. Pure functions."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

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
    Simulate,
    StartThread,
    SwitchThread,
    TerminalCommand,
    WhoAmI,
    parse_changes,
)

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)  # names of people and agents in handrail.toml

ArgumentParser = Callable[[str], TerminalCommand]


def parse_line(line: str) -> TerminalCommand | None:
    """Return the command of a line, or None for an empty line. A line `//text` posts the message `/text`."""
    text = line.strip()
    if not text:
        return None
    if not text.startswith("/"):
        return Say(text)
    if text.startswith("//"):
        return Say(text[1:])
    name, _, rest = text[1:].partition(" ")
    return _parse_command(name.lower(), rest.strip())


def _parse_command(name: str, rest: str) -> TerminalCommand:
    if name in _PARSERS:
        return _PARSERS[name](rest)
    similar = get_close_matches(name, _PARSERS, n=1)
    return ParseError(f"there is no /{name[:40]}; " + (f"did you mean /{similar[0]}?" if similar else "see /help"))


def _parse_approve(rest: str) -> TerminalCommand:
    code, text = _split_code(rest)
    return Approve(code or None, text or None)


def _parse_deny(rest: str) -> TerminalCommand:
    code, text = _split_code(rest)
    return Deny(code, text or None) if code else ParseError("type /deny CODE and, if you can, a reason")


def _parse_answer(rest: str) -> TerminalCommand:
    code, text = _split_code(rest)
    return AnswerQuestion(code, text) if text else ParseError("type /answer CODE and your answer")


def _parse_edit(rest: str) -> TerminalCommand:
    code, text = _split_code(rest)
    changes = parse_changes(text)
    if changes is None:
        return ParseError('type /edit CODE and the arguments to change, like tag=v1.4.1 or note="two words"')
    return Edit(code, changes)


def _parse_as(rest: str) -> TerminalCommand:
    name = rest.lower()
    return ActAs(name) if _NAME.fullmatch(name) else ParseError("type /as and the name of a person, like /as alice")


def _parse_thread(rest: str) -> TerminalCommand:
    return SwitchThread(rest) if rest and " " not in rest else ParseError("type /thread and an id from /threads")


def _parse_new(rest: str) -> TerminalCommand:
    name = rest.lower()
    is_valid = not name or _NAME.fullmatch(name)
    return StartThread(name or None) if is_valid else ParseError("type /new, or /new and the name of an agent")


def _parse_sms(rest: str) -> TerminalCommand:
    person, _, text = rest.partition(" ")
    if not _NAME.fullmatch(person.lower()) or not text.strip():
        return ParseError("type /sms, the name of a person and what they write, like /sms alice A7K2X ok")
    return Simulate("/channels/sms/simulate", {"from": person.lower(), "text": text.strip()})


def _split_code(rest: str) -> tuple[str, str]:
    code, _, text = rest.partition(" ")
    return code.strip("[]").upper(), text.strip()


_PARSERS: dict[str, ArgumentParser] = {
    "approve": _parse_approve,
    "deny": _parse_deny,
    "answer": _parse_answer,
    "edit": _parse_edit,
    "as": _parse_as,
    "sms": _parse_sms,
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
    ("/approve [CODE [COMMENT]]", "approve a request; you can omit the code when only one is open"),
    ("/deny CODE [REASON]", "deny a request; the agent gets the reason"),
    ("/edit CODE NAME=VALUE", "approve a request with changed arguments"),
    ("/answer CODE TEXT", "answer a question"),
    ("/requests [all]", "list open requests; with all, closed ones too"),
    ("/threads", "list the latest threads"),
    ("/thread ID", "switch to another thread"),
    ("/new [AGENT]", "start a new thread, with this agent if you name one"),
    ("/agents", "list the agents"),
    ("/pause", "pause this thread: start nothing new until it is resumed"),
    ("/resume", "resume this thread"),
    ("/cancel", "cancel this thread and close its open request"),
    ("/whoami", "show who you are, your token and its scopes, and the person you act as"),
    ("/as NAME", "act as another person (needs a token with the admin scope)"),
    ("/sms NAME TEXT", "write an SMS as this person, while no SMS account is set up (needs the admin scope)"),
    ("/quit", "leave the chat; the thread continues"),
)
"""Commands and their help texts."""

COMMANDS = tuple(f"/{name}" for name in _PARSERS)


_COMMANDS_WITH_CODE = ("/approve", "/deny", "/edit", "/answer")


@dataclass(frozen=True)
class CompletionNames:
    """Names that completion offers. The keys of `argument_names_by_code` are the codes of open requests."""

    argument_names_by_code: Mapping[str, Sequence[str]] = field(default_factory=dict)
    agents: Sequence[str] = ()
    threads: Sequence[str] = ()


def list_completions(text: str, names: CompletionNames) -> tuple[str, ...]:
    """Return the completions of the last word of a command line; none for a message."""
    if not text.startswith("/"):
        return ()
    words = text.split(" ")
    return _filter_by_prefix(words[-1], _list_candidates(words[:-1], names))


def _list_candidates(preceding_words: Sequence[str], names: CompletionNames) -> Iterable[str]:
    match preceding_words:
        case []:
            return COMMANDS
        case [command]:
            completions = {"/new": names.agents, "/thread": names.threads, "/requests": ("all",)}
            return completions.get(command, names.argument_names_by_code if command in _COMMANDS_WITH_CODE else ())
        case ["/edit", code, *_]:
            return (f"{name}=" for name in names.argument_names_by_code.get(code.upper(), ()))
        case _:
            return ()


def _filter_by_prefix(word: str, candidates: Iterable[str]) -> tuple[str, ...]:
    return tuple(candidate for candidate in candidates if candidate.lower().startswith(word.lower()))
