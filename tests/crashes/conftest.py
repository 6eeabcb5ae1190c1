"""What the crash suite shares: a zygote, and a scene for each database and each formation of processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crashes.nursery import Nursery
from tests.crashes.scene import FORMATIONS, SETTINGS, Scene
from tests.databases import DATABASES


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """One for all: what it costs is the imports."""
    opened = Nursery()
    yield opened
    opened.close()


@pytest.fixture(params=SETTINGS, ids=[f"{formation} on {database}" for database, formation in SETTINGS])
def scene(request: pytest.FixtureRequest, nursery: Nursery, tmp_path: Path) -> Iterator[Scene]:
    database, formation = request.param
    opened = Scene(nursery, DATABASES[database](tmp_path), tmp_path, FORMATIONS[formation])
    yield opened
    opened.over.set()
    opened.is_killed()
