"""DEPLOY_REPO: where the repository is, and how to speak of it without giving its credentials away."""

import re
from hashlib import sha256
from pathlib import Path
from urllib.parse import unquote

from agents.errors import Misconfigured

_ELSEWHERE = re.compile(r"[^/]+:")
_USERINFO = re.compile(r"(?<=://)[^/\s]*@")


def remote_address(said: str) -> str:
    """A URL as it is, a path made absolute. Raises Misconfigured for what git could take as an option."""
    if said.startswith("-") or not said.isprintable():
        raise Misconfigured("DEPLOY_REPO must be a path or a URL that git can push to.")
    return said if _ELSEWHERE.match(said) else str(Path(said).expanduser().resolve())


def shown(remote: str) -> str:
    """The address without credentials."""
    return _USERINFO.sub("", remote)


def without_secrets(text: str, remote: str) -> str:
    """The text with every credential of the address taken out, whichever way it is spelt."""
    userinfo = found[0].removesuffix("@") if (found := _USERINFO.search(remote)) else ""
    password = userinfo.partition(":")[2]
    for secret in filter(None, (userinfo, password, unquote(password))):
        text = text.replace(secret, "***")
    return _USERINFO.sub("", text)


def cache_name(remote: str) -> str:
    """The folder of the remote's local clone; it stays the same when only the credentials change."""
    return f"{sha256(shown(remote).encode()).hexdigest()[:16]}.git"
