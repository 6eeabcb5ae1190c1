"""`handrail config check` and the start: errors stop the start, find_warnings are only reported."""

import pytest

TWO_PEOPLE = '[people.al]\nname = "Al"\nroles = ["release"]\n[people.bo]\nname = "Bo"\nroles = ["release"]\n'
SHADOWED_RULE = '[[policy]]\ntool = "roll_back"\nallow = true\n[[policy]]\ntool = "roll_back"\ndeny = "no"\n'
IMPOSSIBLE_RULE = '[[policy]]\ntool = "roll_back"\nwhen = { environment = "prod" }\ndeny = "no"\n'


@pytest.fixture
def find_warnings(handrail, tmp_path):
    """Return a function that checks a file and returns its find_warnings without the file name."""

    def check(text: str) -> list[str]:
        (tmp_path / "handrail.toml").write_text(text)
        result = handrail("config", "check")
        *messages, last = result.err.splitlines()
        assert (result.exit_code, last) == (0, "no mistakes")
        return [line.removeprefix("warning: handrail.toml:") for line in messages if line.startswith("warning: ")]

    return check


def test_shadowed_rule_is_a_warning_with_both_lines(find_warnings, handrail):
    (message,) = find_warnings(TWO_PEOPLE + SHADOWED_RULE)
    assert message.startswith("10: policy[1]: never applies: policy[0] (line 7) before it matches the same calls;")
    (warning,) = handrail("config", "check", "--json").json
    assert (warning["line"], warning["key"], warning["severity"]) == (10, "policy[1]", "warning")


def test_rule_that_no_person_can_satisfy_is_a_warning(find_warnings):
    rule = '[[policy]]\ntool = "*"\nask = { people = [] }\n'
    (no_approver,) = find_warnings(TWO_PEOPLE + rule)
    assert no_approver.startswith("7: policy[0].ask: requires 1 approval, but no person can approve")
    one_person = '[people.al]\nname = "Al"\n[[policy]]\ntool = "*"\nask = { people = ["al"] }\n'
    (requester,) = find_warnings(one_person)
    assert requester.startswith("3: policy[0].ask: only al can approve, and not a request of their own;")
    assert find_warnings(one_person.replace("[[policy]]", '[people.bo]\nname = "Bo"\n[[policy]]')) == []
    assert find_warnings(one_person.replace('["al"]', '["al"], requester_may_approve = true')) == []


def test_tool_default_that_no_person_can_satisfy_is_a_warning(find_warnings):
    messages = find_warnings('[people.al]\nname = "Al"\n')
    assert [line.partition(" requires")[0] for line in messages] == [
        f" policy: the default approval terms of {name}:" for name in ("push_release_tag", "roll_back")
    ]


def test_token_of_an_unknown_person_is_a_warning(find_warnings, monkeypatch):
    monkeypatch.setenv("HANDRAIL_API_TOKENS", "ci:c4n4ry:all")
    (message,) = find_warnings(TWO_PEOPLE)
    assert message.startswith(
        "warning: HANDRAIL_API_TOKENS: the token ci belongs to a person who is not in handrail.toml: there is no"
    )
    assert "c4n4ry" not in message


def test_misspelled_variable_in_env_file_is_a_warning_with_its_line(find_warnings, tmp_path):
    (tmp_path / ".env").write_text("# the database\nDATABSE_URL=sqlite:///x.db\n")
    (message,) = find_warnings(TWO_PEOPLE)
    assert (
        message
        == "warning: .env:2: DATABSE_URL: is not a variable of Handrail and is ignored; did you mean DATABASE_URL?"
    )


def test_variable_named_by_a_webhook_is_not_a_warning(find_warnings, monkeypatch):
    monkeypatch.setenv("SECRET_KEYS", "x")
    assert "SECRET_KEYS" in "".join(find_warnings(TWO_PEOPLE))
    webhook = '[[webhooks]]\nname = "a"\nprofile = "generic"\nsecret_env = "SECRET_KEYS"\n'
    assert find_warnings(TWO_PEOPLE + webhook) == []


def test_doctor_shows_warnings(handrail, monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    found = [finding for finding in handrail("doctor", "--json").json if finding["state"] == "warning"]
    assert any(finding["told"].startswith("ALL_PROXY: names a SOCKS proxy") for finding in found)


def test_start_refuses_a_condition_that_never_matches(folder):
    (folder.path / "handrail.toml").write_text(TWO_PEOPLE + IMPOSSIBLE_RULE)
    refused = folder.run("up", "--port", "0")
    assert refused.exit_code == 1
    assert 'handrail.toml:9: policy[0].when.environment: can never match a call of roll_back: "prod"' in refused.err


def test_start_warns_once_and_continues(folder):
    (folder.path / "handrail.toml").write_text(TWO_PEOPLE + SHADOWED_RULE)
    unusable = {"LOG_LEVLE": "debug", "ALL_PROXY": "socks5://127.0.0.1:1", "SSL_CERT_FILE": "/nonexistent"}
    slack = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_SIGNING_SECRET": "x"}
    with folder.running_server(**unusable, **slack, OPENAI_API_KEY="sk-x", HANDRAIL_API_TOKENS="ci:token:al") as server:
        warning_lines = [line for line in server.process.output.splitlines() if "configuration_warning" in line]
        assert len(warning_lines) == 4
        for name in ("policy[1]", "LOG_LEVLE", "ALL_PROXY", "SSL_CERT_FILE"):
            assert sum(f'"{name}"' in line for line in warning_lines) == 1
        assert '"action": "channel_not_started", "channel": "slack"' in server.process.output
        result = server.folder.run("chat", "--once", "what is deployed", **unusable, HANDRAIL_API_TOKEN="token")
        assert result.exit_code == 0
        assert "production is" in result.out
