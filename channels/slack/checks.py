"""Checks of `handrail doctor` for Slack: its settings, how events arrive, and the app itself.

The checks ask Slack's API whether the app's tokens work, which scopes they have, and how the app is configured.
"""

import asyncio
import re
from collections.abc import Iterator

from pydantic import SecretStr

from agents.core.errors import ConfigurationError, HandrailError, Unavailable
from agents.core.visible_text import escape_hidden_characters
from channels.abilities import Finding, FindingState
from channels.slack.client import ApiResponse, SlackClient
from channels.slack.config import SlackSettings
from channels.slack.identity import identity_from_auth_test
from channels.slack.manifest import CHECK_NAME as MANIFEST_CHECK_NAME
from channels.slack.manifest import SCOPES, build_manifest, compare_manifests, request_url, unreachable_reason

_CHECK_NAME = "slack"


def check_slack(settings: SlackSettings) -> Iterator[Finding]:
    """Yield findings about Slack without sending or changing anything. Without a bot token no request is made."""
    if settings.slack_bot_token is None:
        yield _missing_bot_token_finding(settings)
        return

    yield _check_transport(settings)
    yield from check_slack_app(settings, settings.slack_bot_token)


def _missing_bot_token_finding(settings: SlackSettings) -> Finding:
    if settings.slack_config_token is not None:
        message, fix = "SLACK_CONFIG_TOKEN has no effect without SLACK_BOT_TOKEN", "set SLACK_BOT_TOKEN too"
        return Finding(name=_CHECK_NAME, state="problem", message=message, fix=fix)
    fix = "to use it, begin with `handrail slack manifest`"
    return Finding(name=_CHECK_NAME, state="ok", message="Slack is not set up: SLACK_BOT_TOKEN is not set", fix=fix)


def _check_transport(settings: SlackSettings) -> Finding:
    """Return how events arrive: over Socket Mode if there is an app token, else over signed HTTP."""
    if settings.slack_app_token is not None:
        signed = "; signed HTTP is accepted too" if settings.slack_signing_secret is not None else ""
        message = f"Slack events arrive over Socket Mode, because SLACK_APP_TOKEN is set{signed}"
        return Finding(name=_CHECK_NAME, state="ok", message=message)
    return _check_request_url(settings.public_url)


def _check_request_url(public_url: str) -> Finding:
    message = f"Slack events arrive over HTTP at {request_url(public_url)}"
    if (reason := unreachable_reason(public_url)) is not None:
        fix = "set PUBLIC_URL to the address at which Slack reaches this server, or SLACK_APP_TOKEN for Socket Mode"
        return Finding(name=_CHECK_NAME, state="warning", message=f"{message}, but {reason}", fix=fix)
    return Finding(name=_CHECK_NAME, state="ok", message=message)


_APP_TOKEN_PATTERN = re.compile(r"xapp-[0-9]+-(?P<app>A[A-Z0-9]+)-.+", re.ASCII)
_OAUTH_PAGE = "OAuth & Permissions"
_CONFIG_ADVICE = "set SLACK_CONFIG_TOKEN to an app configuration token, from the bottom of https://api.slack.com/apps"


def check_slack_app(settings: SlackSettings, bot_token: SecretStr) -> Iterator[Finding]:
    """Make one request with each configured token. If the one with the bot token fails, make no other."""
    yield from asyncio.run(_check_tokens(settings, bot_token))


async def _check_tokens(settings: SlackSettings, bot_token: SecretStr) -> list[Finding]:
    try:
        auth_test = await _call_method(settings, bot_token, "auth.test")
    except HandrailError as error:
        return [
            _error_finding(error, "SLACK_BOT_TOKEN", f"copy it from {_OAUTH_PAGE}; install the app if there is none")
        ]
    message = f"SLACK_BOT_TOKEN works: {_display_field(auth_test, 'user')} in {_describe_installation(auth_test)}"
    return [
        Finding(name=_CHECK_NAME, state="ok", message=message),
        *_check_scopes(auth_test),
        *await _check_socket_mode(settings),
        *await _check_manifest(settings, auth_test),
    ]


async def _call_method(settings: SlackSettings, token: SecretStr, method: str, **arguments: str) -> ApiResponse:
    """Call a Web API method with the machine's proxy and certificates. Raises what SlackClient raises."""
    network = settings.network
    try:
        proxy = network.proxy_for(settings.slack_api_url)
    except ConfigurationError as error:  # the configuration warnings name the variable
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
    """Return the name of the workspace, or of the organization for an org-wide installation."""
    bot = identity_from_auth_test(auth_test.data)
    name = _display_field(auth_test, "team") if auth_test.data.get("team") else ""
    if bot.team or not bot.enterprise:
        return name or "a workspace without a name"
    return f"{name or 'the organization'} ({bot.enterprise}), installed for the whole organization"


def _error_finding(error: HandrailError, variable: str, fix: str, state: FindingState = "problem") -> Finding:
    if isinstance(error, Unavailable):
        message = f"{variable} could not be checked: Slack did not answer"
        fix = "check that Slack can be reached from here, and try again"
        return Finding(name=_CHECK_NAME, state="warning", message=message, fix=fix)
    reason = str(error).partition("; ")[0]  # without the advice to run the doctor
    return Finding(name=_CHECK_NAME, state=state, message=f"{variable}: {reason}", fix=fix)


def _check_scopes(auth_test: ApiResponse) -> Iterator[Finding]:
    """Compare the granted scopes with those in use (docs.slack.dev/authentication/installing-with-oauth)."""
    header = auth_test.headers.get("x-oauth-scopes")
    if header is None:
        message = "Slack did not send the scopes of the bot token"
        fix = "check whether a proxy removes the header X-OAuth-Scopes"
        yield Finding(name=_CHECK_NAME, state="warning", message=message, fix=fix)
        return
    granted = {scope.strip() for scope in header.split(",")} - {""}
    for scope in sorted(SCOPES.keys() - granted):
        message = f"the bot token lacks {scope}, for {SCOPES[scope]}"
        fix = f"add it under {_OAUTH_PAGE} and install the app again"
        yield Finding(name=_CHECK_NAME, state="problem", message=message, fix=fix)
    for scope in sorted(granted - SCOPES.keys()):
        message = f"the bot token has {escape_hidden_characters(scope)}, which Handrail does not use"
        fix = f"remove it under {_OAUTH_PAGE}, revoke the token there and install the app again"
        yield Finding(name=_CHECK_NAME, state="warning", message=message, fix=fix)
    if granted == SCOPES.keys():
        yield Finding(
            name=_CHECK_NAME, state="ok", message=f"the bot token has exactly the {len(granted)} needed scopes"
        )


async def _check_socket_mode(settings: SlackSettings) -> list[Finding]:
    """Check the app-level token by requesting a Socket Mode URL, without connecting to it."""
    if settings.slack_app_token is None:
        return []
    try:
        await _call_method(settings, settings.slack_app_token, "apps.connections.open")
    except HandrailError as error:
        fix = "create one under Basic Information, App-Level Tokens, with the scope connections:write"
        return [_error_finding(error, "SLACK_APP_TOKEN", fix)]
    return [Finding(name=_CHECK_NAME, state="ok", message="SLACK_APP_TOKEN works")]


async def _check_manifest(settings: SlackSettings, auth_test: ApiResponse) -> list[Finding]:
    if settings.slack_config_token is None:
        message = "events and request URLs were not compared with the manifest"
        return [Finding(name=MANIFEST_CHECK_NAME, state="ok", message=message, fix=_CONFIG_ADVICE)]
    written_id, _, token = settings.slack_config_token.get_secret_value().rpartition(":")
    app_id = written_id or _app_id_from_token(settings.slack_app_token) or auth_test.data.get("app_id")
    if not app_id:
        fix = "write SLACK_CONFIG_TOKEN as A...:token; the page Basic Information shows the app's id"
        return [Finding(name=MANIFEST_CHECK_NAME, state="warning", message="the id of the app is not known", fix=fix)]
    return await _compare_manifest(settings, SecretStr(token), str(app_id))


def _app_id_from_token(token: SecretStr | None) -> str | None:
    """Return the app's id, which is part of an app-level token."""
    match = _APP_TOKEN_PATTERN.fullmatch(token.get_secret_value()) if token is not None else None
    return match["app"] if match else None


async def _compare_manifest(settings: SlackSettings, token: SecretStr, app_id: str) -> list[Finding]:
    try:
        exported = await _call_method(settings, token, "apps.manifest.export", app_id=app_id)
    except HandrailError as error:
        fix = f"these tokens expire after 12 hours and work only for their owner's apps: {_CONFIG_ADVICE}"
        return [_error_finding(error, "SLACK_CONFIG_TOKEN", fix, "warning")]
    expected = build_manifest(settings.public_url, socket_mode=settings.slack_app_token is not None)
    return list(compare_manifests(expected, exported.data.get("manifest")))
