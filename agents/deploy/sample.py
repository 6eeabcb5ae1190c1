"""Sample remote: a bare repository with the small history of a fictional harbour's software.

Its dates are fixed, so that its commit ids never change.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from agents.deploy.releases import ENVIRONMENTS, Release
from agents.deploy.repository import NOTES_REF, create_empty_repository, create_once

INES = "Ines Duarte <ines@example.com>"
MAREK = "Marek Novak <marek@example.com>"
PRIYA = "Priya Nair <priya@example.com>"
TOM = "Tom Okafor <tom@example.com>"
HANDRAIL_AUTHOR = "Handrail <handrail@localhost>"
HOUR_SECONDS = 3600
REMOTE_FOLDER = "remote.git"


@dataclass(frozen=True)
class Change:
    """A commit and its optional tag, created an hour later. `at` is in seconds since 1970."""

    at: int
    author: str
    subject: str
    file: str
    text: str
    tag: str = ""


CHANGES = (
    Change(1_788_249_600, INES, "Start the berth book", "README.md", "# Berths\n\nWho lies where in the harbour.\n"),
    Change(1_788_357_900, INES, "Reserve a berth for a night", "berths.py", "NIGHT_EUR = 28\n", "v1.0.0"),
    Change(1_788_873_300, PRIYA, "Refuse boats longer than the berth", "length.py", "LONGEST_M = 14.0\n", "v1.1.0"),
    Change(1_789_485_600, MAREK, "Send the invoice by mail", "invoice.py", 'FROM = "harbour@example.com"\n'),
    Change(1_789_571_400, MAREK, "Round invoices to the cent", "invoice.py", "CENTS = 2\n", "v1.2.0"),
    Change(1_790_254_800, TOM, "Show free berths on a map", "berths_map.py", "ZOOM = 15\n", "v1.3.0"),
    Change(1_790_869_200, PRIYA, "Keep a waiting list when the harbour is full", "waiting.py", "LONGEST = 40\n"),
    Change(1_790_951_400, TOM, "Tell the next in line when a berth is free", "waiting.py", "HOLD_H = 2\n", "v1.4.0"),
    Change(1_791_210_600, INES, "Ask for the boat's draught too", "length.py", "DEEPEST_M = 3.2\n"),
)
RELEASED_TAGS = (
    *(("staging", "v1.0.0"), ("production", "v1.0.0"), ("staging", "v1.1.0"), ("production", "v1.1.0")),
    *(("staging", "v1.2.0"), ("production", "v1.2.0"), ("staging", "v1.3.0")),
)
"""The sample's releases, oldest first. v1.4.0 is not released, and both environments can be rolled back."""


def ensure_sample_remote(folder: Path, environment: Mapping[str, str]) -> Path:
    """Return the sample's bare remote in the folder; create it when it is missing. Safe for concurrent processes."""
    remote = folder / REMOTE_FOLDER
    create_once(remote, lambda draft: _create_sample(draft, environment))
    return remote


def _create_sample(folder: Path, environment: Mapping[str, str]) -> None:
    git = create_empty_repository(folder, environment)
    git.run("fast-import", "--quiet", stdin="".join(_history_stream()))
    ids = git.run("rev-list", "--reverse", "main").split()
    commits_by_tag = {change.tag: commit for change, commit in zip(CHANGES, ids, strict=True) if change.tag}
    git.run("fast-import", "--quiet", stdin="".join(_releases_stream(sample_releases(commits_by_tag))))


def sample_releases(commits_by_tag: Mapping[str, str]) -> tuple[Release, ...]:
    """Return the sample's release records, given the commit of each tag."""
    releases: list[Release] = []
    for environment, tag in RELEASED_TAGS:
        earlier = [release for release in releases if release.environment == environment]
        number = len(earlier) + 1
        releases.append(
            Release(
                number=number,
                environment=environment,
                tag=tag,
                commit=commits_by_tag[tag],
                previous=earlier[-1].commit if earlier else "",
                key=f"sample:{environment}:{number}",
            )
        )
    return tuple(releases)


def _history_stream() -> Iterator[str]:
    """Yield the commits and version tags in the format of `git fast-import`."""
    for mark, change in enumerate(CHANGES, start=1):
        yield f"commit refs/heads/main\nmark :{mark}\nauthor {change.author} {change.at} +0000\n"
        yield f"committer {change.author} {change.at} +0000\n{_data_command(change.subject)}"
        yield f"M 100644 inline {change.file}\n{_data_command(change.text)}\n"
        if change.tag:
            yield f"tag {change.tag}\nfrom :{mark}\ntagger {change.author} {change.at + HOUR_SECONDS} +0000\n"
            yield _data_command(change.subject)


def _releases_stream(releases: tuple[Release, ...]) -> Iterator[str]:
    """Yield the notes, one commit for each release, and the tags of the environments."""
    lines: dict[str, str] = {}
    for hours, release in enumerate(releases, start=2):
        lines[release.commit] = f"{lines.get(release.commit, '')}{release.to_line()}\n"
        yield f"commit {NOTES_REF}\ncommitter {HANDRAIL_AUTHOR} {CHANGES[-1].at + hours * HOUR_SECONDS} +0000\n"
        yield _data_command(f"Release {release.tag} to {release.environment}")
        yield f"N inline {release.commit}\n{_data_command(lines[release.commit])}\n"
    for environment in ENVIRONMENTS:
        last = next(release for release in reversed(releases) if release.environment == environment)
        yield f"reset refs/tags/{environment}\nfrom {last.commit}\n\n"


def _data_command(text: str) -> str:
    return f"data {len(text.encode())}\n{text}\n"
