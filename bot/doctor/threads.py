"""Check for threads that cannot continue: this version cannot read them, or their agent is missing."""

import asyncio
from collections.abc import Iterator

from pydantic import ValidationError

from agents.core.errors import HandrailError
from agents.core.visible_text import escape_hidden_characters
from bot.doctor.inputs import contact_findings, quarantine_findings
from channels.abilities import Finding
from channels.terminal.client import TerminalClient, api_path
from storage.replay import MAX_SCANNED, AffectedThreads, ServerScan, ThreadScan


def thread_findings(scan: ThreadScan) -> Iterator[Finding]:
    """Yield a finding for the threads that cannot be read, and one for those whose agent is missing."""
    if scan.scanned:
        yield _unreadable_finding(scan)
    if scan.without_agent.count:
        yield _missing_agent_finding(scan.without_agent)


def thread_findings_of_server(client: TerminalClient) -> Iterator[Finding]:
    """Yield the same findings and those about inputs, read from a server that has locked the database.

    Yield a warning if the token lacks the scope, and nothing if the server gives no usable answer.
    """
    scan = asyncio.run(_fetch_scan(client))
    if isinstance(scan, Finding):
        yield scan
    elif scan is not None:
        yield from thread_findings(scan)
        yield from quarantine_findings(scan.quarantine)
        yield from contact_findings(scan.contacts)


async def _fetch_scan(client: TerminalClient) -> ServerScan | Finding | None:
    async with client:
        try:
            return ServerScan.model_validate(await client.get(api_path("doctor")))
        except (HandrailError, ValidationError) as error:
            if getattr(error, "code", "") != "missing_scope":
                return None
            message = "threads were not checked: the token lacks the scope admin"
            fix = "set HANDRAIL_API_TOKEN to a token with the scope admin to check them"
            return Finding(name="unreadable", state="warning", message=message, fix=fix)


def _unreadable_finding(scan: ThreadScan) -> Finding:
    affected, scanned = scan.unreadable, _describe_scanned(scan)
    if not affected.count:
        return Finding(name="unreadable", state="ok", message=f"this version can read {scanned}")
    causes, ids = _join(affected.causes), _join_ids(affected)
    message = f"of {scanned}, this version cannot read {affected.count} ({causes}): {ids}"
    fix = (
        "run the version that wrote them, or a newer one: until then they are paused. If no newer version ever ran "
        "here, report it as a bug, with the output of `handrail threads events "
        f"{escape_hidden_characters(affected.thread_ids[0])}`"
    )
    return Finding(name="unreadable", state="warning", message=message, fix=fix, data=affected.model_dump(mode="json"))


def _missing_agent_finding(affected: AffectedThreads) -> Finding:
    causes, ids = _join(affected.causes), _join_ids(affected)
    subject = "1 thread waits" if affected.count == 1 else f"{affected.count} threads wait"
    message = f"{subject} for agents that do not exist here ({causes}): {ids}"
    fix = (
        "add the agent again under this name, then `handrail threads resume ID`; "
        "or end them with `handrail threads cancel ID`"
    )
    return Finding(name="agents", state="warning", message=message, fix=fix, data=affected.model_dump(mode="json"))


def _describe_scanned(scan: ThreadScan) -> str:
    return f"the newest {scan.scanned} threads" if scan.scanned >= MAX_SCANNED else f"all {scan.scanned} threads"


def _join_ids(affected: AffectedThreads) -> str:
    return _join(affected.thread_ids) + (", …" if affected.count > len(affected.thread_ids) else "")


def _join(texts: tuple[str, ...]) -> str:
    return ", ".join(map(escape_hidden_characters, texts))
