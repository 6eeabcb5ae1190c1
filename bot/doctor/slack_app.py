"""The Slack app as Slack tells of it: whether its tokens work, what they may do, and how it is configured."""

import asyncio
import re
from collections.abc import Iterator

from pydantic import SecretStr

from agents.errors import HandrailError, Misconfigured, Unreachable
from agents.visible import visible
from bot.doctor.finding import Finding, State
from bot.doctor.slack_manifest import NAME as MANIFEST
from bot.doctor.slack_manifest import differences
from bot.environment.network import Network
from bot.settings import Settings
from channels.slack.client import Answer, SlackClient
from channels.slack.installation import ourselves_of
from channels.slack.manifest import SCOPES, manifest

_NAME = "slack"
_APP_TOKEN = re.compile(r"xapp-[0-9]+-(?P<app>A[A-Z0-9]+)-.+", re.ASCII)
_PAGE = "OAuth & Permissions"
_COMPARE = "set SLACK_CONFIG_TOKEN to an app configuration token, from the foot of https://api.slack.com/apps"


def slack_app(settings: Settings, bot_token: SecretStr) -> Iterator[Finding]:
    """Asks once with every token there is; whoever cannot be asked with the first is left alone."""
    yield from asyncio.run(_examined(settings, bot_token))


async def _examined(settings: Settings, bot_token: SecretStr) -> list[Finding]:
    try:
        tested = await _ask(settings, bot_token, "auth.test")
    except HandrailError as error:
        return [_trouble(error, "SLACK_BOT_TOKEN", f"copy it from {_PAGE}; install the app if there is none")]
    told = f"SLACK_BOT_TOKEN works: {_shown(tested, 'user')} in {_installed(tested)}"
    works = Finding(name=_NAME, state="ok", told=told)
    return [works, *_scopes(tested), *await _connection(settings), *await _configuration(settings, tested)]


async def _ask(settings: Settings, token: SecretStr, method: str, **arguments: str) -> Answer:
    """Raises what SlackClient raises."""
    network = Network(settings.variables)
    try:
        proxy = network.proxy(settings.slack_api_url)
    except Misconfigured as error:  # the variable is named among the warnings
        raise Unreachable(str(error)) from error
    client = SlackClient(token.get_secret_value(), settings.slack_api_url, proxy=proxy, tls=network.tls())
    try:
        return await client.answer(method, **arguments)
    finally:
        await client.close()


def _shown(answer: Answer, name: str) -> str:
    return visible(str(answer.data.get(name)))


def _installed(tested: Answer) -> str:
    """The workspace, or the organisation where the app is installed for all workspaces of one."""
    us, name = ourselves_of(tested.data), _shown(tested, "team") if tested.data.get("team") else ""
    if us.team or not us.enterprise:
        return name or "a workspace that Slack does not name"
    return f"{name or 'the organisation'} ({us.enterprise}), installed for the whole organisation"


def _trouble(error: HandrailError, variable: str, fix: str, state: State = "problem") -> Finding:
    if isinstance(error, Unreachable):
        told, fix = f"Slack could not be asked with {variable}", "look whether it is reached from here, and try again"
        return Finding(name=_NAME, state="warning", told=told, fix=fix)
    why = str(error).partition("; ")[0]  # what follows is advice to run the doctor
    return Finding(name=_NAME, state=state, told=f"{variable}: {why}", fix=fix)


def _scopes(tested: Answer) -> Iterator[Finding]:
    """What the token was granted, beside what is used (docs.slack.dev/authentication/installing-with-oauth)."""
    header = tested.headers.get("x-oauth-scopes")
    if header is None:
        fix = "look whether something between here and Slack takes the header X-OAuth-Scopes away"
        yield Finding(name=_NAME, state="warning", told="Slack did not tell what the bot token may do", fix=fix)
        return
    granted = {scope.strip() for scope in header.split(",")} - {""}
    for scope in sorted(SCOPES.keys() - granted):
        told, fix = f"the bot token lacks {scope}, for {SCOPES[scope]}", f"add it under {_PAGE}, install the app again"
        yield Finding(name=_NAME, state="problem", told=told, fix=fix)
    for scope in sorted(granted - SCOPES.keys()):
        told = f"the bot token has {visible(scope)}, which nothing here uses"
        fix = f"remove it under {_PAGE}, revoke the token there, install the app again"
        yield Finding(name=_NAME, state="warning", told=told, fix=fix)
    if granted == SCOPES.keys():
        yield Finding(name=_NAME, state="ok", told=f"the bot token has the {len(granted)} scopes that are used")


async def _connection(settings: Settings) -> list[Finding]:
    """Whether Socket Mode lets us in. The connection is offered, and not opened."""
    if settings.slack_app_token is None:
        return []
    try:
        await _ask(settings, settings.slack_app_token, "apps.connections.open")
    except HandrailError as error:
        fix = "make one under Basic Information, App-Level Tokens, with the scope connections:write"
        return [_trouble(error, "SLACK_APP_TOKEN", fix)]
    return [Finding(name=_NAME, state="ok", told="SLACK_APP_TOKEN works")]


async def _configuration(settings: Settings, tested: Answer) -> list[Finding]:
    if settings.slack_config_token is None:
        told = "events and request URLs were not compared with the manifest"
        return [Finding(name=MANIFEST, state="ok", told=told, fix=_COMPARE)]
    named, _, token = settings.slack_config_token.get_secret_value().rpartition(":")
    app = named or _of_app_token(settings.slack_app_token) or tested.data.get("app_id")
    if not app:
        fix = "write SLACK_CONFIG_TOKEN as A...:token; the app's id stands under Basic Information"
        return [Finding(name=MANIFEST, state="warning", told="Slack does not tell which app this is", fix=fix)]
    return await _compared(settings, SecretStr(token), str(app))


def _of_app_token(token: SecretStr | None) -> str | None:
    """The id of the app, which its tokens carry."""
    read = _APP_TOKEN.fullmatch(token.get_secret_value()) if token is not None else None
    return read["app"] if read else None


async def _compared(settings: Settings, token: SecretStr, app: str) -> list[Finding]:
    try:
        exported = await _ask(settings, token, "apps.manifest.export", app_id=app)
    except HandrailError as error:
        fix = f"they hold for 12 hours, and for apps of their owner: {_COMPARE}"
        return [_trouble(error, "SLACK_CONFIG_TOKEN", fix, "warning")]
    wanted = manifest(settings.public_url, socket_mode=settings.slack_app_token is not None)
    return list(differences(wanted, exported.data.get("manifest")))
