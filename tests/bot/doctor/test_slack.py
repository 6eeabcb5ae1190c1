"""What the doctor finds about Slack: tokens, scopes, the way in, and how the app is configured."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.doctor.finding import Finding
from bot.doctor.slack import check_slack
from bot.doctor.slack_manifest import compare_manifests
from bot.settings import Settings
from channels.slack.manifest import BOT_EVENTS, SCOPES, build_manifest
from tests.fakes.http_server import HttpRequest, HttpResponse, running_http_server
from tests.fakes.slack.app import App
from tests.fakes.slack.slack import FakeSlack, fake_slack

PUBLIC = "https://rail.example.com"
HTTP, SOCKET = (build_manifest(PUBLIC, socket_mode=mode) for mode in (False, True))
Change = Callable[[dict[str, Any]], object]


def settings(**variables: str) -> Settings:
    return Settings.from_variables({"PUBLIC_URL": PUBLIC, **variables})


def one(findings: list[Finding]) -> Finding:
    (finding,) = findings
    return finding


def troubles(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.state != "ok"]


@asynccontextmanager
async def house(app: App, *, socket_mode: bool = True) -> AsyncIterator[tuple[FakeSlack, dict[str, str]]]:
    """A Slack with this app, and the variables that fit it."""
    async with fake_slack(app=app, socket_mode=True) as fake:
        way_in = {"SLACK_APP_TOKEN": app.app_token} if socket_mode else {"SLACK_SIGNING_SECRET": app.signing_secret}
        yield fake, {"SLACK_BOT_TOKEN": app.bot_token, "SLACK_API_URL": fake.base_url, **way_in}


async def examined(**variables: str) -> list[Finding]:
    return await asyncio.to_thread(lambda: list(check_slack(settings(**variables))))


# Without asking anybody


def test_without_slack_nothing_is_wrong_and_the_way_to_it_is_told() -> None:
    finding = one(list(check_slack(settings())))
    assert (finding.state, finding.message) == ("ok", "Slack is not set up: SLACK_BOT_TOKEN is not set")
    assert "handrail slack manifest" in str(finding.fix)


@pytest.mark.parametrize(
    ("name", "value"),
    [("SLACK_APP_TOKEN", "xapp-1"), ("SLACK_SIGNING_SECRET", "x"), ("SLACK_CONFIG_TOKEN", "xoxe.xoxp-1")],
)
def test_half_of_the_tokens_is_a_problem(name: str, value: str) -> None:
    finding = one(list(check_slack(settings(**{name: value}))))
    assert finding.state == "problem"
    assert finding.message == f"{name} has no effect without SLACK_BOT_TOKEN"


@pytest.mark.parametrize(
    ("variables", "state", "told"),
    [
        ({}, "problem", "no events can arrive from Slack"),
        ({"SLACK_SIGNING_SECRET": "x"}, "ok", f"over HTTP to {PUBLIC}/channels/slack/events"),
        ({"SLACK_SIGNING_SECRET": "x", "PUBLIC_URL": "http://localhost:8000"}, "warning", "https:// only"),
        ({"SLACK_APP_TOKEN": "xapp-1"}, "ok", "over Socket Mode"),
        ({"SLACK_APP_TOKEN": "xapp-1", "SLACK_SIGNING_SECRET": "x"}, "ok", "signed HTTP is let in as well"),
    ],
)
def test_the_way_in_is_told(variables: dict[str, str], state: str, told: str) -> None:
    away = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_API_URL": "http://127.0.0.1:1/api/"}
    way_in = next(check_slack(settings(**away, **variables)))
    assert way_in.state == state
    assert told in way_in.message


def test_a_slack_that_cannot_be_reached_is_a_warning_and_is_asked_once() -> None:
    away = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1", "SLACK_API_URL": "http://127.0.0.1:1/api/"}
    finding = one(troubles(list(check_slack(settings(**away)))))
    assert (finding.state, finding.message) == ("warning", "SLACK_BOT_TOKEN could not be checked: Slack did not answer")


# Tokens and scopes


async def test_an_app_that_is_as_it_should_be_has_no_troubles() -> None:
    async with house(App()) as (fake, variables):
        found = await examined(**variables)
        assert [call.method for call in fake.calls] == ["auth.test", "apps.connections.open"]
    assert {finding.state for finding in found} == {"ok"}
    told = " / ".join(finding.message for finding in found)
    assert "SLACK_BOT_TOKEN works: handrail in Fake" in told
    assert f"has exactly the {len(SCOPES)} needed scopes" in told
    assert "SLACK_APP_TOKEN works" in told
    assert "SLACK_CONFIG_TOKEN" in str(found[-1].fix)


@pytest.mark.parametrize("tells_team", ["none", "enterprise", "team"])
async def test_an_app_in_a_whole_organisation_is_told_as_such(tells_team: Any) -> None:
    async with house(App(enterprise="E0ORG", auth_test_team=tells_team)) as (_, variables):
        found = await examined(**variables)
    told = "SLACK_BOT_TOKEN works: handrail in Fake Org (E0ORG), installed for the whole organisation"
    assert told in [finding.message for finding in found]
    assert troubles(found) == []


async def test_over_http_no_connection_is_asked_for() -> None:
    async with house(App(), socket_mode=False) as (fake, variables):
        assert troubles(await examined(**variables)) == []
        assert [call.method for call in fake.calls] == ["auth.test"]


@pytest.mark.parametrize("scope", sorted(SCOPES))
async def test_each_missing_scope_is_a_problem_and_says_what_for(scope: str) -> None:
    async with house(App(scopes=tuple(SCOPES.keys() - {scope}))) as (_, variables):
        finding = one(troubles(await examined(**variables)))
    assert finding.state == "problem"
    assert finding.message == f"the bot token lacks {scope}, for {SCOPES[scope]}"


async def test_a_superfluous_scope_is_a_warning() -> None:
    async with house(App(scopes=(*SCOPES, "users:read"))) as (_, variables):
        finding = one(troubles(await examined(**variables)))
    assert (finding.state, finding.message) == ("warning", "the bot token has users:read, which Handrail does not use")


async def test_an_answer_without_scopes_is_a_warning_and_no_list_of_problems() -> None:
    def handle(_: HttpRequest) -> HttpResponse:
        return HttpResponse(
            200, {"Content-Type": "application/json"}, b'{"ok": true, "user": "handrail", "team": "Fake"}'
        )

    async with running_http_server(handle) as port:
        api = f"http://127.0.0.1:{port}/api/"
        found = await examined(SLACK_BOT_TOKEN="xoxb-1", SLACK_SIGNING_SECRET="x", SLACK_API_URL=api)
    finding = one(troubles(found))
    assert (finding.state, finding.message) == ("warning", "Slack did not send the scopes of the bot token")


async def test_a_bot_token_slack_does_not_know_is_a_problem_and_stays_unsaid() -> None:
    async with house(App()) as (fake, variables):
        finding = one(troubles(await examined(**{**variables, "SLACK_BOT_TOKEN": "xoxb-wrong"})))
        fake.expect_error("auth.test", "invalid_auth")
    assert (finding.state, "invalid_auth" in finding.message) == ("problem", True)
    assert "xoxb-wrong" not in finding.model_dump_json()
    assert "run `handrail doctor`" not in finding.message


async def test_an_app_token_slack_does_not_know_is_a_problem() -> None:
    async with house(App()) as (fake, variables):
        finding = one(troubles(await examined(**{**variables, "SLACK_APP_TOKEN": "xapp-1-A0APP-1-wrong"})))
        fake.expect_error("apps.connections.open", "invalid_auth")
    assert (finding.state, finding.message.partition(":")[0]) == ("problem", "SLACK_APP_TOKEN")
    assert "connections:write" in str(finding.fix)


async def test_a_slack_that_is_busy_is_a_warning() -> None:
    async with house(App()) as (fake, variables):
        fake.fail_next("apps.connections.open", error="ratelimited", retry_after=30)
        finding = one(troubles(await examined(**variables)))
    assert (finding.state, finding.message) == ("warning", "SLACK_APP_TOKEN could not be checked: Slack did not answer")


# How the app is configured


async def test_with_a_configuration_token_the_app_is_compared() -> None:
    async with house(App(manifest=SOCKET)) as (fake, variables):
        found = await examined(**variables, SLACK_CONFIG_TOKEN=fake.app.config_token)
    assert found[-1].message == "the app is configured as `handrail slack manifest` prints"
    assert troubles(found) == []


async def test_what_the_comparison_finds_is_told() -> None:
    async with house(App(manifest=HTTP)) as (fake, variables):
        found = await examined(**variables, SLACK_CONFIG_TOKEN=fake.app.config_token)
    assert "settings.socket_mode_enabled is off in the app" in {finding.message for finding in troubles(found)}


@pytest.mark.parametrize("named", ["", "A0APP:"])
async def test_over_http_the_app_is_found_by_what_slack_or_the_person_tells(named: str) -> None:
    app = App(manifest=HTTP, has_app_id_in_auth_test=not named)
    async with house(app, socket_mode=False) as (_, variables):
        found = await examined(**variables, SLACK_CONFIG_TOKEN=f"{named}{app.config_token}")
    assert found[-1].message == "the app is configured as `handrail slack manifest` prints"


async def test_an_app_nobody_names_is_asked_for() -> None:
    async with house(App(manifest=HTTP), socket_mode=False) as (fake, variables):
        finding = one(troubles(await examined(**variables, SLACK_CONFIG_TOKEN=fake.app.config_token)))
    assert (finding.state, finding.message) == ("warning", "the id of the app is not known")
    assert "A...:token" in str(finding.fix)


@pytest.mark.parametrize(
    ("app", "token", "error"),
    [
        (App(manifest=SOCKET), "xoxe.xoxp-old", "invalid_auth"),
        (replace(App(manifest=SOCKET), id="A0OTHER"), App().config_token, "app_not_found"),
    ],
)
async def test_a_configuration_token_that_does_not_do_is_a_warning_for_nothing_else_needs_it(
    app: App, token: str, error: str
) -> None:
    async with house(app) as (fake, variables):
        finding = one(troubles(await examined(**variables, SLACK_CONFIG_TOKEN=token)))
        fake.expect_error("apps.manifest.export", error)
    assert (finding.state, error in finding.message) == ("warning", True)
    assert "12 hours" in str(finding.fix)


def changed(base: dict[str, Any], change: Change) -> dict[str, Any]:
    copy = deepcopy(base)
    change(copy)
    return copy


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda m: m["settings"].update(socket_mode_enabled=True), "settings.socket_mode_enabled is on in the app"),
        (lambda m: m["settings"]["interactivity"].update(is_enabled=False), "settings.interactivity.is_enabled is off"),
        (lambda m: m["settings"]["interactivity"].pop("request_url"), "settings.interactivity.request_url is not set"),
        (
            lambda m: m["settings"]["event_subscriptions"].update(request_url="https://old.example.com"),
            "settings.event_subscriptions.request_url is https://old.example.com in the app",
        ),
        (lambda m: m["settings"]["event_subscriptions"]["bot_events"].remove("message.im"), "the event message.im is"),
        (lambda m: m["oauth_config"]["scopes"]["bot"].remove("commands"), "the scope commands is missing"),
        (lambda m: m["features"].pop("agent_view"), "features.agent_view is off"),
        (
            lambda m: m["features"]["app_home"].update(home_tab_enabled=False),
            "features.app_home.home_tab_enabled is off",
        ),
        (
            lambda m: m["features"]["app_home"].update(messages_tab_read_only_enabled=True),
            "features.app_home.messages_tab_read_only_enabled is on",
        ),
        (lambda m: m["features"]["slash_commands"][0].update(url="https://x.example.com"), "the url of /handrail is"),
        (lambda m: m["features"]["shortcuts"].clear(), "the shortcut handrail.ask is missing"),
    ],
)
def test_whatever_is_missing_is_one_problem_with_its_fix(change: Change, told: str) -> None:
    finding = one(list(compare_manifests(HTTP, changed(HTTP, change))))
    assert (finding.state, finding.message.startswith(told)) == ("problem", True), finding.message
    assert " under " in str(finding.fix)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda m: m["settings"]["event_subscriptions"]["bot_events"].append("team_join"),
            "the event team_join is in the app, but Handrail does not use it",
        ),
        (
            lambda m: m["oauth_config"]["scopes"]["bot"].append("users:read"),
            "the scope users:read is in the app, but Handrail does not use it",
        ),
    ],
)
def test_what_is_too_much_is_a_warning(change: Change, told: str) -> None:
    finding = one(list(compare_manifests(HTTP, changed(HTTP, change))))
    assert (finding.state, finding.message) == ("warning", told)


def test_over_socket_mode_addresses_that_are_left_over_do_no_harm() -> None:
    left_over = changed(HTTP, lambda m: m["settings"].update(socket_mode_enabled=True))
    assert one(list(compare_manifests(SOCKET, left_over))).state == "ok"


def test_a_missing_command_is_told_as_missing_and_without_an_address() -> None:
    found = list(compare_manifests(HTTP, changed(HTTP, lambda m: m["features"].pop("slash_commands"))))
    assert [finding.message for finding in found] == [
        "the url of /handrail is not set in the app",
        "the command /handrail is missing from the app",
    ]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
PLACES = [
    ("settings",),
    ("settings", "event_subscriptions"),
    ("settings", "event_subscriptions", "bot_events"),
    ("features",),
    ("features", "slash_commands"),
    ("oauth_config", "scopes", "bot"),
]


@given(ANYTHING, st.sampled_from(PLACES))
def test_whatever_slack_exports_is_compared(value: Any, place: tuple[str, ...]) -> None:
    found = deepcopy(HTTP)
    inner = found
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    assert troubles(list(compare_manifests(HTTP, found)))
    assert troubles(list(compare_manifests(HTTP, value)))


@given(st.sets(st.sampled_from(BOT_EVENTS)), st.sets(st.sampled_from(["team_join", "reaction_added"])))
def test_exactly_the_events_that_differ_are_told(missing: set[str], more: set[str]) -> None:
    events = [*(set(BOT_EVENTS) - missing), *more]
    found = list(
        compare_manifests(HTTP, changed(HTTP, lambda m: m["settings"]["event_subscriptions"].update(bot_events=events)))
    )
    told = {(f.state, f.message.split()[2]) for f in troubles(found)}
    assert told == {("problem", event) for event in missing} | {("warning", event) for event in more}
