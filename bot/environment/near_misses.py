"""Variables whose name is close to one that Handrail knows: nothing reads them, so nothing else finds the slip."""

from collections.abc import Collection, Iterator, Mapping

from agents.config_issues import ConfigIssue

_SHORT_NAME_LENGTH = 8  # characters; in a shorter name two slips make another word


def find_near_misses(
    names: Collection[str], known: Collection[str], lines: Mapping[str, int], env_file: str
) -> Iterator[ConfigIssue]:
    """Return a warning for every name that is none of the known ones and close to one that is not set.

    Of names that are equally close the first of the known ones is meant.
    `lines` has the lines of the names that stand in the file; a value is never looked at.
    """
    missing = [name for name in known if name not in names]
    for name in sorted(names):
        if name not in known and (meant := _closest_name(name, missing)):
            file = env_file if name in lines else None
            message = f"is no variable of Handrail and is ignored; did you mean {meant}?"
            yield ConfigIssue(file=file, line=lines.get(name), key=name, message=message, severity="warning")


def _closest_name(name: str, missing: Collection[str]) -> str | None:
    written = name.upper()
    close = [(_edit_distance(written, other), other) for other in missing if _is_close(written, other)]
    if close:
        return min(close)[1]
    words = [other for other in missing if _has_omitted_words(written, other)]
    return min(words, key=len) if words else None


def _is_close(written: str, other: str) -> bool:
    return _edit_distance(written, other) <= (1 if len(other) < _SHORT_NAME_LENGTH else 2)


def _has_omitted_words(written: str, other: str) -> bool:
    """Return whether it begins alike and has fewer of the words: OPENAI_KEY, SLACK_TOKEN."""
    words, all_words = written.split("_"), other.split("_")
    return len(words) > 1 and words[0] == all_words[0] and set(words) < set(all_words)


def _edit_distance(left: str, right: str) -> int:
    """Return the letters added, left out, replaced, or swapped with the next, that turn one name into the other."""
    if abs(len(left) - len(right)) > 2:  # noqa: PLR2004 - more than is ever taken for a slip
        return len(left) + len(right)
    before: list[int] = []
    last = list(range(len(right) + 1))
    for i, letter in enumerate(left, start=1):
        now = [i]
        for j, wanted in enumerate(right, start=1):
            cost = min(last[j] + 1, now[j - 1] + 1, last[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == right[j - 2] and left[i - 2] == wanted:
                cost = min(cost, before[j - 2] + 1)
            now.append(cost)
        before, last = last, now
    return last[-1]
