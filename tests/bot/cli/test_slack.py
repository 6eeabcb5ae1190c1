"""`handrail slack manifest` prints JSON for Slack on stdout, and instructions on stderr."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from channels.slack.manifest import build_manifest

PUBLIC_URL = "https://rail.example.com"


def test_default_manifest_is_for_http_and_warns_about_a_local_url(handrail):
    result = handrail("slack", "manifest")
    assert result.exit_code == 0
    assert result.json == build_manifest("http://localhost:1", socket_mode=False)  # the fixture sets PORT=1
    assert "warning: PUBLIC_URL is http://localhost:1, and Slack requires an https:// URL" in result.err


def test_manifest_with_an_app_token_is_for_socket_mode(handrail, monkeypatch):
    monkeypatch.setenv("SLACK_APP_TOKEN", "xapp-1-A0APP-1-x")
    result = handrail("slack", "manifest")
    assert result.json["settings"]["socket_mode_enabled"] is True
    assert "for Socket Mode" in result.err
    assert "warning" not in result.err


@pytest.mark.parametrize(("option", "socket_mode"), [("--http", False), ("--socket", True)])
@pytest.mark.parametrize("token", ["", "xapp-1-A0APP-1-x"])
def test_option_overrides_settings(handrail, monkeypatch, option, socket_mode, token):
    monkeypatch.setenv("SLACK_APP_TOKEN", token)
    monkeypatch.setenv("PUBLIC_URL", PUBLIC_URL)
    result = handrail("slack", "manifest", option)
    assert result.json == build_manifest(PUBLIC_URL, socket_mode=socket_mode)
    assert "warning" not in result.err


def test_json_option_changes_nothing(handrail):
    assert handrail("slack", "manifest", "--json").out == handrail("slack", "manifest").out


def test_link_contains_the_manifest(handrail):
    result = handrail("slack", "manifest", "--socket")
    (link,) = [line for line in result.err.splitlines() if line.startswith("https://")]
    query = parse_qs(urlsplit(link).query)
    assert query["new_app"] == ["1"]
    assert json.loads(query["manifest_json"][0]) == result.json


def test_slack_without_a_command_is_wrong_usage(handrail):
    assert handrail("slack").exit_code == 2
