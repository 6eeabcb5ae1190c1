"""DEPLOY_REPO: where the repository is, and how to speak of it without giving its credentials away."""

import re
from hashlib import sha256
from pathlib import Path
from urllib.parse import unquote

from agents.errors import ConfigurationError

_SCP_HOST_PREFIX = re.compile(r"[^/]+:")
_USERINFO = re.compile(r"(?<=://)[^/\s]*@")
_QUERY = re.compile(r"(?<=[?#])\S+")
MIN_SECRET_LENGTH = 6
"""Characters of a value in a query from which it may be a secret; a shorter one would mask ordinary words."""


def normalize_remote(remote: str) -> str:
    """A URL as it is, a path made absolute. Raises Misconfigured for what git could take as an option."""
    if remote.startswith("-") or not remote.isprintable():
        raise ConfigurationError("DEPLOY_REPO must be a path or a URL that git can push to.")
    return remote if _SCP_HOST_PREFIX.match(remote) else str(Path(remote).expanduser().resolve())


def redact_remote(remote: str) -> str:
    """Return the address without credentials; all of a query and a fragment counts as one."""
    bare = _USERINFO.sub("", remote)
    return _QUERY.sub("***", bare) if "://" in bare else bare


def redact_secrets(text: str, remote: str) -> str:
    """The text with every credential of the address taken out, whichever way it is spelt."""
    userinfo = found[0].removesuffix("@") if (found := _USERINFO.search(remote)) else ""
    for secret in filter(None, (*_query_secrets(remote), userinfo, userinfo.partition(":")[2])):
        text = text.replace(secret, "***").replace(unquote(secret), "***")
    return _USERINFO.sub("", text)


def _query_secrets(remote: str) -> tuple[str, ...]:
    """Return the query of a URL and the values in it, longest first."""
    found = _QUERY.search(remote) if "://" in remote else None
    if found is None:
        return ()
    values = (part.rpartition("=")[2] for part in re.split("[&#;]", found[0]))
    return (found[0], *(value for value in values if len(value) >= MIN_SECRET_LENGTH))


def cache_name(remote: str) -> str:
    """The folder of the remote's local clone; it stays the same when only the credentials change."""
    return f"{sha256(redact_remote(remote).encode()).hexdigest()[:16]}.git"
