"""Tests of settings: defaults, sources, validation, and errors that never show a value."""

import traceback
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import make_url

from agents.core.errors import ConfigurationError
from bot.config.environment import ApiToken, parse_api_tokens, validate_database_url
from bot.config.settings import Settings, load_settings
from channels.email.config import ListenAddress

EXAMPLE_FILE = Path(__file__).parents[3] / ".env.example"
CANARY = "c4n4ry"
TWILIO_SID_DIGITS = "0123456789abcdef" * 2


def load(**variables: str) -> Settings:
    """Load settings from exactly these variables."""
    return load_settings(variables, env_file=None)


def error_lines(**variables: str) -> list[str]:
    with pytest.raises(ConfigurationError) as raised:
        load(**variables)
    assert str(raised.value) == "\n".join(map(str, raised.value.details))
    return str(raised.value).split("\n")


def only_error_line(**variables: str) -> str:
    (line,) = error_lines(**variables)
    return line


# --- sources ---


def test_empty_environment_has_defaults() -> None:
    settings = load()
    assert settings.database_url.get_secret_value() == "sqlite:///.handrail/handrail.db"
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.environment == "development"
    assert settings.smtp_listen == ListenAddress(host="127.0.0.1", port=2525)
    assert settings.secret_key is None
    assert settings.handrail_api_tokens == ()


def test_example_file_has_the_defaults() -> None:
    assert load_settings({}, env_file=EXAMPLE_FILE).model_dump() == load().model_dump()


def test_example_file_describes_every_variable() -> None:
    lines = EXAMPLE_FILE.read_text(encoding="utf-8").splitlines()
    descriptions = {
        line.partition("=")[0]: lines[n - 1].removeprefix("# ") for n, line in enumerate(lines) if line[:1].isalpha()
    }
    assert descriptions == {name.upper(): field.description for name, field in Settings.model_fields.items()}


def test_public_variables_exist() -> None:
    names = """
        DATABASE_URL HANDRAIL_CONFIG HANDRAIL_AGENTS HOST PORT PUBLIC_URL SECRET_KEY HANDRAIL_API_TOKENS OPENAI_API_KEY
        OPENAI_BASE_URL OPENAI_MODEL SLACK_BOT_TOKEN SLACK_SIGNING_SECRET SLACK_APP_TOKEN SLACK_API_URL
        TWILIO_ACCOUNT_SID TWILIO_AUTH_TOKEN TWILIO_FROM TWILIO_API_URL EMAIL_ADDRESS SMTP_LISTEN LMTP_LISTEN SMTP_URL
        SMS_COUNTRIES SMS_DAILY_SEGMENTS
        SMTP_TLS_CERT SMTP_TLS_KEY DNS_RESOLVER
        EMAIL_AUTHSERV_ID LOG_LEVEL LOG_FORMAT ENVIRONMENT DEPLOY_REPO HANDRAIL_URL HANDRAIL_API_TOKEN NO_COLOR
    """
    later_names = ["OPENAI_CONCURRENCY", "OPENAI_TIMEOUT", "SLACK_CONFIG_TOKEN"]  # docs/adr/0009, docs/adr/0021
    assert {name.upper() for name in Settings.model_fields} == {*names.split(), *later_names}


def test_options_override_environment_and_environment_overrides_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("PORT=1\nHOST=file\nLOG_LEVEL=debug\n")
    settings = load_settings({"PORT": "2", "HOST": "process"}, env_file=file, overrides={"PORT": "3"})
    assert (settings.port, settings.host, settings.log_level) == (3, "process", "debug")


def test_empty_variable_does_not_override_the_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("PORT=9000\n")
    assert load_settings({"PORT": " ", "OPENAI_API_KEY": ""}, env_file=file).port == 9000


def test_empty_listen_address_disables_the_server() -> None:
    assert load(SMTP_LISTEN="").smtp_listen is None
    assert load(LMTP_LISTEN="").lmtp_listen is None


def test_file_is_read_without_expansion(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("export SECRET_KEY='a${HOME}$b' # why\n")
    key = load_settings({}, env_file=file).secret_key
    assert key == SecretStr("a${HOME}$b")


def test_unreadable_line_is_reported_without_its_text(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(f"PORT=1\n= {CANARY}\n")
    with pytest.raises(ConfigurationError) as raised:
        load_settings({}, env_file=file)
    assert str(raised.value) == f"{file}:2: cannot be read; write NAME=value"


def test_binary_file_is_refused_and_missing_file_is_not(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    assert load_settings({}, env_file=file).port == 8000
    file.write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match="is not UTF-8"):
        load_settings({}, env_file=file)
    with pytest.raises(ConfigurationError, match="cannot be read: Is a directory"):
        load_settings({}, env_file=tmp_path)


# --- values ---


def test_default_urls_have_the_configured_port() -> None:
    assert load(PORT="9000").public_url == "http://localhost:9000"
    assert load(PORT="9000").handrail_url == "http://127.0.0.1:9000"
    assert load(PUBLIC_URL="https://rail.example.com/").public_url == "https://rail.example.com"


def test_api_tokens_have_a_name_and_an_optional_person() -> None:
    assert load(HANDRAIL_API_TOKENS="ci:abc=, alice:d-e.f:alice").handrail_api_tokens == (
        ApiToken(name="ci", secret=SecretStr("abc=")),
        ApiToken(name="alice", secret=SecretStr("d-e.f"), person="alice"),
    )


def test_api_tokens_have_written_or_default_scopes() -> None:
    text = "ci:abc::start+read,alice:def:alice:admin,bob:ghi:bob"
    ci, alice, bob = load(HANDRAIL_API_TOKENS=text).handrail_api_tokens
    assert (ci.person, ci.granted_scopes(is_admin=False)) == (None, ("read", "start"))
    assert (alice.person, alice.granted_scopes(is_admin=False)) == ("alice", ("read", "start", "answer", "admin"))
    assert bob.granted_scopes(is_admin=False) == ("read", "start", "answer")
    assert "admin" in bob.granted_scopes(is_admin=True)
    assert ci.granted_scopes(is_admin=True) == ("read", "start")


def test_accepts_two_twilio_tokens() -> None:
    assert load(TWILIO_AUTH_TOKEN="new,old").twilio_auth_token == (SecretStr("new"), SecretStr("old"))


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
        ("TWILIO_FROM", f"MG{TWILIO_SID_DIGITS}"),
        ("TWILIO_ACCOUNT_SID", f"AC{TWILIO_SID_DIGITS}"),
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
def test_accepts_valid_value(name: str, value: str) -> None:
    assert getattr(load(**{name: value}), name.lower())


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
def test_invalid_value_error_has_an_example_and_hides_the_value(name: str, value: str) -> None:
    line = only_error_line(**{name: value})
    assert line.startswith(f"{name}: ")
    assert f"; write it like {name}=" in line
    assert CANARY not in line


def test_all_errors_are_reported_together() -> None:
    messages = error_lines(PORT="0", LOG_LEVEL="x", SMTP_LISTEN="y")
    assert [line.partition(":")[0] for line in messages] == ["PORT", "SMTP_LISTEN", "LOG_LEVEL"]
    assert messages[0] == "PORT: must be at least 1; write it like PORT=8000"


# --- API tokens ---


@pytest.mark.parametrize(
    ("text", "message"),
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
def test_malformed_token_is_named_by_its_position_only(text: str, message: str) -> None:
    line = only_error_line(HANDRAIL_API_TOKENS=text)
    assert line.startswith(f"HANDRAIL_API_TOKENS: {message}")
    assert "; write it like" in line


@given(st.text(st.sampled_from("ab:,= é\n+"), max_size=20))
def test_any_text_is_parsed_to_tokens_or_refused(text: str) -> None:
    try:
        tokens = parse_api_tokens(text)
    except ValueError:
        return
    assert len(tokens) == text.count(",") + 1
    assert all(token.name and token.secret for token in tokens)


# --- production ---


def test_production_requires_secrets_and_says_how_to_create_them() -> None:
    messages = error_lines(ENVIRONMENT="production")
    assert messages[0].startswith("SECRET_KEY: must be set in production; write it like SECRET_KEY=")
    assert messages[1].startswith(
        "HANDRAIL_API_TOKENS: must be set in production; write it like HANDRAIL_API_TOKENS=ci:"
    )
    assert "openssl rand -hex 32" in messages[0]
    assert "handrail tokens new" in messages[1]


def test_production_refuses_short_secrets() -> None:
    messages = error_lines(ENVIRONMENT="production", SECRET_KEY=CANARY, HANDRAIL_API_TOKENS=f"a:{'x' * 24},b:{CANARY}")
    assert "SECRET_KEY: must have at least 32 characters in production" in messages[0]
    assert "HANDRAIL_API_TOKENS: entry 2 must have at least 24 characters in production" in messages[1]


def test_production_accepts_long_secrets() -> None:
    settings = load(ENVIRONMENT="production", SECRET_KEY="k" * 32, HANDRAIL_API_TOKENS=f"ci:{'t' * 24}")
    assert settings.environment == "production"


def test_development_accepts_short_secrets() -> None:
    assert load(SECRET_KEY="k", HANDRAIL_API_TOKENS="ci:t").secret_key == SecretStr("k")


# --- secrets are never shown ---

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


def test_printed_settings_show_no_secrets() -> None:
    settings = load(**EVERY_SECRET)
    text = f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
    text += repr(settings.get_variable("ALERTS_TOKEN"))
    assert CANARY not in text


def test_traceback_of_an_error_shows_no_secrets() -> None:
    with pytest.raises(ConfigurationError) as raised:
        load(**EVERY_SECRET, PORT="x", PUBLIC_URL="x")
    assert CANARY not in "".join(traceback.format_exception(raised.value))
    assert raised.value.__context__ is None


# --- other variables ---


def test_get_variable_reads_environment_and_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("ALERTS_TOKEN=from-file\n")
    assert load_settings({}, env_file=file).get_variable("ALERTS_TOKEN") == SecretStr("from-file")
    assert load_settings({"ALERTS_TOKEN": "x"}, env_file=file).get_variable("ALERTS_TOKEN") == SecretStr("x")
    assert load().get_variable("ALERTS_TOKEN") is None


def test_agents_do_not_see_handrail_settings() -> None:
    settings = load(PATH="/bin", DEPLOY_REPO="repo.git", SECRET_KEY="k", SLACK_BOT_TOKEN="xoxb-1")
    assert settings.agent_environment == {"PATH": "/bin", "DEPLOY_REPO": "repo.git"}


# --- database URLs with several hosts ---


def test_accepts_database_url_with_several_hosts() -> None:
    url_text = SecretStr("postgresql://bot:p%40ss@one:5432,two,three:6000/db?target_session_attrs=read-write")
    url = make_url(validate_database_url(url_text).get_secret_value())
    assert url.query == {"host": ("one:5432", "two", "three:6000"), "target_session_attrs": "read-write"}
    assert (url.username, url.password, url.database) == ("bot", "p@ss", "db")


@pytest.mark.parametrize("hosts", ["one:x,two", "one:5432,,two", "one two,three", "[::1,two"])
def test_invalid_host_is_refused_without_showing_the_url(hosts: str) -> None:
    with pytest.raises(ValueError, match="the host or the port cannot be read") as refused:
        validate_database_url(SecretStr(f"postgresql://bot:secret@{hosts}/db"))
    assert "secret" not in str(refused.value)
