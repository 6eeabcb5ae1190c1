import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.web.server import Server, open_listen_socket
from tests.bot.web.api_harness import ApiHarness, running_api
from tests.bot.web.served_api import ObservedStreams, ServedApi
from tests.databases import DATABASES, create_sqlite_database, drop_if_shared_server


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database, migrated once and copied by whoever needs one."""
    folder = tmp_path_factory.mktemp("migrated")
    create_sqlite_database(folder)
    return folder / "handrail.db"


@pytest.fixture
def fresh_url(migrated: Path, tmp_path: Path) -> str:
    shutil.copy(migrated, tmp_path / "handrail.db")
    return f"sqlite:///{tmp_path / 'handrail.db'}"


@pytest.fixture
async def api(fresh_url: str) -> AsyncIterator[ApiHarness]:
    async with running_api(fresh_url) as surface:
        yield surface


@pytest.fixture(params=DATABASES)
async def api_on_each_database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ApiHarness]:
    """A surface on a database of each kind: nobody outside can tell which one it is."""
    url = DATABASES[request.param](tmp_path)
    async with running_api(url) as surface:
        yield surface
    drop_if_shared_server(url)


@pytest.fixture
async def served_api(fresh_url: str) -> AsyncIterator[ServedApi]:
    streams = ObservedStreams()
    async with running_api(fresh_url, streams) as surface:
        server, socket = Server(surface.app), open_listen_socket("127.0.0.1", 0)
        task = asyncio.create_task(server.serve(sockets=[socket]))
        served = ServedApi(surface, streams, server, task, socket.getsockname()[1])
        yield served
        await served.stop()
