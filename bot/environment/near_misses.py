"""Find misspelled variables: names similar to a variable of Handrail. Nothing reads them, so no other check fails."""

from collections.abc import Collection, Iterator, Mapping

from agents.config_issues import ConfigIssue

_SHORT_NAME_LENGTH = 8  # characters; two edits of a shorter name make another word


def find_near_misses(
    names: Collection[str], known: Collection[str], lines: Mapping[str, int], env_file: str
) -> Iterator[ConfigIssue]:
    """Yield a warning for every unknown name that is similar to a known name that is not set.

    The first of several equally similar known names is suggested. `lines` are the lines of the names in `env_file`.
    """
    missing = [name for name in known if name not in names]
    for name in sorted(names):
        if name not in known and (closest := _closest_name(name, missing)):
            file = env_file if name in lines else None
            message = f"is not a variable of Handrail and is ignored; did you mean {closest}?"
            yield ConfigIssue(file=file, line=lines.get(name), key=name, message=message, severity="warning")


def _closest_name(name: str, missing: Collection[str]) -> str | None:
    written = name.upper()
    similar = [(_edit_distance(written, other), other) for other in missing if _is_close(written, other)]
    if similar:
        return min(similar)[1]
    longer = [other for other in missing if _is_abbreviated(written, other)]
    return min(longer, key=len) if longer else None


def _is_close(written: str, other: str) -> bool:
    return _edit_distance(written, other) <= (1 if len(other) < _SHORT_NAME_LENGTH else 2)


def _is_abbreviated(written: str, other: str) -> bool:
    """Return whether `written` has the first word of `other` but lacks some of the others, as OPENAI_KEY does."""
    words, all_words = written.split("_"), other.split("_")
    return len(words) > 1 and words[0] == all_words[0] and set(words) < set(all_words)


def _edit_distance(left: str, right: str) -> int:
    """Return the optimal string alignment distance: insertions, deletions, replacements and adjacent swaps."""
    if abs(len(left) - len(right)) > 2:  # noqa: PLR2004 - more edits than count as a misspelling
        return len(left) + len(right)
    second_last_row: list[int] = []
    last_row = list(range(len(right) + 1))
    for i, letter in enumerate(left, start=1):
        row = [i]
        for j, other in enumerate(right, start=1):
            cost = min(last_row[j] + 1, row[j - 1] + 1, last_row[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == right[j - 2] and left[i - 2] == other:
                cost = min(cost, second_last_row[j - 2] + 1)
            row.append(cost)
        second_last_row, last_row = last_row, row
    return last_row[-1]
