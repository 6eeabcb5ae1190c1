"""Tests of DEPLOY_REPO and the redaction of its credentials."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.errors import ConfigurationError
from agents.deploy.git import cache_name, normalize_remote, redact_remote, redact_secrets

SECRETS = st.text(alphabet="0123456789abcdefXYZ%@!$&'()*+,;=:~", min_size=16, max_size=40)


@pytest.mark.parametrize(
    "url",
    ["https://git.example/app.git", "ssh://git@git.example:22/app", "git@git.example:team/app.git", "file:///srv/a"],
)
def test_url_is_unchanged(url: str) -> None:
    assert normalize_remote(url) == url


def test_path_is_made_absolute() -> None:
    assert normalize_remote("some/repo.git") == str(Path("some/repo.git").resolve())


@pytest.mark.parametrize("remote", ["--upload-pack=touch ran", "-oProxyCommand=x", "https://git.example/\nx"])
def test_remote_that_looks_like_an_option_is_rejected(remote: str) -> None:
    with pytest.raises(ConfigurationError, match="DEPLOY_REPO must be a path or a URL"):
        normalize_remote(remote)


@given(secret=SECRETS)
def test_messages_contain_no_credentials(secret: str) -> None:
    remote = f"https://bot:{secret}@git.example/app.git"
    redacted = redact_secrets(f"fatal: unable to access '{remote}': {secret} was refused", remote)
    assert secret not in redacted
    assert secret not in redact_remote(remote)
    assert "git.example/app.git" in redacted


def test_token_in_place_of_the_user_is_redacted() -> None:
    remote = "https://ghp_0123456789@git.example/app"
    assert redact_secrets(f"remote: {remote} ghp_0123456789", remote) == "remote: https://git.example/app ***"


def test_percent_decoded_password_is_redacted() -> None:
    assert "p@ssword" not in redact_secrets("no p@ssword", "https://bot:p%40ssword@git.example/app")


def test_cache_name_does_not_depend_on_the_token() -> None:
    old, new, other_host = (
        cache_name(f"https://{part}/app") for part in ("a:1@git.example", "a:2@git.example", "b.example")
    )
    assert old == new != other_host


@given(secret=SECRETS.filter(lambda secret: not set(secret) & set("&;=")))
def test_token_in_the_query_is_redacted(secret: str) -> None:
    remote = f"https://git.example/app.git?depth=1&private_token={secret}"
    text = redact_secrets(f"fatal: unable to access '{remote}': {secret} was refused after 1 try", remote)
    assert secret not in text
    assert "was refused after 1 try" in text
    assert redact_remote(remote) == "https://git.example/app.git?***"


def test_path_with_a_question_mark_is_not_redacted() -> None:
    assert redact_remote("/srv/what?/app.git") == "/srv/what?/app.git"
