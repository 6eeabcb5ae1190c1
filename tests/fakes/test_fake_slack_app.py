"""Tests of the fake Slack's app: granted scopes and the exported manifest."""

import pytest
from slack_sdk.errors import SlackApiError

from tests.fakes.recording_bots import web_client
from tests.fakes.slack.app import App
from tests.fakes.slack.slack import fake_slack

MANIFEST = {"display_information": {"name": "Handrail"}, "settings": {"socket_mode_enabled": True}}


async def test_every_response_lists_the_scopes_of_the_token() -> None:
    async with fake_slack(app=App(scopes=("chat:write", "commands"))) as slack:
        response = await web_client(slack).auth_test()
    assert response.headers["x-oauth-scopes"] == "chat:write,commands"


async def test_call_without_its_scope_is_rejected() -> None:
    async with fake_slack(app=App(scopes=("commands",))) as slack:
        slack.add_channel("C0OPS")
        with pytest.raises(SlackApiError, match="missing_scope"):
            await web_client(slack).chat_postMessage(channel="C0OPS", text="hello")
        slack.assert_error_occurred("chat.postMessage", "missing_scope")


async def test_manifest_export_needs_a_configuration_token() -> None:
    async with fake_slack(app=App(manifest=MANIFEST)) as slack:
        response = await web_client(slack, slack.app.config_token).apps_manifest_export(app_id=slack.app.id)
        assert response["manifest"].items() >= {"display_information": {"name": "Handrail"}}.items()
        assert response["manifest"]["settings"]["socket_mode_enabled"] is True
        with pytest.raises(SlackApiError, match="not_allowed_token_type"):
            await web_client(slack).apps_manifest_export(app_id=slack.app.id)
        slack.assert_error_occurred("apps.manifest.export", "not_allowed_token_type")


async def test_manifest_of_another_app_is_not_found() -> None:
    async with fake_slack(app=App(manifest=MANIFEST)) as slack:
        with pytest.raises(SlackApiError, match="app_not_found"):
            await web_client(slack, slack.app.config_token).apps_manifest_export(app_id="A0OTHER")
        slack.assert_error_occurred("apps.manifest.export", "app_not_found")
