import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.web.server import Server, listener
from tests.bot.web.served import Served, Watched
from tests.bot.web.surface import Surface, surface_on
from tests.databases import DATABASES, forget_database, sqlite


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database, migrated once and copied by whoever needs one."""
    folder = tmp_path_factory.mktemp("migrated")
    sqlite(folder)
    return folder / "handrail.db"


@pytest.fixture
def fresh_url(migrated: Path, tmp_path: Path) -> str:
    shutil.copy(migrated, tmp_path / "handrail.db")
    return f"sqlite:///{tmp_path / 'handrail.db'}"


@pytest.fixture
async def surface(fresh_url: str) -> AsyncIterator[Surface]:
    async with surface_on(fresh_url) as surface:
        yield surface


@pytest.fixture(params=DATABASES)
async def either(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Surface]:
    """A surface on a database of each kind: nobody outside can tell which one it is."""
    url = DATABASES[request.param](tmp_path)
    async with surface_on(url) as surface:
        yield surface
    forget_database(url)


@pytest.fixture
async def served(fresh_url: str) -> AsyncIterator[Served]:
    streams = Watched()
    async with surface_on(fresh_url, streams) as surface:
        server, socket = Server(surface.app), listener("127.0.0.1", 0)
        task = asyncio.create_task(server.serve(sockets=[socket]))
        served = Served(surface, streams, server, task, socket.getsockname()[1])
        yield served
        await served.stop()
