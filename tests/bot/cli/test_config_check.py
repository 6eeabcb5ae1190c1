"""`handrail config check` and the start: errors stop, warnings are told and stop nothing."""

import pytest

TWO = '[people.al]\nname = "Al"\nroles = ["release"]\n[people.bo]\nname = "Bo"\nroles = ["release"]\n'
SHADOWED = '[[policy]]\ntool = "roll_back"\nallow = true\n[[policy]]\ntool = "roll_back"\ndeny = "no"\n'
IMPOSSIBLE = '[[policy]]\ntool = "roll_back"\nwhen = { environment = "prod" }\ndeny = "no"\n'


@pytest.fixture
def warnings(handrail, tmp_path):
    """What is warned of in a file, without the name of the file."""

    def checked(text: str) -> list[str]:
        (tmp_path / "handrail.toml").write_text(text)
        passed = handrail("config", "check")
        *told, last = passed.err.splitlines()
        assert (passed.exit_code, last) == (0, "no mistakes")
        return [line.removeprefix("warning: handrail.toml:") for line in told if line.startswith("warning: ")]

    return checked


def test_shadowed_rule_is_a_warning_with_its_line_and_the_other(warnings, handrail):
    (told,) = warnings(TWO + SHADOWED)
    assert told.startswith("10: policy[1]: never applies: policy[0] (line 7) before it matches the same calls;")
    (warning,) = handrail("config", "check", "--json").json
    assert (warning["line"], warning["key"], warning["severity"]) == (10, "policy[1]", "warning")


def test_rule_that_nobody_can_ever_satisfy_is_a_warning(warnings):
    asks = '[[policy]]\ntool = "*"\nask = { people = [] }\n'
    (nobody,) = warnings(TWO + asks)
    assert nobody.startswith("7: policy[0].ask: requires 1 approval, but no person can approve")
    alone = '[people.al]\nname = "Al"\n[[policy]]\ntool = "*"\nask = { people = ["al"] }\n'
    (requester,) = warnings(alone)
    assert requester.startswith("3: policy[0].ask: only al can approve, and not a request of their own;")
    assert warnings(alone.replace("[[policy]]", '[people.bo]\nname = "Bo"\n[[policy]]')) == []
    assert warnings(alone.replace('["al"]', '["al"], requester_may_approve = true')) == []


def test_default_of_a_tool_that_nobody_can_satisfy_is_a_warning(warnings):
    told = warnings('[people.al]\nname = "Al"\n')
    assert [line.partition(" requires")[0] for line in told] == [
        f" policy: the default of {name}" for name in ("push_release_tag", "roll_back")
    ]


def test_token_of_a_person_who_is_not_there_is_a_warning(warnings, monkeypatch):
    monkeypatch.setenv("HANDRAIL_API_TOKENS", "ci:c4n4ry:all")
    (told,) = warnings(TWO)
    assert told.startswith("warning: HANDRAIL_API_TOKENS: the token ci belongs to a person who is not in handrail.toml: there is no")
    assert "c4n4ry" not in told


def test_near_miss_in_env_file_is_told_with_its_line(warnings, tmp_path):
    (tmp_path / ".env").write_text("# the database\nDATABSE_URL=sqlite:///x.db\n")
    (told,) = warnings(TWO)
    assert told == "warning: .env:2: DATABSE_URL: is not a variable of Handrail and is ignored; did you mean DATABASE_URL?"


def test_variable_a_webhook_names_is_no_near_miss(warnings, monkeypatch):
    monkeypatch.setenv("SECRET_KEYS", "x")
    assert "SECRET_KEYS" in "".join(warnings(TWO))
    webhook = '[[webhooks]]\nname = "a"\nprofile = "generic"\nsecret_env = "SECRET_KEYS"\n'
    assert warnings(TWO + webhook) == []


def test_doctor_shows_warnings(handrail, monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    found = [finding for finding in handrail("doctor", "--json").json if finding["state"] == "warning"]
    assert any(finding["told"].startswith("ALL_PROXY: names a SOCKS proxy") for finding in found)


def test_start_refuses_a_condition_that_can_never_match(folder):
    (folder.path / "handrail.toml").write_text(TWO + IMPOSSIBLE)
    refused = folder.run("up", "--port", "0")
    assert refused.exit_code == 1
    assert 'handrail.toml:9: policy[0].when.environment: can never match a call of roll_back: "prod"' in refused.err


def test_start_warns_once_and_goes_on_where_it_can(folder):
    (folder.path / "handrail.toml").write_text(TWO + SHADOWED)
    odd = {"LOG_LEVLE": "debug", "ALL_PROXY": "socks5://127.0.0.1:1", "SSL_CERT_FILE": "/nonexistent"}
    slack = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_SIGNING_SECRET": "x"}
    with folder.running_server(**odd, **slack, OPENAI_API_KEY="sk-x", HANDRAIL_API_TOKENS="ci:token:al") as server:
        told = [line for line in server.process.output.splitlines() if "configuration_warning" in line]
        assert len(told) == 4
        for name in ("policy[1]", "LOG_LEVLE", "ALL_PROXY", "SSL_CERT_FILE"):
            assert sum(f'"{name}"' in line for line in told) == 1
        assert '"action": "channel_not_started", "channel": "slack"' in server.process.output
        answered = server.folder.run("chat", "--once", "what is deployed", **odd, HANDRAIL_API_TOKEN="token")
        assert answered.exit_code == 0
        assert "production is" in answered.out
