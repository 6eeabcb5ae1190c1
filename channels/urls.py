"""Validators of URLs in settings. Each raises ValueError and never shows the value, which may hold a password."""

from urllib.parse import SplitResult, urlsplit

INVALID_URL_MESSAGE = "is not a URL: the host or the port cannot be read; write special characters as %XX"


def validate_web_url(text: str) -> str:
    """Validate an http(s) URL without a query, and return it without a slash at its end."""
    url = split_url(text)
    if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment or url.username:
        raise ValueError("must be a web address: http:// or https://, a host, optionally a port and a path")
    return text.rstrip("/")


def validate_api_base_url(text: str) -> str:
    """Validate a web URL to which method names are appended, and return it with one slash at its end."""
    return f"{validate_web_url(text)}/"


def split_url(text: str) -> SplitResult:
    """Split a URL into its parts. Raises ValueError if its host or port cannot be read."""
    try:
        url = urlsplit(text)
        _ = url.port  # urllib validates the port on access, and its error shows the value
    except ValueError:
        raise ValueError(INVALID_URL_MESSAGE) from None
    return url
