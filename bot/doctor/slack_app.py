"""The Slack app as Slack tells of it: whether its tokens work, what they may do, and how it is configured."""

import asyncio
import re
from collections.abc import Iterator

from pydantic import SecretStr

from agents.errors import ConfigurationError, HandrailError, Unavailable
from agents.visible_text import escape_hidden_characters
from bot.doctor.finding import Finding, FindingState
from bot.doctor.slack_manifest import CHECK_NAME as MANIFEST
from bot.doctor.slack_manifest import compare_manifests
from bot.environment.network import NetworkSettings
from bot.settings import Settings
from channels.slack.app_installation import identity_from_auth_test
from channels.slack.client import ApiResponse, SlackClient
from channels.slack.manifest import SCOPES, build_manifest

_CHECK_NAME = "slack"
_APP_TOKEN_PATTERN = re.compile(r"xapp-[0-9]+-(?P<app>A[A-Z0-9]+)-.+", re.ASCII)
_OAUTH_PAGE = "OAuth & Permissions"
_CONFIG_ADVICE = "set SLACK_CONFIG_TOKEN to an app configuration token, from the foot of https://api.slack.com/apps"


def check_slack_app(settings: Settings, bot_token: SecretStr) -> Iterator[Finding]:
    """Asks once with every token there is; whoever cannot be asked with the first is left alone."""
    yield from asyncio.run(_check_tokens(settings, bot_token))


async def _check_tokens(settings: Settings, bot_token: SecretStr) -> list[Finding]:
    try:
        tested = await _call_method(settings, bot_token, "auth.test")
    except HandrailError as error:
        return [
            _error_finding(error, "SLACK_BOT_TOKEN", f"copy it from {_OAUTH_PAGE}; install the app if there is none")
        ]
    told = f"SLACK_BOT_TOKEN works: {_display_field(tested, 'user')} in {_describe_installation(tested)}"
    works = Finding(name=_CHECK_NAME, state="ok", message=told)
    return [
        works,
        *_check_scopes(tested),
        *await _check_socket_mode(settings),
        *await _check_manifest(settings, tested),
    ]


async def _call_method(settings: Settings, token: SecretStr, method: str, **arguments: str) -> ApiResponse:
    """Raises what SlackClient raises."""
    network = NetworkSettings(settings.variables)
    try:
        proxy = network.proxy_for(settings.slack_api_url)
    except ConfigurationError as error:  # the variable is named among the warnings
        raise Unavailable(str(error)) from error
    client = SlackClient(
        token.get_secret_value(), settings.slack_api_url, proxy=proxy, tls=network.create_tls_context()
    )
    try:
        return await client.call_with_headers(method, **arguments)
    finally:
        await client.close()


def _display_field(response: ApiResponse, name: str) -> str:
    return escape_hidden_characters(str(response.data.get(name)))


def _describe_installation(auth_test: ApiResponse) -> str:
    """The workspace, or the organisation where the app is installed for all workspaces of one."""
    us, name = (
        identity_from_auth_test(auth_test.data),
        _display_field(auth_test, "team") if auth_test.data.get("team") else "",
    )
    if us.team or not us.enterprise:
        return name or "a workspace that Slack does not name"
    return f"{name or 'the organisation'} ({us.enterprise}), installed for the whole organisation"


def _error_finding(error: HandrailError, variable: str, fix: str, state: FindingState = "problem") -> Finding:
    if isinstance(error, Unavailable):
        told, fix = f"Slack could not be asked with {variable}", "look whether it is reached from here, and try again"
        return Finding(name=_CHECK_NAME, state="warning", message=told, fix=fix)
    why = str(error).partition("; ")[0]  # what follows is advice to run the doctor
    return Finding(name=_CHECK_NAME, state=state, message=f"{variable}: {why}", fix=fix)


def _check_scopes(auth_test: ApiResponse) -> Iterator[Finding]:
    """What the token was granted, beside what is used (docs.slack.dev/authentication/installing-with-oauth)."""
    header = auth_test.headers.get("x-oauth-scopes")
    if header is None:
        fix = "look whether something between here and Slack takes the header X-OAuth-Scopes away"
        yield Finding(
            name=_CHECK_NAME, state="warning", message="Slack did not tell what the bot token may do", fix=fix
        )
        return
    granted = {scope.strip() for scope in header.split(",")} - {""}
    for scope in sorted(SCOPES.keys() - granted):
        told, fix = (
            f"the bot token lacks {scope}, for {SCOPES[scope]}",
            f"add it under {_OAUTH_PAGE}, install the app again",
        )
        yield Finding(name=_CHECK_NAME, state="problem", message=told, fix=fix)
    for scope in sorted(granted - SCOPES.keys()):
        told = f"the bot token has {escape_hidden_characters(scope)}, which nothing here uses"
        fix = f"remove it under {_OAUTH_PAGE}, revoke the token there, install the app again"
        yield Finding(name=_CHECK_NAME, state="warning", message=told, fix=fix)
    if granted == SCOPES.keys():
        yield Finding(
            name=_CHECK_NAME, state="ok", message=f"the bot token has the {len(granted)} scopes that are used"
        )


async def _check_socket_mode(settings: Settings) -> list[Finding]:
    """Whether Socket Mode lets us in. The connection is offered, and not opened."""
    if settings.slack_app_token is None:
        return []
    try:
        await _call_method(settings, settings.slack_app_token, "apps.connections.open")
    except HandrailError as error:
        fix = "make one under Basic Information, App-Level Tokens, with the scope connections:write"
        return [_error_finding(error, "SLACK_APP_TOKEN", fix)]
    return [Finding(name=_CHECK_NAME, state="ok", message="SLACK_APP_TOKEN works")]


async def _check_manifest(settings: Settings, auth_test: ApiResponse) -> list[Finding]:
    if settings.slack_config_token is None:
        told = "events and request URLs were not compared with the manifest"
        return [Finding(name=MANIFEST, state="ok", message=told, fix=_CONFIG_ADVICE)]
    named, _, token = settings.slack_config_token.get_secret_value().rpartition(":")
    app = named or _app_id_from_token(settings.slack_app_token) or auth_test.data.get("app_id")
    if not app:
        fix = "write SLACK_CONFIG_TOKEN as A...:token; the app's id stands under Basic Information"
        return [Finding(name=MANIFEST, state="warning", message="Slack does not tell which app this is", fix=fix)]
    return await _compare_manifest(settings, SecretStr(token), str(app))


def _app_id_from_token(token: SecretStr | None) -> str | None:
    """The id of the app, which its tokens carry."""
    read = _APP_TOKEN_PATTERN.fullmatch(token.get_secret_value()) if token is not None else None
    return read["app"] if read else None


async def _compare_manifest(settings: Settings, token: SecretStr, app_id: str) -> list[Finding]:
    try:
        exported = await _call_method(settings, token, "apps.manifest.export", app_id=app_id)
    except HandrailError as error:
        fix = f"they hold for 12 hours, and for apps of their owner: {_CONFIG_ADVICE}"
        return [_error_finding(error, "SLACK_CONFIG_TOKEN", fix, "warning")]
    wanted = build_manifest(settings.public_url, socket_mode=settings.slack_app_token is not None)
    return list(compare_manifests(wanted, exported.data.get("manifest")))
