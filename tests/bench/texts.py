"""The pure handling of one message of 16 kB: looking for a command, an instruction, and hidden characters.

    python -m tests.bench.texts

Each figure is the best of several runs, in milliseconds; LIMIT_MILLISECONDS is what one message may take.
"""

import time
from collections.abc import Callable, Mapping

from agents.listen import instructs
from agents.registry import AGENTS
from agents.visible import lines

LENGTH_BYTES = 16_384
LIMIT_MILLISECONDS = 5.0
RUNS = 7
TEXTS: Mapping[str, str] = {
    "prose": "please deploy the new release to production now. ",
    "full stops": ".",
    "politeness": "please ",
    "hidden characters": "\N{RIGHT-TO-LEFT OVERRIDE}",
    "joined emoji": "\N{WOMAN}\N{ZERO WIDTH JOINER}",
    "code fences": "```\n",
}


def milliseconds(act: Callable[[], object]) -> float:
    """Return the least time of several runs."""
    best = float("inf")
    for _ in range(RUNS):
        began = time.perf_counter()
        act()
        best = min(best, time.perf_counter() - began)
    return best * 1000


def main() -> None:
    """Print a line for each text."""
    print(f"handling a message of {LENGTH_BYTES} bytes, limit {LIMIT_MILLISECONDS:g} ms")
    for name, piece in TEXTS.items():
        text = (piece * LENGTH_BYTES).encode()[:LENGTH_BYTES].decode(errors="ignore")
        took = milliseconds(lambda text=text: (instructs(text, AGENTS[0]), lines(text)))  # type: ignore[misc]
        verdict = "" if took <= LIMIT_MILLISECONDS else "  over the limit"
        print(f"  {name:20} {took:6.2f} ms{verdict}")


if __name__ == "__main__":
    main()
