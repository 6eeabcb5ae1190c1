"""Commands that read the configuration, and commands that this version refuses."""

import stat

import pytest

from agents.core.errors import ConfigurationError
from bot.cli.chat.input import open_history
from bot.process import create_data_dir

CONFIGURATION = """
[people.alice]
name = "Alice Ng"
roles = ["release"]
email = "alice@example.com"

[people.bob]
name = "Bob"

[[schedules]]
name = "stale-commits"
cron = "0 9 * * mon-fri"
agent = "deploy"
message = "Is anything waiting?"
"""


@pytest.fixture
def two_person_config(tmp_path):
    (tmp_path / "handrail.toml").write_text(CONFIGURATION)


def test_without_a_configuration_file_there_is_one_person(handrail):
    (you,) = handrail("people", "list", "--json").json
    assert (you["key"], you["roles"]) == ("you", ["*"])


@pytest.mark.usefixtures("two_person_config")
def test_people_are_found_by_name_and_address(handrail):
    assert [person["key"] for person in handrail("people", "list", "--json").json] == ["alice", "bob"]
    for name in ("alice", "person:alice", "email:alice@example.com", "terminal:alice"):
        assert handrail("people", "whois", name, "--json").json["name"] == "Alice Ng"
    assert "Alice Ng" in handrail("people", "whois", "alice").out
    assert handrail("people", "whois", "carol").exit_code == 1


@pytest.mark.usefixtures("two_person_config")
def test_schedules_are_listed_but_cannot_run(handrail):
    (schedule,) = handrail("schedules", "list", "--json").json
    assert (schedule["name"], schedule["cron"], schedule["misfire"]) == ("stale-commits", "0 9 * * mon-fri", "latest")
    assert "stale-commits" in handrail("schedules", "list").out
    for action in ("run", "pause", "resume"):
        refused = handrail("schedules", action, "stale-commits")
        assert refused.exit_code == 1
        assert "does not run them yet" in refused.err
    assert 'did you mean "stale-commits"?' in handrail("schedules", "run", "stale-comits").err


def test_no_schedules_are_an_empty_list(handrail):
    assert handrail("schedules", "list", "--json").json == []
    assert "no schedules" in handrail("schedules", "list").out


@pytest.mark.parametrize("role", ["web", "smtp", "worker", "clock"])
def test_single_role_is_refused_on_sqlite(handrail, monkeypatch, role):
    refused = handrail(role)
    assert refused.exit_code == 1
    assert "SQLite is for one process" in refused.err
    assert "handrail up" in refused.err
    monkeypatch.setenv("DATABASE_URL", "postgresql://localhost/handrail")
    assert "the database does not answer" in handrail(role).err


def test_send_reports_that_the_message_was_not_sent(handrail):
    refused = handrail("send", "--to", "slack:C0OPS", "hello")
    assert refused.exit_code == 1
    assert "to slack:C0OPS was not sent" in refused.err


def test_migrating_twice_changes_nothing(handrail, tmp_path):
    first = handrail("migrate", "--json").json
    assert first["before"] is None
    again = handrail("migrate", "--json").json
    assert again == {"before": first["after"], "after": first["after"]}
    assert "(unchanged)" in handrail("migrate").err
    assert (tmp_path / ".handrail" / "handrail.db").exists()
    assert stat.S_IMODE((tmp_path / ".handrail").stat().st_mode) == 0o700


def test_file_in_the_way_of_the_data_folder_is_reported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".handrail").touch()
    with pytest.raises(ConfigurationError, match=r"a file named \.handrail is in the way of the data folder; move it"):
        create_data_dir()


@pytest.mark.usefixtures("two_person_config")
def test_configuration_without_mistakes_passes(handrail):
    passed = handrail("config", "check")
    assert (passed.exit_code, passed.err) == (0, "no mistakes\n")
    assert handrail("config", "check", "--json").json == []


def test_mistakes_are_reported_with_file_line_and_key(handrail, tmp_path):
    (tmp_path / "handrail.toml").write_text('[people.alice]\nname = 3\n\n[[policy]]\ntool = "push_relase_tag"\n')
    failed = handrail("config", "check")
    assert failed.exit_code == 1
    assert "handrail.toml:2: people.alice.name" in failed.err
    assert 'did you mean "push_release_tag"?' in failed.err
    mistakes = handrail("config", "check", "--json").json
    assert {"file": "handrail.toml", "line": 2, "key": "people.alice.name"}.items() <= mistakes[0].items()


def test_mistakes_in_the_environment_are_reported(handrail, monkeypatch):
    monkeypatch.setenv("PORT", "many")
    failed = handrail("config", "check")
    assert failed.exit_code == 1
    assert failed.err.startswith("PORT: ")


def test_settings_are_shown_with_their_source_but_without_secrets(handrail, tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("OPENAI_API_KEY=sk-hidden\nDEPLOY_REPO=https://me:hidden@example.com/x.git\n")
    monkeypatch.setenv("HANDRAIL_API_TOKENS", "ci:hidden-token-of-ci")
    shown = handrail("config", "show", "--json")
    assert "hidden" not in shown.out
    assert "hidden" not in handrail("config", "show").out
    settings = shown.json["settings"]
    assert settings["DEPLOY_REPO"] == {"value": "https://***@example.com/x.git", "from": ".env"}
    assert settings["OPENAI_API_KEY"]["from"] == ".env"
    assert settings["HANDRAIL_API_TOKENS"]["from"] == "environment"
    assert settings["LOG_LEVEL"] == {"value": "info", "from": "default"}
    assert shown.json["configuration"]["people"]["everybody"][0]["key"] == "you"


def test_no_color_disables_colors_that_force_color_enables(handrail, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in handrail("people", "list").out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in handrail("people", "list").out


def test_reading_commands_create_no_files(handrail, tmp_path):
    for command in (("people", "list"), ("config", "show"), ("schedules", "list"), ("threads", "list"), ("doctor",)):
        handrail(*command)
    assert list(tmp_path.iterdir()) == []


def test_only_the_owner_can_read_the_chat_history(tmp_path):
    (tmp_path / ".handrail").mkdir()
    file = tmp_path / ".handrail" / "chat-history"
    open_history(file).append_string("deploy v1.4.0 to production")
    assert "deploy v1.4.0" in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    open_history(tmp_path / "missing" / "chat-history").append_string("nothing is kept")
    assert not (tmp_path / "missing").exists()
