"""The doctor: looks at everything Handrail needs, changes nothing, calls no model, and says what to do."""

from collections.abc import Callable, Iterator

from agents.errors import Misconfigured
from bot.config import Configuration
from bot.doctor.authority import authority
from bot.doctor.database import database, is_left_to_server
from bot.doctor.finding import Finding
from bot.doctor.house import agents, model
from bot.doctor.machine import machine
from bot.doctor.server import server
from bot.doctor.slack import slack
from bot.doctor.threads import threads_of_server
from bot.doctor.tokens import tokens
from bot.house import load_house
from bot.settings import Settings, load_settings
from channels.terminal.client import TerminalClient

__all__ = ["Finding", "examine"]

Reach = Callable[[Settings], TerminalClient]


def examine(reach: Reach) -> Iterator[Finding]:
    """One finding after another; `reach` makes a client for the running server."""
    yield from machine()
    try:
        settings = load_settings()
    except Misconfigured as error:
        yield from _mistakes("settings", error)
        return
    yield Finding(name="settings", state="ok", told=f"the environment makes sense ({settings.environment})")
    yield from _house(settings)
    yield model(settings)
    yield from agents(settings)
    yield from database(settings)
    yield from slack(settings)
    yield from server(reach(settings))
    if is_left_to_server(settings):
        yield from threads_of_server(reach(settings))


def _house(settings: Settings) -> Iterator[Finding]:
    try:
        configuration = load_house(settings)
    except Misconfigured as error:
        yield from _mistakes("configuration", error)
        return
    yield Finding(name="configuration", state="ok", told=_told(configuration))
    for warning in configuration.warnings:
        yield Finding(name="configuration", state="warning", told=str(warning))
    yield from authority(configuration)
    yield tokens(settings, configuration.people)


def _told(configuration: Configuration) -> str:
    everybody = configuration.people.everybody
    if configuration.source is None:
        return "there is no handrail.toml: one person, `you`, may do everything"
    return f"{configuration.source}: {len(everybody)} people, {len(configuration.rules)} rules"


def _mistakes(name: str, error: Misconfigured) -> Iterator[Finding]:
    for line in str(error).splitlines():
        yield Finding(name=name, state="problem", told=line)
