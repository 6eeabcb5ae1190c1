"""Commands run in this process against a server that runs in another."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.cli.entrance import enter
from tests.bot.cli.processes import Ended, Folder, Server

Run = Callable[..., Ended]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """An empty folder."""
    return Folder(tmp_path)


@pytest.fixture
def handrail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs commands in an empty folder, where no server is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PORT", "1")
    return _runner(capsys)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests of a module."""
    with Folder(tmp_path_factory.mktemp("served")).up() as running:
        yield running


@pytest.fixture
def served(server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs commands in the folder of the server."""
    monkeypatch.chdir(server.folder.path)
    monkeypatch.setenv("PORT", server.port)
    return _runner(capsys)


def _runner(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> Ended:
        code = enter(arguments)
        return Ended(code, *capsys.readouterr())

    return run
