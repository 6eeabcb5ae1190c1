"""Tests of the doctor's checks of Slack: settings, tokens, scopes and the app's configuration."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.errors import ConfigurationError
from bot.config.settings import Settings
from channels.abilities import Finding
from channels.slack import build
from channels.slack.checks import check_slack
from channels.slack.manifest import BOT_EVENTS, SCOPES, build_manifest, compare_manifests
from tests.fakes.http_server import HttpRequest, HttpResponse, running_http_server
from tests.fakes.slack.app import App
from tests.fakes.slack.slack import FakeSlack, fake_slack

PUBLIC_URL = "https://rail.example.com"
HTTP_MANIFEST, SOCKET_MANIFEST = (build_manifest(PUBLIC_URL, socket_mode=mode) for mode in (False, True))
Change = Callable[[dict[str, Any]], object]


def build_settings(**variables: str) -> Settings:
    return Settings.from_variables({"PUBLIC_URL": PUBLIC_URL, **variables})


def only_finding(findings: list[Finding]) -> Finding:
    (finding,) = findings
    return finding


def exclude_ok(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.state != "ok"]


@asynccontextmanager
async def running_slack_app(app: App, *, socket_mode: bool = True) -> AsyncIterator[tuple[FakeSlack, dict[str, str]]]:
    """Yield a fake Slack with this app, and the environment variables for it."""
    async with fake_slack(app=app, socket_mode=True) as fake:
        transport = {"SLACK_APP_TOKEN": app.app_token} if socket_mode else {"SLACK_SIGNING_SECRET": app.signing_secret}
        yield fake, {"SLACK_BOT_TOKEN": app.bot_token, "SLACK_API_URL": fake.base_url, **transport}


async def run_check(**variables: str) -> list[Finding]:
    return await asyncio.to_thread(lambda: list(check_slack(build_settings(**variables))))


# Without a request to Slack


def test_missing_slack_is_ok_and_explains_the_setup() -> None:
    finding = only_finding(list(check_slack(build_settings())))
    assert (finding.state, finding.message) == ("ok", "Slack is not set up: SLACK_BOT_TOKEN is not set")
    assert "handrail slack manifest" in str(finding.fix)


def test_config_token_without_bot_token_is_a_problem() -> None:
    finding = only_finding(list(build(build_settings(SLACK_CONFIG_TOKEN="xoxe.xoxp-1")).doctor_checks()))
    assert (finding.state, finding.message) == (
        "problem",
        "SLACK_CONFIG_TOKEN has no effect without SLACK_BOT_TOKEN",
    )


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"SLACK_APP_TOKEN": "xapp-1"}, "SLACK_BOT_TOKEN is missing"),
        ({"SLACK_SIGNING_SECRET": "x"}, "SLACK_BOT_TOKEN is missing"),
        ({"SLACK_BOT_TOKEN": "xoxb-1"}, "also set SLACK_APP_TOKEN"),
    ],
)
def test_incomplete_settings_are_an_error(variables: dict[str, str], expected: str) -> None:
    with pytest.raises(ConfigurationError, match=expected):
        build(build_settings(**variables))


@pytest.mark.parametrize(
    ("variables", "state", "expected"),
    [
        ({"SLACK_SIGNING_SECRET": "x"}, "ok", f"over HTTP at {PUBLIC_URL}/channels/slack/events"),
        ({"SLACK_SIGNING_SECRET": "x", "PUBLIC_URL": "http://localhost:8000"}, "warning", "requires an https:// URL"),
        ({"SLACK_APP_TOKEN": "xapp-1"}, "ok", "over Socket Mode"),
        ({"SLACK_APP_TOKEN": "xapp-1", "SLACK_SIGNING_SECRET": "x"}, "ok", "signed HTTP is accepted too"),
    ],
)
def test_reports_how_events_arrive(variables: dict[str, str], state: str, expected: str) -> None:
    unreachable = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_API_URL": "http://127.0.0.1:1/api/"}
    transport = next(check_slack(build_settings(**unreachable, **variables)))
    assert transport.state == state
    assert expected in transport.message


def test_unreachable_slack_is_one_warning() -> None:
    unreachable = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1", "SLACK_API_URL": "http://127.0.0.1:1/api/"}
    finding = only_finding(exclude_ok(list(check_slack(build_settings(**unreachable)))))
    assert (finding.state, finding.message) == ("warning", "SLACK_BOT_TOKEN could not be checked: Slack did not answer")


# Tokens and scopes


async def test_correct_app_has_only_ok_findings() -> None:
    async with running_slack_app(App()) as (fake, variables):
        findings = await run_check(**variables)
        assert [call.method for call in fake.calls] == ["auth.test", "apps.connections.open"]
    assert {finding.state for finding in findings} == {"ok"}
    messages = " / ".join(finding.message for finding in findings)
    assert "SLACK_BOT_TOKEN works: handrail in Fake" in messages
    assert f"has exactly the {len(SCOPES)} needed scopes" in messages
    assert "SLACK_APP_TOKEN works" in messages
    assert "SLACK_CONFIG_TOKEN" in str(findings[-1].fix)


@pytest.mark.parametrize("team_value", ["none", "enterprise", "team"])
async def test_org_wide_installation_is_reported(team_value: Any) -> None:
    async with running_slack_app(App(enterprise="E0ORG", auth_test_team=team_value)) as (_, variables):
        findings = await run_check(**variables)
    expected = "SLACK_BOT_TOKEN works: handrail in Fake Org (E0ORG), installed for the whole organization"
    assert expected in [finding.message for finding in findings]
    assert exclude_ok(findings) == []


async def test_http_transport_requests_no_connection() -> None:
    async with running_slack_app(App(), socket_mode=False) as (fake, variables):
        assert exclude_ok(await run_check(**variables)) == []
        assert [call.method for call in fake.calls] == ["auth.test"]


@pytest.mark.parametrize("scope", sorted(SCOPES))
async def test_missing_scope_is_a_problem_with_its_purpose(scope: str) -> None:
    async with running_slack_app(App(scopes=tuple(SCOPES.keys() - {scope}))) as (_, variables):
        finding = only_finding(exclude_ok(await run_check(**variables)))
    assert finding.state == "problem"
    assert finding.message == f"the bot token lacks {scope}, for {SCOPES[scope]}"


async def test_needless_scope_is_a_warning() -> None:
    async with running_slack_app(App(scopes=(*SCOPES, "users:read"))) as (_, variables):
        finding = only_finding(exclude_ok(await run_check(**variables)))
    assert (finding.state, finding.message) == ("warning", "the bot token has users:read, which Handrail does not use")


async def test_slack_response_without_scopes_is_one_warning() -> None:
    def handle(_: HttpRequest) -> HttpResponse:
        return HttpResponse(
            200, {"Content-Type": "application/json"}, b'{"ok": true, "user": "handrail", "team": "Fake"}'
        )

    async with running_http_server(handle) as port:
        api = f"http://127.0.0.1:{port}/api/"
        findings = await run_check(SLACK_BOT_TOKEN="xoxb-1", SLACK_SIGNING_SECRET="x", SLACK_API_URL=api)
    finding = only_finding(exclude_ok(findings))
    assert (finding.state, finding.message) == ("warning", "Slack did not send the scopes of the bot token")


async def test_invalid_bot_token_is_a_problem_and_not_shown() -> None:
    async with running_slack_app(App()) as (fake, variables):
        finding = only_finding(exclude_ok(await run_check(**{**variables, "SLACK_BOT_TOKEN": "xoxb-wrong"})))
        fake.assert_error_occurred("auth.test", "invalid_auth")
    assert (finding.state, "invalid_auth" in finding.message) == ("problem", True)
    assert "xoxb-wrong" not in finding.model_dump_json()
    assert "run `handrail doctor`" not in finding.message


async def test_invalid_app_token_is_a_problem() -> None:
    async with running_slack_app(App()) as (fake, variables):
        finding = only_finding(exclude_ok(await run_check(**{**variables, "SLACK_APP_TOKEN": "xapp-1-A0APP-1-wrong"})))
        fake.assert_error_occurred("apps.connections.open", "invalid_auth")
    assert (finding.state, finding.message.partition(":")[0]) == ("problem", "SLACK_APP_TOKEN")
    assert "connections:write" in str(finding.fix)


async def test_rate_limited_slack_is_a_warning() -> None:
    async with running_slack_app(App()) as (fake, variables):
        fake.fail_next("apps.connections.open", error="ratelimited", retry_after=30)
        finding = only_finding(exclude_ok(await run_check(**variables)))
    assert (finding.state, finding.message) == ("warning", "SLACK_APP_TOKEN could not be checked: Slack did not answer")


# Configuration of the app


async def test_config_token_compares_app_with_manifest() -> None:
    async with running_slack_app(App(manifest=SOCKET_MANIFEST)) as (fake, variables):
        findings = await run_check(**variables, SLACK_CONFIG_TOKEN=fake.app.config_token)
    assert findings[-1].message == "the app is configured as `handrail slack manifest` prints"
    assert exclude_ok(findings) == []


async def test_differences_from_the_manifest_are_reported() -> None:
    async with running_slack_app(App(manifest=HTTP_MANIFEST)) as (fake, variables):
        findings = await run_check(**variables, SLACK_CONFIG_TOKEN=fake.app.config_token)
    assert "settings.socket_mode_enabled is off in the app" in {finding.message for finding in exclude_ok(findings)}


@pytest.mark.parametrize("app_prefix", ["", "A0APP:"])
async def test_app_id_comes_from_slack_or_from_the_setting(app_prefix: str) -> None:
    app = App(manifest=HTTP_MANIFEST, has_app_id_in_auth_test=not app_prefix)
    async with running_slack_app(app, socket_mode=False) as (_, variables):
        findings = await run_check(**variables, SLACK_CONFIG_TOKEN=f"{app_prefix}{app.config_token}")
    assert findings[-1].message == "the app is configured as `handrail slack manifest` prints"


async def test_unknown_app_id_is_a_warning() -> None:
    async with running_slack_app(App(manifest=HTTP_MANIFEST), socket_mode=False) as (fake, variables):
        finding = only_finding(exclude_ok(await run_check(**variables, SLACK_CONFIG_TOKEN=fake.app.config_token)))
    assert (finding.state, finding.message) == ("warning", "the id of the app is not known")
    assert "A...:token" in str(finding.fix)


@pytest.mark.parametrize(
    ("app", "token", "error"),
    [
        (App(manifest=SOCKET_MANIFEST), "xoxe.xoxp-old", "invalid_auth"),
        (replace(App(manifest=SOCKET_MANIFEST), id="A0OTHER"), App().config_token, "app_not_found"),
    ],
)
async def test_invalid_config_token_is_a_warning(app: App, token: str, error: str) -> None:
    async with running_slack_app(app) as (fake, variables):
        finding = only_finding(exclude_ok(await run_check(**variables, SLACK_CONFIG_TOKEN=token)))
        fake.assert_error_occurred("apps.manifest.export", error)
    assert (finding.state, error in finding.message) == ("warning", True)
    assert "12 hours" in str(finding.fix)


def apply_change(base: dict[str, Any], change: Change) -> dict[str, Any]:
    copy = deepcopy(base)
    change(copy)
    return copy


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            lambda manifest: manifest["settings"].update(socket_mode_enabled=True),
            "settings.socket_mode_enabled is on in the app",
        ),
        (
            lambda manifest: manifest["settings"]["interactivity"].update(is_enabled=False),
            "settings.interactivity.is_enabled is off",
        ),
        (
            lambda manifest: manifest["settings"]["interactivity"].pop("request_url"),
            "settings.interactivity.request_url is not set",
        ),
        (
            lambda manifest: manifest["settings"]["event_subscriptions"].update(request_url="https://old.example.com"),
            "settings.event_subscriptions.request_url is https://old.example.com in the app",
        ),
        (
            lambda manifest: manifest["settings"]["event_subscriptions"]["bot_events"].remove("message.im"),
            "the event message.im is",
        ),
        (
            lambda manifest: manifest["oauth_config"]["scopes"]["bot"].remove("commands"),
            "the scope commands is missing",
        ),
        (lambda manifest: manifest["features"].pop("agent_view"), "features.agent_view is off"),
        (
            lambda manifest: manifest["features"]["app_home"].update(home_tab_enabled=False),
            "features.app_home.home_tab_enabled is off",
        ),
        (
            lambda manifest: manifest["features"]["app_home"].update(messages_tab_read_only_enabled=True),
            "features.app_home.messages_tab_read_only_enabled is on",
        ),
        (
            lambda manifest: manifest["features"]["slash_commands"][0].update(url="https://x.example.com"),
            "the url of /handrail is",
        ),
        (lambda manifest: manifest["features"]["shortcuts"].clear(), "the shortcut handrail.ask is missing"),
    ],
)
def test_missing_setting_is_one_problem_with_a_fix(change: Change, expected: str) -> None:
    finding = only_finding(list(compare_manifests(HTTP_MANIFEST, apply_change(HTTP_MANIFEST, change))))
    assert (finding.state, finding.message.startswith(expected)) == ("problem", True), finding.message
    assert " under " in str(finding.fix)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            lambda manifest: manifest["settings"]["event_subscriptions"]["bot_events"].append("team_join"),
            "the event team_join is in the app, but Handrail does not use it",
        ),
        (
            lambda manifest: manifest["oauth_config"]["scopes"]["bot"].append("users:read"),
            "the scope users:read is in the app, but Handrail does not use it",
        ),
    ],
)
def test_needless_setting_is_a_warning(change: Change, expected: str) -> None:
    finding = only_finding(list(compare_manifests(HTTP_MANIFEST, apply_change(HTTP_MANIFEST, change))))
    assert (finding.state, finding.message) == ("warning", expected)


def test_socket_mode_ignores_leftover_urls() -> None:
    leftover = apply_change(HTTP_MANIFEST, lambda manifest: manifest["settings"].update(socket_mode_enabled=True))
    assert only_finding(list(compare_manifests(SOCKET_MANIFEST, leftover))).state == "ok"


def test_missing_command_is_two_problems() -> None:
    findings = list(
        compare_manifests(
            HTTP_MANIFEST, apply_change(HTTP_MANIFEST, lambda manifest: manifest["features"].pop("slash_commands"))
        )
    )
    assert [finding.message for finding in findings] == [
        "the url of /handrail is not set in the app",
        "the command /handrail is missing from the app",
    ]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
MANIFEST_PATHS = [
    ("settings",),
    ("settings", "event_subscriptions"),
    ("settings", "event_subscriptions", "bot_events"),
    ("features",),
    ("features", "slash_commands"),
    ("oauth_config", "scopes", "bot"),
]


@given(JSON_VALUES, st.sampled_from(MANIFEST_PATHS))
def test_any_exported_json_is_compared(value: Any, path: tuple[str, ...]) -> None:
    manifest = deepcopy(HTTP_MANIFEST)
    inner = manifest
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    assert exclude_ok(list(compare_manifests(HTTP_MANIFEST, manifest)))
    assert exclude_ok(list(compare_manifests(HTTP_MANIFEST, value)))


@given(st.sets(st.sampled_from(BOT_EVENTS)), st.sets(st.sampled_from(["team_join", "reaction_added"])))
def test_reports_exactly_the_differing_events(missing: set[str], extra: set[str]) -> None:
    events = [*(set(BOT_EVENTS) - missing), *extra]
    findings = list(
        compare_manifests(
            HTTP_MANIFEST,
            apply_change(
                HTTP_MANIFEST, lambda manifest: manifest["settings"]["event_subscriptions"].update(bot_events=events)
            ),
        )
    )
    differences = {(finding.state, finding.message.split()[2]) for finding in exclude_ok(findings)}
    assert differences == {("problem", event) for event in missing} | {("warning", event) for event in extra}
