"""The environment: defaults, sources, shapes, and mistakes that never repeat a value."""

import traceback
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import make_url

from agents.errors import ConfigurationError
from bot.environment.api_tokens import ApiToken, parse_api_tokens
from bot.environment.urls import validate_database_url
from bot.environment.values import ListenAddress
from bot.settings import Settings, load_settings

EXAMPLE = Path(__file__).parents[2] / ".env.example"
CANARY = "c4n4ry"
SID = "0123456789abcdef" * 2


def settings(**variables: str) -> Settings:
    """What an environment of exactly these variables amounts to."""
    return load_settings(variables, env_file=None)


def complaints(**variables: str) -> list[str]:
    with pytest.raises(ConfigurationError) as raised:
        settings(**variables)
    assert str(raised.value) == "\n".join(map(str, raised.value.details))
    return str(raised.value).split("\n")


def complaint(**variables: str) -> str:
    (only,) = complaints(**variables)
    return only


# --- where values come from ---


def test_an_empty_environment_is_enough() -> None:
    nothing_set = settings()
    assert nothing_set.database_url.get_secret_value() == "sqlite:///.handrail/handrail.db"
    assert (nothing_set.host, nothing_set.port) == ("127.0.0.1", 8000)
    assert nothing_set.environment == "development"
    assert nothing_set.smtp_listen == ListenAddress(host="127.0.0.1", port=2525)
    assert nothing_set.secret_key is None
    assert nothing_set.handrail_api_tokens == ()


def test_copying_the_example_changes_nothing() -> None:
    assert load_settings({}, env_file=EXAMPLE).model_dump() == settings().model_dump()


def test_the_example_has_every_variable_with_its_meaning() -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    told = {
        line.partition("=")[0]: lines[n - 1].removeprefix("# ") for n, line in enumerate(lines) if line[:1].isalpha()
    }
    assert told == {name.upper(): field.description for name, field in Settings.model_fields.items()}


def test_every_variable_of_the_contract_is_there() -> None:
    contract = """
        DATABASE_URL HANDRAIL_CONFIG HOST PORT PUBLIC_URL SECRET_KEY HANDRAIL_API_TOKENS OPENAI_API_KEY OPENAI_BASE_URL
        OPENAI_MODEL SLACK_BOT_TOKEN SLACK_SIGNING_SECRET SLACK_APP_TOKEN SLACK_API_URL TWILIO_ACCOUNT_SID
        TWILIO_AUTH_TOKEN TWILIO_FROM TWILIO_API_URL EMAIL_ADDRESS SMTP_LISTEN LMTP_LISTEN SMTP_URL EMAIL_AUTHSERV_ID
        LOG_LEVEL LOG_FORMAT ENVIRONMENT DEPLOY_REPO HANDRAIL_URL HANDRAIL_API_TOKEN NO_COLOR
    """
    grown = ["OPENAI_CONCURRENCY", "OPENAI_TIMEOUT", "SLACK_CONFIG_TOKEN"]  # docs/adr/0009, docs/adr/0021
    assert {name.upper() for name in Settings.model_fields} == {*contract.split(), *grown}


def test_options_win_over_the_environment_and_the_environment_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("PORT=1\nHOST=file\nLOG_LEVEL=debug\n")
    found = load_settings({"PORT": "2", "HOST": "process"}, env_file=file, overrides={"PORT": "3"})
    assert (found.port, found.host, found.log_level) == (3, "process", "debug")


def test_an_empty_value_counts_as_unset_and_lets_the_file_speak(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("PORT=9000\n")
    assert load_settings({"PORT": " ", "OPENAI_API_KEY": ""}, env_file=file).port == 9000


def test_only_where_the_contract_says_so_empty_switches_off() -> None:
    assert settings(SMTP_LISTEN="").smtp_listen is None
    assert settings(LMTP_LISTEN="").lmtp_listen is None


def test_the_file_is_read_without_expanding_anything(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("export SECRET_KEY='a${HOME}$b' # why\n")
    key = load_settings({}, env_file=file).secret_key
    assert key == SecretStr("a${HOME}$b")


def test_a_line_of_the_file_that_makes_no_sense_is_told_but_not_shown(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(f"PORT=1\n= {CANARY}\n")
    with pytest.raises(ConfigurationError) as raised:
        load_settings({}, env_file=file)
    assert str(raised.value) == f"{file}:2: cannot be read; write NAME=value"


def test_a_file_that_is_no_text_is_refused_and_a_missing_one_is_not(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    assert load_settings({}, env_file=file).port == 8000
    file.write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match="is not UTF-8"):
        load_settings({}, env_file=file)
    with pytest.raises(ConfigurationError, match="cannot be read: Is a directory"):
        load_settings({}, env_file=tmp_path)


# --- what values mean ---


def test_urls_of_this_server_follow_the_port_unless_set() -> None:
    assert settings(PORT="9000").public_url == "http://localhost:9000"
    assert settings(PORT="9000").handrail_url == "http://127.0.0.1:9000"
    assert settings(PUBLIC_URL="https://rail.example.com/").public_url == "https://rail.example.com"


def test_api_tokens_have_a_name_and_perhaps_a_person() -> None:
    assert settings(HANDRAIL_API_TOKENS="ci:abc=, alice:d-e.f:alice").handrail_api_tokens == (
        ApiToken(name="ci", secret=SecretStr("abc=")),
        ApiToken(name="alice", secret=SecretStr("d-e.f"), person="alice"),
    )


def test_api_tokens_have_scopes_of_their_own_or_the_usual_ones() -> None:
    text = "ci:abc::start+read,alice:def:alice:admin,bob:ghi:bob"
    ci, alice, bob = settings(HANDRAIL_API_TOKENS=text).handrail_api_tokens
    assert (ci.person, ci.granted_scopes(is_admin=False)) == (None, ("read", "start"))
    assert (alice.person, alice.granted_scopes(is_admin=False)) == ("alice", ("read", "start", "answer", "admin"))
    assert bob.granted_scopes(is_admin=False) == ("read", "start", "answer")
    assert "admin" in bob.granted_scopes(is_admin=True)
    assert ci.granted_scopes(is_admin=True) == ("read", "start")


def test_two_twilio_tokens_are_for_rotation() -> None:
    assert settings(TWILIO_AUTH_TOKEN="new,old").twilio_auth_token == (SecretStr("new"), SecretStr("old"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "postgresql://u:p@host/db?sslmode=require"),
        ("DATABASE_URL", "postgres://u:p@host/db"),
        ("DATABASE_URL", "sqlite:////var/lib/handrail.db"),
        ("SMTP_URL", "smtp://u:p%2F@host:587?starttls=required"),
        ("SMTP_URL", "smtps://host"),
        ("SMTP_LISTEN", "[::1]:25"),
        ("TWILIO_FROM", "+15550001000"),
        ("TWILIO_FROM", f"MG{SID}"),
        ("TWILIO_ACCOUNT_SID", f"AC{SID}"),
        ("SLACK_BOT_TOKEN", "xoxb-1"),
        ("SLACK_APP_TOKEN", "xapp-1"),
        ("SLACK_CONFIG_TOKEN", "xoxe.xoxp-1-x"),
        ("SLACK_CONFIG_TOKEN", "A0APP:xoxe.xoxp-1-x"),
        ("SLACK_API_URL", "http://127.0.0.1:9/api"),
        ("LOG_LEVEL", "WARNING"),
        ("LOG_FORMAT", "json"),
        ("NO_COLOR", "0"),
        ("EMAIL_ADDRESS", "Bot@Example.com"),
        ("HANDRAIL_CONFIG", "elsewhere.toml"),
    ],
)
def test_a_value_of_the_right_shape_is_taken(name: str, value: str) -> None:
    assert getattr(settings(**{name: value}), name.lower())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENVIRONMENT", "prod"),
        ("DATABASE_URL", f"mysql://u:{CANARY}@host/db"),
        ("DATABASE_URL", f"postgresql://u:{CANARY}/x@host/db"),
        ("DATABASE_URL", "sqlite://"),
        ("DATABASE_URL", "sqlite:///:memory:"),
        ("PORT", "http"),
        ("PORT", "65536"),
        ("PUBLIC_URL", "localhost:8000"),
        ("PUBLIC_URL", f"https://{CANARY}@example.com"),
        ("OPENAI_BASE_URL", f"https://example.com/?key={CANARY}"),
        ("HANDRAIL_API_TOKENS", CANARY),
        ("SLACK_BOT_TOKEN", f"xapp-{CANARY}"),
        ("SLACK_APP_TOKEN", f"xoxb-{CANARY}"),
        ("SLACK_CONFIG_TOKEN", f"xoxe-1-{CANARY}"),
        ("SLACK_CONFIG_TOKEN", f"B0BOT:xoxe.xoxp-{CANARY}"),
        ("SLACK_API_URL", "slack.com"),
        ("TWILIO_ACCOUNT_SID", CANARY),
        ("TWILIO_AUTH_TOKEN", f"{CANARY},{CANARY},{CANARY}"),
        ("TWILIO_AUTH_TOKEN", f"{CANARY},"),
        ("TWILIO_FROM", "0555"+"1"*9),
        ("TWILIO_API_URL", "ftp://example.com"),
        ("EMAIL_ADDRESS", "Bot <bot@example.com>"),
        ("SMTP_LISTEN", "2525"),
        ("SMTP_LISTEN", "127.0.0.1:0"),
        ("LMTP_LISTEN", "::1:25"),
        ("SMTP_URL", f"http://u:{CANARY}@host"),
        ("SMTP_URL", f"smtp://u:{CANARY}/@host"),
        ("SMTP_URL", "smtp://host?starttls=maybe"),
        ("LOG_LEVEL", "verbose"),
        ("LOG_FORMAT", "xml"),
    ],
)  # fmt: skip
def test_a_value_of_the_wrong_shape_is_refused_with_how_to_write_it_and_is_not_repeated(name: str, value: str) -> None:
    told = complaint(**{name: value})
    assert told.startswith(f"{name}: ")
    assert f"; write it like {name}=" in told
    assert CANARY not in told


def test_all_mistakes_are_told_at_once_and_a_default_that_hangs_on_one_is_not() -> None:
    told = complaints(PORT="0", LOG_LEVEL="x", SMTP_LISTEN="y")
    assert [line.partition(":")[0] for line in told] == ["PORT", "SMTP_LISTEN", "LOG_LEVEL"]
    assert told[0] == "PORT: must be at least 1; write it like PORT=8000"


# --- API tokens ---


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ci", "entry 1 is not name:token, name:token:person"),
        ("ci:x,", "entry 2 is not name:token, name:token:person"),
        ("ci:x,al:y:al:read:more", "entry 2 is not name:token, name:token:person"),
        ("ci:a b", "entry 1 is not name:token, name:token:person"),
        ("ci:x:", "entry 1 is not name:token, name:token:person"),
        ("ci:x,al:y:al:more", "entry 2 has an unknown scope; the scopes are read, start, answer, admin"),
        ("ci:x::read+", "entry 1 has an unknown scope; the scopes are read, start, answer, admin"),
        ("ci:x,al:z,ci:y", "entries 1 and 3 have the same name"),
        ("ci:x,al:x", "entries 1 and 2 have the same token"),
    ],
)
def test_a_malformed_token_is_named_by_its_position_only(text: str, told: str) -> None:
    complained = complaint(HANDRAIL_API_TOKENS=text)
    assert complained.startswith(f"HANDRAIL_API_TOKENS: {told}")
    assert "; write it like" in complained


@given(st.text(st.sampled_from("ab:,= é\n+"), max_size=20))
def test_any_text_is_either_tokens_or_refused(text: str) -> None:
    try:
        tokens = parse_api_tokens(text)
    except ValueError:
        return
    assert len(tokens) == text.count(",") + 1
    assert all(token.name and token.secret for token in tokens)


# --- production ---


def test_production_demands_secrets_of_its_own_and_says_where_to_get_them() -> None:
    told = complaints(ENVIRONMENT="production")
    assert told[0].startswith("SECRET_KEY: must be set in production; write it like SECRET_KEY=")
    assert told[1].startswith("HANDRAIL_API_TOKENS: must be set in production; write it like HANDRAIL_API_TOKENS=ci:")
    assert "openssl rand -hex 32" in told[0]
    assert "handrail tokens new" in told[1]


def test_production_refuses_short_secrets() -> None:
    told = complaints(ENVIRONMENT="production", SECRET_KEY=CANARY, HANDRAIL_API_TOKENS=f"a:{'x' * 24},b:{CANARY}")
    assert "SECRET_KEY: must have at least 32 characters in production" in told[0]
    assert "HANDRAIL_API_TOKENS: entry 2 must have at least 24 characters in production" in told[1]


def test_production_starts_with_long_ones() -> None:
    found = settings(ENVIRONMENT="production", SECRET_KEY="k" * 32, HANDRAIL_API_TOKENS=f"ci:{'t' * 24}")
    assert found.environment == "production"


def test_development_takes_short_ones() -> None:
    assert settings(SECRET_KEY="k", HANDRAIL_API_TOKENS="ci:t").secret_key == SecretStr("k")


# --- secrets stay secret ---

EVERY_SECRET = {
    "DATABASE_URL": f"postgresql://u:{CANARY}@host/db",
    "SECRET_KEY": CANARY,
    "HANDRAIL_API_TOKENS": f"ci:{CANARY}",
    "OPENAI_API_KEY": CANARY,
    "SLACK_BOT_TOKEN": f"xoxb-{CANARY}",
    "SLACK_SIGNING_SECRET": CANARY,
    "SLACK_APP_TOKEN": f"xapp-{CANARY}",
    "SLACK_CONFIG_TOKEN": f"xoxe.xoxp-{CANARY}",
    "TWILIO_AUTH_TOKEN": CANARY,
    "SMTP_URL": f"smtp://u:{CANARY}@host",
    "DEPLOY_REPO": f"https://u:{CANARY}@example.com/x.git",
    "HANDRAIL_API_TOKEN": CANARY,
    "ALERTS_TOKEN": CANARY,
}


def test_no_secret_is_seen_when_settings_are_printed() -> None:
    found = settings(**EVERY_SECRET)
    shown = f"{found!r} {found} {found.model_dump()} {found.model_dump_json()} {found.get_variable('ALERTS_TOKEN')!r}"
    assert CANARY not in shown


def test_no_secret_is_seen_in_the_traceback_of_a_mistake() -> None:
    with pytest.raises(ConfigurationError) as raised:
        settings(**EVERY_SECRET, PORT="x", PUBLIC_URL="x")
    assert CANARY not in "".join(traceback.format_exception(raised.value))
    assert raised.value.__context__ is None


# --- variables that are not ours ---


def test_a_variable_the_configuration_names_is_found_in_the_environment_and_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("ALERTS_TOKEN=from-file\n")
    assert load_settings({}, env_file=file).get_variable("ALERTS_TOKEN") == SecretStr("from-file")
    assert load_settings({"ALERTS_TOKEN": "x"}, env_file=file).get_variable("ALERTS_TOKEN") == SecretStr("x")
    assert settings().get_variable("ALERTS_TOKEN") is None


def test_agents_see_the_environment_without_what_is_ours() -> None:
    found = settings(PATH="/bin", DEPLOY_REPO="repo.git", SECRET_KEY="k", SLACK_BOT_TOKEN="xoxb-1")
    assert found.agent_environment == {"PATH": "/bin", "DEPLOY_REPO": "repo.git"}


def test_several_hosts_of_a_database_are_read_apart() -> None:
    given = SecretStr("postgresql://bot:p%40ss@one:5432,two,three:6000/db?target_session_attrs=read-write")
    url = make_url(validate_database_url(given).get_secret_value())
    assert url.query == {"host": ("one:5432", "two", "three:6000"), "target_session_attrs": "read-write"}
    assert (url.username, url.password, url.database) == ("bot", "p@ss", "db")


@pytest.mark.parametrize("hosts", ["one:x,two", "one:5432,,two", "one two,three", "[::1,two"])
def test_what_is_no_host_among_several_is_refused_without_repeating_it(hosts: str) -> None:
    with pytest.raises(ValueError, match="the host or the port cannot be read") as refused:
        validate_database_url(SecretStr(f"postgresql://bot:secret@{hosts}/db"))
    assert "secret" not in str(refused.value)
