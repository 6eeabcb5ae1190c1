"""Tab completion of commands and their arguments. Pure functions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from channels.terminal.parser import COMMANDS

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
