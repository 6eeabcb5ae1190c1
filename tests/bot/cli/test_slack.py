"""`handrail slack manifest`: JSON for Slack on stdout, and for the person what to do with it."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from channels.slack.manifest import build_manifest

PUBLIC = "https://rail.example.com"


def test_without_anything_set_the_manifest_is_for_http_and_warns_that_slack_cannot_come_here(handrail):
    told = handrail("slack", "manifest")
    assert told.exit_code == 0
    assert told.json == build_manifest("http://localhost:1", socket_mode=False)
    assert "warning: PUBLIC_URL is http://localhost:1, and Slack sends to https:// only" in told.err


def test_with_an_app_token_the_manifest_is_for_socket_mode_and_needs_no_public_url(handrail, monkeypatch):
    monkeypatch.setenv("SLACK_APP_TOKEN", "xapp-1-A0APP-1-x")
    told = handrail("slack", "manifest")
    assert told.json["settings"]["socket_mode_enabled"] is True
    assert "for Socket Mode" in told.err
    assert "warning" not in told.err


@pytest.mark.parametrize(("option", "socket_mode"), [("--http", False), ("--socket", True)])
@pytest.mark.parametrize("token", ["", "xapp-1-A0APP-1-x"])
def test_an_option_decides_whatever_is_set(handrail, monkeypatch, option, socket_mode, token):
    monkeypatch.setenv("SLACK_APP_TOKEN", token)
    monkeypatch.setenv("PUBLIC_URL", PUBLIC)
    told = handrail("slack", "manifest", option)
    assert told.json == build_manifest(PUBLIC, socket_mode=socket_mode)
    assert "warning" not in told.err


def test_json_changes_nothing_for_it_is_json_already(handrail):
    assert handrail("slack", "manifest", "--json").out == handrail("slack", "manifest").out


def test_the_link_carries_the_whole_manifest(handrail):
    told = handrail("slack", "manifest", "--socket")
    (link,) = [line for line in told.err.splitlines() if line.startswith("https://")]
    filled_in = parse_qs(urlsplit(link).query)
    assert filled_in["new_app"] == ["1"]
    assert json.loads(filled_in["manifest_json"][0]) == told.json


def test_slack_alone_is_not_enough(handrail):
    assert handrail("slack").exit_code == 2
