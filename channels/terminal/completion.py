"""What the Tab key offers: commands, and what can follow them. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from channels.terminal.parser import COMMANDS

_COMMANDS_WITH_CODE = ("/approve", "/deny", "/edit", "/answer")


@dataclass(frozen=True)
class CompletionNames:
    """Names that can be completed. `codes` are of open requests, each with the names of its arguments."""

    codes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    agents: Sequence[str] = ()
    threads: Sequence[str] = ()


def list_completions(text: str, names: CompletionNames) -> tuple[str, ...]:
    """Return what the last word of a line may become; nothing for what is said to the agent."""
    if not text.startswith("/"):
        return ()
    words = text.split(" ")
    return _filter_by_prefix(words[-1], _candidates(words[:-1], names))


def _candidates(preceding_words: Sequence[str], names: CompletionNames) -> Iterable[str]:
    match preceding_words:
        case []:
            return COMMANDS
        case [command]:
            second = {"/new": names.agents, "/thread": names.threads, "/requests": ("all",)}
            return second.get(command, names.codes if command in _COMMANDS_WITH_CODE else ())
        case ["/edit", code, *_]:
            return (f"{name}=" for name in names.codes.get(code.upper(), ()))
        case _:
            return ()


def _filter_by_prefix(word: str, candidates: Iterable[str]) -> tuple[str, ...]:
    return tuple(one for one in candidates if one.lower().startswith(word.lower()))
