"""Tab completion of commands and their arguments. Pure functions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from channels.terminal.parser import COMMANDS

_COMMANDS_WITH_CODE = ("/approve", "/deny", "/edit", "/answer")


@dataclass(frozen=True)
class CompletionNames:
    """Names to complete. `codes` has the codes of open requests, each with the names of its arguments."""

    codes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    agents: Sequence[str] = ()
    threads: Sequence[str] = ()


def list_completions(text: str, names: CompletionNames) -> tuple[str, ...]:
    """Return the completions of the last word of a command line; none for a message."""
    if not text.startswith("/"):
        return ()
    words = text.split(" ")
    return _filter_by_prefix(words[-1], _candidates(words[:-1], names))


def _candidates(preceding_words: Sequence[str], names: CompletionNames) -> Iterable[str]:
    match preceding_words:
        case []:
            return COMMANDS
        case [command]:
            completions = {"/new": names.agents, "/thread": names.threads, "/requests": ("all",)}
            return completions.get(command, names.codes if command in _COMMANDS_WITH_CODE else ())
        case ["/edit", code, *_]:
            return (f"{name}=" for name in names.codes.get(code.upper(), ()))
        case _:
            return ()


def _filter_by_prefix(word: str, candidates: Iterable[str]) -> tuple[str, ...]:
    return tuple(candidate for candidate in candidates if candidate.lower().startswith(word.lower()))
