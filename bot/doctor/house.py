"""What agents need: a model, and the repository they work on. No model is called."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from agents.deploy.git import Git
from agents.deploy.remote import remote_address, shown
from agents.deploy.repository import empty_repository
from agents.errors import HandrailError
from bot.doctor.finding import Finding
from bot.settings import Settings

_SECONDS = 20.0


def model(settings: Settings) -> Finding:
    """Which model answers."""
    if settings.openai_api_key is None and settings.openai_base_url is None:
        told = "no model is set: agents understand the commands they know, offline"
        return Finding(name="model", state="ok", told=told, fix="for more, set OPENAI_API_KEY or OPENAI_BASE_URL")
    where = urlsplit(settings.openai_base_url or "").hostname or "api.openai.com"
    if settings.openai_base_url and settings.openai_model is None:
        told, fix = f"{where} is asked for a model of OpenAI's", "set OPENAI_MODEL to the name of a model it has"
        return Finding(name="model", state="warning", told=told, fix=fix)
    return Finding(name="model", state="ok", told=f"{settings.openai_model or 'the default model'} at {where}")


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
