"""The shapes of the URLs in the environment. A check never repeats a URL it refuses: there may be a password in it."""

from urllib.parse import SplitResult, parse_qs, urlsplit

from pydantic import SecretStr

from storage.postgres import with_hosts_apart

_NO_URL = "is no URL: the host or the port cannot be read; write special characters as %XX"


def web_url(text: str) -> str:
    """An http(s) URL without a query, given back without a slash at its end."""
    url = _split(text)
    if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment or url.username:
        raise ValueError("must be an address of the web: http:// or https://, a host, perhaps a port and a path")
    return text.rstrip("/")


def database_url(secret: SecretStr) -> SecretStr:
    """`sqlite:///FILE` or `postgresql://…`, which some providers write `postgres://…`, perhaps with several hosts."""
    secret = SecretStr(_with_hosts_apart(secret.get_secret_value()))
    url = _split(secret.get_secret_value())
    if url.scheme == "sqlite":
        if url.netloc or url.query or url.path.strip("/") in ("", ":memory:"):
            raise ValueError("must name a file after sqlite:///; a database in memory would forget what was promised")
    elif url.scheme not in ("postgresql", "postgres"):
        raise ValueError("must begin with sqlite:/// or postgresql://; no other database is known")
    return secret


def smtp_url(secret: SecretStr) -> SecretStr:
    """`smtp://` or `smtps://`, perhaps with user and password, perhaps with `?starttls=required`."""
    url = _split(secret.get_secret_value())
    if url.scheme not in ("smtp", "smtps") or not url.hostname or url.path.strip("/") or url.fragment:
        raise ValueError("must be smtp:// or smtps:// and a host, perhaps with user:password@ before and :port behind")
    if url.query and parse_qs(url.query) != {"starttls": ["required"]}:
        raise ValueError("knows one option only: ?starttls=required")
    return secret


def api_folder(text: str) -> str:
    """A web URL that method names are put behind: always with one slash at its end."""
    return f"{web_url(text)}/"


def _with_hosts_apart(text: str) -> str:
    try:
        return with_hosts_apart(text)
    except ValueError:
        raise ValueError(_NO_URL) from None


def _split(text: str) -> SplitResult:
    try:
        url = urlsplit(text)
        _ = url.port  # looked at here because a wrong one is only noticed, and repeated in the error, when read
    except ValueError:
        raise ValueError(_NO_URL) from None
    return url
