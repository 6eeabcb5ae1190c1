"""Time to handle one message of 16 kB: recognize commands and instructions, and escape hidden characters.

    python -m tests.bench.message_texts

Each figure is the best of several runs, in milliseconds; LIMIT_MILLISECONDS is what one message may take.
"""

import time
from collections.abc import Callable, Mapping

from agents.core.message_rules import is_new_instruction
from agents.core.visible_text import escape_hidden_except_newlines
from agents.registry import load_registry

AGENTS = load_registry().agents

MESSAGE_BYTES = 16_384
LIMIT_MILLISECONDS = 5.0
RUNS = 7
TEXTS: Mapping[str, str] = {
    "prose": "please deploy the new release to production now. ",
    "full stops": ".",
    "repeated please": "please ",
    "hidden characters": "\N{RIGHT-TO-LEFT OVERRIDE}",
    "joined emoji": "\N{WOMAN}\N{ZERO WIDTH JOINER}",
    "code fences": "```\n",
}


def best_milliseconds(function: Callable[[], object]) -> float:
    """Return the shortest time of several runs."""
    best = float("inf")
    for _ in range(RUNS):
        started_at = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - started_at)
    return best * 1000


def main() -> None:
    """Print one line per text."""
    print(f"handling a message of {MESSAGE_BYTES} bytes, limit {LIMIT_MILLISECONDS:g} ms")
    for name, unit in TEXTS.items():
        text = (unit * MESSAGE_BYTES).encode()[:MESSAGE_BYTES].decode(errors="ignore")
        milliseconds = best_milliseconds(
            lambda text=text: (is_new_instruction(text, AGENTS[0]), escape_hidden_except_newlines(text))
        )  # type: ignore[misc]
        warning = "" if milliseconds <= LIMIT_MILLISECONDS else "  over the limit"
        print(f"  {name:20} {milliseconds:6.2f} ms{warning}")


if __name__ == "__main__":
    main()
