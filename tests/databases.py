"""The databases every store and engine test runs on: a name, and how to make an empty, migrated one."""

from collections.abc import Callable, Mapping
from pathlib import Path

from storage.database import connect
from storage.schema import migrate


def sqlite(folder: Path) -> str:
    """A new SQLite file."""
    url = f"sqlite:///{folder / 'handrail.db'}"
    engine = connect(url)
    migrate(engine)
    engine.dispose()
    return url


DATABASES: Mapping[str, Callable[[Path], str]] = {"sqlite": sqlite}
