"""What agents need: a model, and the repository they work on. No model is called."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from agents.completion import Completion, Outcome
from agents.deploy.git import Git
from agents.deploy.remote import remote_address, shown
from agents.deploy.repository import empty_repository
from agents.errors import HandrailError, Misconfigured
from agents.visible import visible
from bot.doctor.finding import Finding, State
from bot.settings import Settings

_SECONDS = 20.0
_MAX_NAMES = 5


Names = tuple[str, ...] | Completion
AskNames = Callable[[Settings], Names]


def ask_names(settings: Settings) -> Names:
    """Return the models of the server, or how the question failed. It costs nothing, and no model answers."""
    return asyncio.run(_asked_names(settings))


def model(settings: Settings, ask: AskNames = ask_names) -> Finding:
    """Say which model answers, and whether its server is there, takes the key and has it."""
    if settings.openai_api_key is None and settings.openai_base_url is None:
        told = "no model is set: agents understand the commands they know, offline"
        return Finding(name="model", state="ok", told=told, fix="for more, set OPENAI_API_KEY or OPENAI_BASE_URL")
    where = urlsplit(settings.openai_base_url or "").hostname or "api.openai.com"
    if settings.openai_base_url and settings.openai_model is None:
        told, fix = f"{where} is asked for a model of OpenAI's", "set OPENAI_MODEL to the name of a model it has"
        return Finding(name="model", state="warning", told=told, fix=fix)
    return _server_of_model(settings, where, ask(settings))


def _server_of_model(settings: Settings, where: str, found: Names) -> Finding:
    name = settings.openai_model
    if isinstance(found, Completion):
        is_busy = found.outcome in (Outcome.FAILED, Outcome.RATE_LIMITED)
        state: State = "warning" if is_busy else "problem"
        fix = found.advice or "look whether OPENAI_BASE_URL is reached from here, and try again"
        return Finding(name="model", state=state, told=visible(found.detail), fix=fix)
    if name is not None and found and name not in found:
        told = f"{where} does not list {name}; it has {', '.join(visible(one) for one in found[:_MAX_NAMES])}"
        return Finding(name="model", state="warning", told=told, fix="set OPENAI_MODEL to one that it has")
    return Finding(name="model", state="ok", told=f"{name or 'the default model'} at {where}, which answers")


async def _asked_names(settings: Settings) -> Names:
    from bot.model_client import open_model  # noqa: PLC0415 - 0.5 s nobody offline should wait for

    try:
        server = open_model(settings, timeout=_SECONDS)
    except Misconfigured as error:
        return Completion(outcome=Outcome.REJECTED, model="", detail=str(error))
    try:
        return await server.names()
    finally:
        await server.close()


def agents(settings: Settings) -> Iterator[Finding]:
    """Whether the deploy agent's repository answers."""
    said = settings.deploy_repo
    if said is None:
        yield Finding(name="deploy", state="ok", told="DEPLOY_REPO is not set: the agent works on its sample")
        return
    try:
        remote = remote_address(said.get_secret_value())
        _ask(remote, settings)
    except HandrailError as error:
        yield Finding(name="deploy", state="problem", told=str(error), fix="set DEPLOY_REPO to what git can push to")
    else:
        yield Finding(name="deploy", state="ok", told=f"{shown(remote)} answers")


def _ask(remote: str, settings: Settings) -> None:
    """Ask the remote for its head, from an empty repository that is gone afterwards. Raises HandrailError."""
    environment = settings.agent_environment
    with tempfile.TemporaryDirectory(prefix="handrail-doctor-") as folder:
        empty_repository(Path(folder) / "empty.git", environment)
        Git(Path(folder) / "empty.git", remote, environment).do("ls-remote", "--quiet", "origin", seconds=_SECONDS)
