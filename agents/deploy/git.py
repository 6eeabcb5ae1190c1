"""Runner for the git program: no shell, a fixed environment, a time limit, and errors without credentials."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from urllib.parse import unquote

from agents.core.errors import ConfigurationError, HandrailError, ToolError, Unavailable

COMMAND_TIMEOUT_SECONDS = 20.0
NETWORK_TIMEOUT_SECONDS = 300.0
"""The first fetch can take long. Stalled connections end earlier (`_DEFAULT_VARIABLES`, `_CONFIGURATION`)."""

MAX_ERROR_LENGTH = 300
"""Limit in characters for git's message in an error."""

INHERITED_VARIABLES = (
    *("PATH", "HOME", "TMPDIR", "SSH_AUTH_SOCK", "GIT_SSH_COMMAND", "GIT_ASKPASS"),
    *("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_SSL_CAINFO", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
)
"""Variables of the process that are passed to git: those it needs to reach the remote and to authenticate."""

_FIXED_VARIABLES = {
    "LC_ALL": "C",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_PAGER": "cat",
    "GIT_EDITOR": "false",
    "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
    "GIT_AUTHOR_NAME": "Handrail",
    "GIT_AUTHOR_EMAIL": "handrail@localhost",
    "GIT_COMMITTER_NAME": "Handrail",
    "GIT_COMMITTER_EMAIL": "handrail@localhost",
}
_DEFAULT_VARIABLES = {
    "PATH": os.defpath,
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_SSH_COMMAND": "ssh -o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=5",
}
# gc is off because it runs in the background and would hold locks that the next call needs.
_CONFIGURATION = {
    "protocol.ext.allow": "never",
    "core.hooksPath": os.devnull,
    "gc.auto": "0",
    "maintenance.auto": "false",
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "20",
    "push.followTags": "false",
    "push.gpgSign": "false",
    "log.showSignature": "false",
    "color.ui": "false",
}

_ACCESS_DENIED = re.compile(
    r"authentication failed|permission denied|could not read (?:username|password)|terminal prompts disabled"
    r"|host key verification failed|error: 40[13]|access denied|not allowed to push|support for password",
    re.IGNORECASE,
)
_UNREACHABLE = re.compile(
    r"could not resolve|name resolution|connection (?:refused|reset|timed out|closed)|failed to connect"
    r"|couldn't connect|network is unreachable|no route to host|timed out|hung up unexpectedly|early eof"
    r"|error: (?:429|5\d\d)|unexpected disconnect|ssl_error_syscall|the tls connection was",
    re.IGNORECASE,
)
_NOT_A_REPOSITORY = re.compile(
    r"does not appear to be a git repository|repository .*not found|does not exist|not a git repo", re.IGNORECASE
)
# Beginnings of the lines in git's messages that do not say what failed.
_IGNORED_PREFIXES = ("hint:", "warning:", "To ", "Please make sure", "and the repository exists")


@dataclass(frozen=True)
class GitResult:
    """Exit code and output of one git command."""

    exit_code: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Git:
    """Runner of git commands in one bare repository.

    The machine's git configuration is ignored, unless GIT_CONFIG_GLOBAL or GIT_CONFIG_SYSTEM names a file. Git gets the
    URL of `remote` as `origin` through its environment, because all users of the machine can read command lines.
    """

    folder: Path
    remote: str = field(default="", repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    def run(self, *arguments: str, stdin: str = "", timeout: float = COMMAND_TIMEOUT_SECONDS) -> str:
        """Return git's output. Raises ToolError, or Unavailable when a later attempt may succeed."""
        result = self.run_unchecked(*arguments, stdin=stdin, timeout=timeout)
        if result.exit_code != 0:
            raise self.to_error(result)
        return result.stdout

    def run_unchecked(self, *arguments: str, stdin: str = "", timeout: float = COMMAND_TIMEOUT_SECONDS) -> GitResult:
        """Return git's result with any exit code; `timeout` is in seconds.

        Raises Unavailable at the timeout, and ConfigurationError when git is not installed.
        """
        program = [self._find_program(), f"--git-dir={self.folder}", *arguments]
        # In a new session git has no terminal to prompt on, and its child processes can be killed with it.
        with subprocess.Popen(
            program,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.folder.parent,
            env=self._environment_variables(),
            start_new_session=True,
        ) as process:
            try:
                out, err = process.communicate(stdin.encode(), timeout=timeout)
            except subprocess.TimeoutExpired as error:
                os.killpg(process.pid, signal.SIGKILL)
                raise Unavailable(f"git {arguments[0]} was stopped after {timeout:g} s; try again later") from error
        return GitResult(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))

    def to_error(self, result: GitResult) -> HandrailError:
        """Return the error for a failed command, without credentials: ToolError, or Unavailable if it may pass."""
        lines = [line for line in result.stderr.splitlines() if line.strip() and not line.startswith(_IGNORED_PREFIXES)]
        message = redact_secrets(" ".join(lines), self.remote)
        return _error_from_message(message, redact_remote(self.remote))

    def _find_program(self) -> str:
        program = shutil.which("git", path=self.environment.get("PATH", os.defpath))
        if program is None:
            raise ConfigurationError("The git program is missing: install git (2.32 or newer) where PATH finds it.")
        return program

    def _environment_variables(self) -> dict[str, str]:
        inherited = {name: self.environment[name] for name in INHERITED_VARIABLES if name in self.environment}
        return {
            **_DEFAULT_VARIABLES,
            **inherited,
            **_FIXED_VARIABLES,
            **_config_variables({**_CONFIGURATION, "remote.origin.url": self.remote}),
        }


def _config_variables(configuration: Mapping[str, str]) -> dict[str, str]:
    pairs = list(enumerate(configuration.items()))
    keys = {f"GIT_CONFIG_KEY_{n}": key for n, (key, _) in pairs}
    values = {f"GIT_CONFIG_VALUE_{n}": value for n, (_, value) in pairs}
    return {"GIT_CONFIG_COUNT": str(len(pairs)), **keys, **values}


def _error_from_message(message: str, remote: str) -> HandrailError:
    truncated = message[:MAX_ERROR_LENGTH]
    if "dubious ownership" in message:
        return ToolError(
            f"{remote} belongs to another user of this machine: change its owner to the user that runs Handrail, or "
            "list it as safe.directory in a git configuration file and set GIT_CONFIG_GLOBAL to that file."
        )
    if _ACCESS_DENIED.search(message):
        return ToolError(
            f"{remote} denied access to git ({truncated}). Give DEPLOY_REPO credentials that may push: an ssh key, a "
            "token in the URL, or a credential helper in a git configuration file that GIT_CONFIG_GLOBAL names."
        )
    if _UNREACHABLE.search(message):
        return Unavailable(f"{remote} is not available now: {truncated}; try again later")
    if _NOT_A_REPOSITORY.search(message):
        return ToolError(
            f"{remote} is not a git repository ({truncated}). Set DEPLOY_REPO to one that git can push to."
        )
    return ToolError(f"git failed: {truncated or 'it printed no reason'}; check DEPLOY_REPO")


_SCHEME_OR_HOST_PREFIX = re.compile(r"[^/]+:")
_USERINFO = re.compile(r"(?<=://)[^/\s]*@")
_QUERY_OR_FRAGMENT = re.compile(r"(?<=[?#])\S+")
MIN_SECRET_LENGTH = 6
"""Minimum length of a query value that is redacted; shorter values would match ordinary words."""


def normalize_remote(remote: str) -> str:
    """Return a URL unchanged and a path as absolute. Raises ConfigurationError for what git could read as an option."""
    if remote.startswith("-") or not remote.isprintable():
        raise ConfigurationError(
            "DEPLOY_REPO must be a path or a URL that git can push to; it must not begin with - or contain control "
            "characters."
        )
    return remote if _SCHEME_OR_HOST_PREFIX.match(remote) else str(Path(remote).expanduser().resolve())


def redact_remote(remote: str) -> str:
    """Return the remote without credentials. The whole query and fragment count as credentials."""
    bare = _USERINFO.sub("", remote)
    return _QUERY_OR_FRAGMENT.sub("***", bare) if "://" in bare else bare


def redact_secrets(text: str, remote: str) -> str:
    """Return the text without the credentials of the remote, plain or percent-decoded."""
    userinfo = match[0].removesuffix("@") if (match := _USERINFO.search(remote)) else ""
    for secret in filter(None, (*_query_secrets(remote), userinfo, userinfo.partition(":")[2])):
        text = text.replace(secret, "***").replace(unquote(secret), "***")
    return _USERINFO.sub("", text)


def _query_secrets(remote: str) -> tuple[str, ...]:
    """Return the query of a URL and the values in it, longest first."""
    match = _QUERY_OR_FRAGMENT.search(remote) if "://" in remote else None
    if match is None:
        return ()
    values = (part.rpartition("=")[2] for part in re.split("[&#;]", match[0]))
    return (match[0], *(value for value in values if len(value) >= MIN_SECRET_LENGTH))


def cache_name(remote: str) -> str:
    """Return the folder name of the remote's local clone, which does not depend on the credentials."""
    return f"{sha256(redact_remote(remote).encode()).hexdigest()[:16]}.git"
