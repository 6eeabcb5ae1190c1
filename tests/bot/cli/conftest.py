"""Commands run in this process against a server that runs in another."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.cli.entry_point import run_command
from tests.bot.cli.cli_harness import CliFolder, CommandResult, RunningServer

RunCommand = Callable[..., CommandResult]


@pytest.fixture
def folder(tmp_path: Path) -> CliFolder:
    """An empty folder."""
    return CliFolder(tmp_path)


@pytest.fixture
def handrail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RunCommand:
    """Runs commands in an empty folder, where no server is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PORT", "1")
    return _runner(capsys)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One server for all tests of a module."""
    with CliFolder(tmp_path_factory.mktemp("served")).running_server() as running:
        yield running


@pytest.fixture
def run_on_server(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> RunCommand:
    """Runs commands in the folder of the server."""
    monkeypatch.chdir(server.folder.path)
    monkeypatch.setenv("PORT", server.port)
    return _runner(capsys)


def _runner(capsys: pytest.CaptureFixture[str]) -> RunCommand:
    def run(*arguments: str) -> CommandResult:
        code = run_command(arguments)
        return CommandResult(code, *capsys.readouterr())

    return run
