"""What the crash suite shares: a zygote, and a scene for each database and each formation of processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crashes.nursery import Nursery
from tests.crashes.scene import ALONE, FORMATIONS, Scene, named
from tests.databases import DATABASES, forget_database


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """One for all: what it costs is the imports."""
    opened = Nursery()
    yield opened
    opened.close()


@pytest.fixture(params=ALONE, ids=named)
def scene(request: pytest.FixtureRequest, nursery: Nursery, tmp_path: Path) -> Iterator[Scene]:
    """One process on each database, unless a test asks for other settings."""
    database, formation = request.param
    url = DATABASES[database](tmp_path)
    opened = Scene(nursery, url, tmp_path, FORMATIONS[formation])
    yield opened
    opened.over.set()
    opened.is_killed()
    forget_database(url)
