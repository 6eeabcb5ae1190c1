"""What the crash suite shares: a zygote, and a scene for each database and each formation of processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crashes.nursery import Nursery
from tests.crashes.scene import FORMATIONS, Scene


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """One for all: what it costs is the imports."""
    opened = Nursery()
    yield opened
    opened.close()


@pytest.fixture(params=FORMATIONS)
def scene(request: pytest.FixtureRequest, nursery: Nursery, database_url: str, tmp_path: Path) -> Iterator[Scene]:
    opened = Scene(nursery, database_url, tmp_path, FORMATIONS[request.param])
    yield opened
    opened.over.set()
    opened.is_killed()
