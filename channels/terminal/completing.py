"""What the Tab key offers: commands, and what can follow them. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from channels.terminal.inbound import COMMANDS

_TAKES_CODE = ("/approve", "/deny", "/edit", "/answer")


@dataclass(frozen=True)
class Known:
    """Names that can be completed. `codes` are of open requests, each with the names of its arguments."""

    codes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    agents: Sequence[str] = ()
    threads: Sequence[str] = ()


def completions(text: str, known: Known) -> tuple[str, ...]:
    """Return what the last word of a line may become; nothing for what is said to the agent."""
    if not text.startswith("/"):
        return ()
    words = text.split(" ")
    return _fitting(words[-1], _candidates(words[:-1], known))


def _candidates(before: Sequence[str], known: Known) -> Iterable[str]:
    match before:
        case []:
            return COMMANDS
        case [command]:
            second = {"/new": known.agents, "/thread": known.threads, "/requests": ("all",)}
            return second.get(command, known.codes if command in _TAKES_CODE else ())
        case ["/edit", code, *_]:
            return (f"{name}=" for name in known.codes.get(code.upper(), ()))
        case _:
            return ()


def _fitting(word: str, candidates: Iterable[str]) -> tuple[str, ...]:
    return tuple(one for one in candidates if one.lower().startswith(word.lower()))
