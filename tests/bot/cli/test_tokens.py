"""`handrail tokens`: names and scopes, new entries, and instructions for revoking."""

import pytest

from bot.config.environment import parse_api_tokens

TOKENS = "alice:secret-a:alice,ci:secret-b::read+start"
TOML = '[people.alice]\nname = "Alice"\nroles = ["admin"]\n'


@pytest.fixture(autouse=True)
def _configure_tokens(handrail, tmp_path, monkeypatch):
    (tmp_path / "handrail.toml").write_text(TOML)
    monkeypatch.setenv("HANDRAIL_API_TOKENS", TOKENS)


def test_tokens_are_listed_by_name_and_scope_without_secrets(handrail):
    listed = handrail("tokens", "list", "--json")
    assert listed.json == [
        {"name": "alice", "person": "alice", "scopes": ["read", "start", "answer", "admin"]},
        {"name": "ci", "person": None, "scopes": ["read", "start"]},
    ]
    config_check, doctor = handrail("config", "check"), handrail("doctor", "--json")
    assert "token ci (a program): read, start\n" in config_check.err
    assert "ci (a program): read, start" in doctor.out
    assert "secret-" not in listed.out + config_check.err + doctor.out + handrail("tokens", "list").out


def test_generated_token_is_listed_when_none_is_set(handrail, monkeypatch):
    monkeypatch.delenv("HANDRAIL_API_TOKENS")
    (grant,) = handrail("tokens", "list", "--json").json
    assert (grant["name"], grant["person"]) == ("generated", "you")
    assert "delete .handrail/api-token" in handrail("tokens", "revoke", "generated").err


def test_new_token_comes_with_the_entry_to_add(handrail):
    created = handrail(
        "tokens", "new", "bot", "--person", "alice", "--scope", "read", "--scope", "answer", "--json"
    ).json
    (token,) = parse_api_tokens(created["entry"])
    assert (token.name, token.person, token.scopes) == ("bot", "alice", ("read", "answer"))
    assert token.secret.get_secret_value() == created["token"]
    assert created["token"] != handrail("tokens", "new", "bot", "--json").json["token"]
    assert ":" not in handrail("tokens", "new", "bot", "--json").json["entry"].partition(":")[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ci",), "token ci already exists"),
        (("a b",), "make no valid token"),
        (("bot", "--scope", "write"), "the scopes are read, start, answer, admin"),
        (("bot", "--person", "zoe"), "there is no person zoe"),
    ],
)
def test_invalid_new_token_is_refused(handrail, arguments, message):
    refused = handrail("tokens", "new", *arguments)
    assert (refused.exit_code, refused.out) == (1, "")
    assert message in refused.err


def test_revoke_names_the_entry_to_remove_and_fails(handrail):
    refused = handrail("tokens", "revoke", "ci")
    assert refused.exit_code == 1
    assert "remove the entry that begins with ci:" in refused.err
    assert "restart" in refused.err
    assert "there is no token nothing" in handrail("tokens", "revoke", "nothing").err
