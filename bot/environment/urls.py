"""The shapes of the URLs in the environment. A check never repeats a URL it refuses: there may be a password in it."""

from urllib.parse import SplitResult, parse_qs, urlsplit

from pydantic import SecretStr

from storage.postgres import expand_multi_host_url

_INVALID_URL_MESSAGE = "is no URL: the host or the port cannot be read; write special characters as %XX"


def validate_web_url(text: str) -> str:
    """An http(s) URL without a query, given back without a slash at its end."""
    url = _split_url(text)
    if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment or url.username:
        raise ValueError("must be an address of the web: http:// or https://, a host, perhaps a port and a path")
    return text.rstrip("/")


def validate_database_url(secret: SecretStr) -> SecretStr:
    """`sqlite:///FILE` or `postgresql://…`, which some providers write `postgres://…`, perhaps with several hosts."""
    secret = SecretStr(_split_hosts(secret.get_secret_value()))
    url = _split_url(secret.get_secret_value())
    if url.scheme == "sqlite":
        if url.netloc or url.query or url.path.strip("/") in ("", ":memory:"):
            raise ValueError("must name a file after sqlite:///; a database in memory would forget what was promised")
    elif url.scheme not in ("postgresql", "postgres"):
        raise ValueError("must begin with sqlite:/// or postgresql://; no other database is known")
    return secret


def validate_smtp_url(secret: SecretStr) -> SecretStr:
    """`smtp://` or `smtps://`, perhaps with user and password, perhaps with `?starttls=required`."""
    url = _split_url(secret.get_secret_value())
    if url.scheme not in ("smtp", "smtps") or not url.hostname or url.path.strip("/") or url.fragment:
        raise ValueError("must be smtp:// or smtps:// and a host, perhaps with user:password@ before and :port behind")
    if url.query and parse_qs(url.query) != {"starttls": ["required"]}:
        raise ValueError("knows one option only: ?starttls=required")
    return secret


def validate_api_base_url(text: str) -> str:
    """A web URL that method names are put behind: always with one slash at its end."""
    return f"{validate_web_url(text)}/"


def _split_hosts(text: str) -> str:
    try:
        return expand_multi_host_url(text)
    except ValueError:
        raise ValueError(_INVALID_URL_MESSAGE) from None


def _split_url(text: str) -> SplitResult:
    try:
        url = urlsplit(text)
        _ = url.port  # looked at here because a wrong one is only noticed, and repeated in the error, when read
    except ValueError:
        raise ValueError(_INVALID_URL_MESSAGE) from None
    return url
