"""Tests of warnings about misspelled variables."""

import pytest

from bot.config.environment import find_near_misses
from bot.config.settings import Settings

KNOWN_VARIABLES = Settings.from_variables({}).known_variables


def list_warnings(*names: str) -> list[str]:
    return [str(warning) for warning in find_near_misses(names, KNOWN_VARIABLES, {}, ".env")]


@pytest.mark.parametrize(
    ("name", "closest"),
    [
        ("OPENAI_KEY", "OPENAI_API_KEY"),
        ("PROT", "PORT"),
        ("DATABSE_URL", "DATABASE_URL"),
        ("DATABASE_ULR", "DATABASE_URL"),
        ("openai_api_key", "OPENAI_API_KEY"),
        ("ENVIROMENT", "ENVIRONMENT"),
        ("LOGLEVEL", "LOG_LEVEL"),
        ("SLACK_TOKEN", "SLACK_BOT_TOKEN"),
        ("HANDRAIL_TOKENS", "HANDRAIL_API_TOKENS"),
        ("HANDRAIL_CONF", "HANDRAIL_CONFIG"),
    ],
)
def test_warning_suggests_the_closest_name(name: str, closest: str) -> None:
    assert list_warnings(name) == [f"{name}: is not a variable of Handrail and is ignored; did you mean {closest}?"]


@pytest.mark.parametrize(
    "name", ["HOME", "PATH", "HOSTNAME", "TEST_DATABASE_URL", "NO_PROXY", "OPENAI_ORG_ID", "SMTP_HOST", "PWD", "TERM"]
)
def test_variables_of_other_programs_have_no_warning(name: str) -> None:
    assert list_warnings(name) == []


def test_no_warning_if_the_right_name_is_set_too() -> None:
    assert list_warnings("OPENAI_KEY", "OPENAI_API_KEY") == []


def test_warning_about_the_file_has_its_line() -> None:
    (warning,) = find_near_misses(["PROT"], KNOWN_VARIABLES, {"PROT": 3}, ".env")
    assert (warning.file, warning.line, warning.severity) == (".env", 3, "warning")
