"""Validators for URLs in environment variables. Errors never show the URL, which may contain a password."""

from urllib.parse import SplitResult, parse_qs, urlsplit

from pydantic import SecretStr

from storage.postgres import expand_multi_host_url

_INVALID_URL_MESSAGE = "is not a URL: the host or the port cannot be read; write special characters as %XX"


def validate_web_url(text: str) -> str:
    """Validate an http(s) URL without a query, and return it without a slash at its end."""
    url = _split_url(text)
    if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment or url.username:
        raise ValueError("must be a web address: http:// or https://, a host, optionally a port and a path")
    return text.rstrip("/")


def validate_database_url(secret: SecretStr) -> SecretStr:
    """Validate `sqlite:///FILE` or `postgresql://…` (also `postgres://…`), which may have several hosts."""
    secret = SecretStr(_split_hosts(secret.get_secret_value()))
    url = _split_url(secret.get_secret_value())
    if url.scheme == "sqlite":
        if url.netloc or url.query or url.path.strip("/") in ("", ":memory:"):
            raise ValueError("must name a file after sqlite:///; a database in memory would lose all threads")
    elif url.scheme not in ("postgresql", "postgres"):
        raise ValueError("must begin with sqlite:/// or postgresql://; no other database is supported")
    return secret


def validate_smtp_url(secret: SecretStr) -> SecretStr:
    """Validate `smtp://` or `smtps://`, optionally with user and password and with `?starttls=required`."""
    url = _split_url(secret.get_secret_value())
    if url.scheme not in ("smtp", "smtps") or not url.hostname or url.path.strip("/") or url.fragment:
        raise ValueError(
            "must be smtp:// or smtps:// and a host, optionally with user:password@ before and :port after"
        )
    if url.query and parse_qs(url.query) != {"starttls": ["required"]}:
        raise ValueError("can have only one option: ?starttls=required")
    return secret


def validate_api_base_url(text: str) -> str:
    """Validate a web URL to which method names are appended, and return it with one slash at its end."""
    return f"{validate_web_url(text)}/"


def _split_hosts(text: str) -> str:
    try:
        return expand_multi_host_url(text)
    except ValueError:
        raise ValueError(_INVALID_URL_MESSAGE) from None


def _split_url(text: str) -> SplitResult:
    try:
        url = urlsplit(text)
        _ = url.port  # urllib validates the port on access, and its error shows the value
    except ValueError:
        raise ValueError(_INVALID_URL_MESSAGE) from None
    return url
