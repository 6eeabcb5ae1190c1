"""The remote repository's address (DEPLOY_REPO), and removal of its credentials from messages."""

import re
from hashlib import sha256
from pathlib import Path
from urllib.parse import unquote

from agents.errors import ConfigurationError

_SCP_HOST_PREFIX = re.compile(r"[^/]+:")
_USERINFO = re.compile(r"(?<=://)[^/\s]*@")
_QUERY = re.compile(r"(?<=[?#])\S+")
MIN_SECRET_LENGTH = 6
"""Minimum length of a query value that is redacted; shorter values would match ordinary words."""


def normalize_remote(remote: str) -> str:
    """Return a URL unchanged and a path as absolute. Raises ConfigurationError for what git could read as an option."""
    if remote.startswith("-") or not remote.isprintable():
        raise ConfigurationError("DEPLOY_REPO must be a path or a URL that git can push to.")
    return remote if _SCP_HOST_PREFIX.match(remote) else str(Path(remote).expanduser().resolve())


def redact_remote(remote: str) -> str:
    """Return the address without credentials. The whole query and fragment count as credentials."""
    bare = _USERINFO.sub("", remote)
    return _QUERY.sub("***", bare) if "://" in bare else bare


def redact_secrets(text: str, remote: str) -> str:
    """Return the text without the credentials of the address, plain or percent-decoded."""
    userinfo = match[0].removesuffix("@") if (match := _USERINFO.search(remote)) else ""
    for secret in filter(None, (*_query_secrets(remote), userinfo, userinfo.partition(":")[2])):
        text = text.replace(secret, "***").replace(unquote(secret), "***")
    return _USERINFO.sub("", text)


def _query_secrets(remote: str) -> tuple[str, ...]:
    """Return the query of a URL and the values in it, longest first."""
    match = _QUERY.search(remote) if "://" in remote else None
    if match is None:
        return ()
    values = (part.rpartition("=")[2] for part in re.split("[&#;]", match[0]))
    return (match[0], *(value for value in values if len(value) >= MIN_SECRET_LENGTH))


def cache_name(remote: str) -> str:
    """Return the folder name of the remote's local clone, which does not depend on the credentials."""
    return f"{sha256(redact_remote(remote).encode()).hexdigest()[:16]}.git"
