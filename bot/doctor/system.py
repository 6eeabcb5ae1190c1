"""Checks of the machine, the running server, the API tokens and the approvers."""

import asyncio
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agents.core.errors import HandrailError, MissingScope, Unavailable
from agents.core.people import People
from agents.core.tools import Tool
from agents.core.values import person_address
from agents.core.visible_text import escape_hidden_characters
from bot.config.loader import Configuration
from bot.config.secrets import list_token_grants
from bot.config.settings import DATA_DIR, Settings
from bot.config.warnings import ApproverShortage, find_approver_shortages
from channels.abilities import Finding
from channels.terminal.client import TerminalClient, api_path

MIN_PYTHON_VERSION = (3, 11)
MIN_GIT_VERSION = (2, 32)  # the first with GIT_CONFIG_COUNT and the other settings of agents/deploy
_GIT_TIMEOUT_SECONDS = 10


def check_machine() -> Iterator[Finding]:
    """Yield findings about everything that must exist before Handrail can start."""
    yield check_python(sys.version_info[:2])
    yield check_git(shutil.which("git"))
    yield check_data_dir()


def check_python(version: tuple[int, ...]) -> Finding:
    """Return whether this Python is new enough."""
    name = f"Python {'.'.join(map(str, version))}"
    if version < MIN_PYTHON_VERSION:
        return Finding(name="python", state="problem", message=f"{name} is too old", fix="install Python 3.11 or newer")
    return Finding(name="python", state="ok", message=name)


def check_git(program: str | None) -> Finding:
    """Return whether git is installed and new enough."""
    fix = "install git 2.32 or newer in a folder of PATH"
    if program is None:
        return Finding(name="git", state="problem", message="the git program is missing", fix=fix)
    output = subprocess.run(
        [program, "--version"], capture_output=True, text=True, timeout=_GIT_TIMEOUT_SECONDS, check=False
    ).stdout
    version = re.search(r"(\d{1,9})\.(\d{1,9})", output)
    if version is None or (int(version[1]), int(version[2])) < MIN_GIT_VERSION:
        return Finding(name="git", state="problem", message=f"{output.strip() or program} is too old", fix=fix)
    return Finding(name="git", state="ok", message=output.strip())


def check_data_dir() -> Finding:
    """Return whether Handrail's data folder is writable, and accessible only to its owner."""
    path = DATA_DIR.resolve()
    if not DATA_DIR.exists():
        return _check_parent_directory()
    if not DATA_DIR.is_dir() or not os.access(DATA_DIR, os.W_OK | os.X_OK):
        fix = f"make the user that runs Handrail its owner: chown -R USER {path}"
        return Finding(name="folder", state="problem", message=f"{path} cannot be written", fix=fix)
    if stat.S_IMODE(DATA_DIR.stat().st_mode) & 0o077:
        message = f"{path} contains secrets and other users can read it"
        return Finding(name="folder", state="warning", message=message, fix=f"chmod 700 {path}")
    return Finding(name="folder", state="ok", message=f"{path} is accessible only to its owner")


def _check_parent_directory() -> Finding:
    parent = DATA_DIR.resolve().parent
    if os.access(parent, os.W_OK | os.X_OK):
        return Finding(name="folder", state="ok", message=f"{DATA_DIR} will be created in {parent}")
    fix = "start Handrail in a folder that you can write to"
    return Finding(name="folder", state="problem", message=f"{DATA_DIR} cannot be created in {parent}", fix=fix)


def check_server(client: TerminalClient) -> Iterator[Finding]:
    """Yield findings about the server. A server that does not run is a warning, as it may be stopped on purpose."""
    yield from asyncio.run(_check(client))


async def _check(client: TerminalClient) -> list[Finding]:
    async with client:
        try:
            readiness = await client.get_readiness()
        except Unavailable:
            fix = "start it with `make up`, or set HANDRAIL_URL to its address"
            return [Finding(name="server", state="warning", message=f"no server answers at {client.url}", fix=fix)]
        except HandrailError as error:
            return [Finding(name="server", state="problem", message=str(error), fix="set HANDRAIL_URL")]
        return [*_health_findings(client.url, readiness), await _check_token(client)]


def _health_findings(url: str, readiness: Any) -> list[Finding]:
    checks = readiness.get("checks") if isinstance(readiness, dict) else None
    if not isinstance(checks, dict):
        message = f"{url} is not a Handrail server"
        return [Finding(name="server", state="problem", message=message, fix="set HANDRAIL_URL")]
    problems = {name: check["problem"] for name, check in checks.items() if not check["ok"]}
    tools = list(_tool_findings(readiness))
    if not problems:
        return [Finding(name="server", state="ok", message=f"{url} is ready"), *tools]
    return [
        *(Finding(name="server", state="problem", message=f"{name}: {problem}") for name, problem in problems.items()),
        *tools,
    ]


def _tool_findings(readiness: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield a warning for each tool with calls that exceeded their time limit since the server started."""
    for name, usage in (readiness.get("tools") or {}).items():
        if usage["exceeded"]:
            tool = escape_hidden_characters(name)
            text = f"{tool} exceeded its time limit {usage['exceeded']} times; {usage['hanging']} calls have not ended"
            fix = (
                "add timeouts to the code of the tool, or run it in a process; restart the server to end hanging calls"
            )
            yield Finding(name="tools", state="warning", message=text, fix=fix)


async def _check_token(client: TerminalClient) -> Finding:
    try:
        await client.get(api_path("threads"), limit=1)
    except MissingScope as error:
        fix = "set HANDRAIL_API_TOKEN to a token with this scope"
        return Finding(name="token", state="warning", message=str(error), fix=fix)
    except HandrailError as error:
        fix = "set HANDRAIL_API_TOKEN to one of the server's tokens"
        return Finding(name="token", state="problem", message=str(error), fix=fix)
    return Finding(name="token", state="ok", message="the server accepts the API token")


def check_tokens(settings: Settings, people: People) -> Finding:
    """Return one finding for all tokens, without their secrets."""
    grants = list_token_grants(settings, people)
    message = "; ".join(f"{grant.name} ({grant.holder}): {', '.join(grant.scopes)}" for grant in grants)
    unknown = [g.person for g in grants if g.person is not None and people.get(person_address(g.person)) is None]
    if not unknown:
        return Finding(name="tokens", state="ok", message=message)
    fix = f"add {', '.join(unknown)} to handrail.toml, or change HANDRAIL_API_TOKENS: unknown people cannot decide"
    return Finding(name="tokens", state="warning", message=message, fix=fix)


_CHECK_NAME = "approvers"


def check_approvers(configuration: Configuration, tools: Sequence[Tool]) -> Iterator[Finding]:
    """Yield a finding for every shortage of approvers, or one `ok` if there is none."""
    findings = [_to_finding(shortage) for shortage in find_approver_shortages(configuration, tools)]
    if not findings:
        yield Finding(name=_CHECK_NAME, state="ok", message="every rule has enough approvers")
    yield from findings


def _to_finding(shortage: ApproverShortage) -> Finding:
    state = "problem" if shortage.is_certain else "warning"
    return Finding(name=_CHECK_NAME, state=state, message=f"{shortage.subject}: {shortage.message}", fix=shortage.fix)
