"""`handrail doctor` names the inputs that could not be processed."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import httpx2
import pytest
from sqlalchemy import Connection

from agents.core.values import Address
from bot.config.settings import load_settings
from bot.doctor.database import check_database
from bot.doctor.inputs import contact_findings, quarantine_findings
from bot.doctor.threads import thread_findings_of_server
from channels.abilities import Finding
from channels.terminal.client import TerminalClient
from storage.contacts import Contacts, OptedOutContact, UnknownSender
from storage.database.database import Database
from storage.raw_inputs import (
    MAX_NAMED_INPUTS,
    AttemptEnd,
    InputGroup,
    NewInput,
    Quarantine,
    QuarantinedInput,
    claim_next,
    finish,
    store,
)
from storage.replay import ServerScan

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
NEW = NewInput("inp_1", "key", InputGroup("pager", "ward7"), {}, AT, b"secret content")
EXPECTED = "1 input could not be processed: inp_1 of pager, 2026-03-04 05:06:07+00:00, too many parts"


def quarantine_one(connection: Connection) -> None:
    for new in (NEW, replace(NEW, id="inp_2", key="other")):
        store(connection, new)
    claim_next(connection, NEW.group, AT)
    finish(connection, "inp_1", 1, AttemptEnd("quarantined", "too many parts", AT))


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
async def test_quarantined_input_is_named_without_its_content(database: Database, monkeypatch) -> None:
    await database.transaction(quarantine_one)
    await database.close()
    monkeypatch.setenv("DATABASE_URL", database.url)
    settings = load_settings()
    findings = await asyncio.to_thread(lambda: list(check_database(settings, ("deploy",))))
    (finding,) = (finding for finding in findings if finding.name == "inputs")
    assert (finding.state, finding.message) == ("warning", EXPECTED)
    assert "secret" not in finding.model_dump_json()


def test_quarantine_is_read_from_a_running_server() -> None:
    one = QuarantinedInput(id="inp_1", channel="pager", reason="too many parts", received_at=AT)
    scan = ServerScan(scanned=2, quarantine=Quarantine(count=1, newest=(one,)))
    response = httpx2.Response(200, json=scan.model_dump(mode="json"))
    client = TerminalClient("http://127.0.0.1:1", "", transport=httpx2.MockTransport(lambda _: response))
    findings: list[Finding] = list(thread_findings_of_server(client))
    assert [finding.message for finding in findings][1:] == [EXPECTED]


def test_many_quarantined_inputs_are_counted_and_some_named() -> None:
    one = QuarantinedInput(id="inp_1", channel="pager", reason="too many parts", received_at=AT)
    (finding,) = quarantine_findings(Quarantine(count=99, newest=(one,) * MAX_NAMED_INPUTS))
    assert finding.message.startswith("99 inputs could not be processed: inp_1 of pager")
    assert finding.message.endswith("; …")
    assert list(quarantine_findings(Quarantine())) == []


def test_contacts_that_opted_out_and_unknown_senders_are_named() -> None:
    opted_out = OptedOutContact(address=Address("sms:+15550001002"), at=AT)
    unknown = UnknownSender(address=Address("sms:+15550001666"), first_seen_at=AT, last_seen_at=AT, count=3)
    contacts = Contacts(opted_out=(opted_out,), unknown_senders=(unknown,))
    warning, information = contact_findings(contacts)
    assert (warning.state, information.state) == ("warning", "ok")
    assert "sms:+15550001002" in warning.message
    assert "sms:+15550001666" in information.message
    assert list(contact_findings(Contacts())) == []
