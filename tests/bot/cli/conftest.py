"""Fixtures that run commands in this process, with or without a server in another process."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.cli.main import run_command
from tests.harness.cli import CliFolder, CommandResult, RunningServer

RunCommand = Callable[..., CommandResult]


@pytest.fixture
def folder(tmp_path: Path) -> CliFolder:
    """Return an empty folder."""
    return CliFolder(tmp_path)


@pytest.fixture
def handrail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RunCommand:
    """Return a function that runs commands in an empty folder without a server."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PORT", "1")
    return _build_runner(capsys)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Yield one server for all tests of a module."""
    with CliFolder(tmp_path_factory.mktemp("served")).running_server() as running_server:
        yield running_server


@pytest.fixture
def run_on_server(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> RunCommand:
    """Return a function that runs commands in the server's folder."""
    monkeypatch.chdir(server.folder.path)
    monkeypatch.setenv("PORT", server.port)
    return _build_runner(capsys)


def _build_runner(capsys: pytest.CaptureFixture[str]) -> RunCommand:
    def run(*arguments: str) -> CommandResult:
        code = run_command(arguments)
        return CommandResult(code, *capsys.readouterr())

    return run
