"""Checks for inputs that could not be processed, and for contacts that take no messages or are not known."""

from collections.abc import Iterator

from agents.core.visible_text import escape_hidden_characters
from bot.execution.backend import QUARANTINE_RETENTION
from channels.abilities import Finding
from storage.contacts import Contacts
from storage.raw_inputs import Quarantine, QuarantinedInput

MAX_NAMED_CONTACTS = 10


def quarantine_findings(quarantine: Quarantine) -> Iterator[Finding]:
    """Yield a finding that names the newest quarantined inputs, if there are any."""
    if not quarantine.count:
        return
    named = "; ".join(map(_describe_input, quarantine.newest))
    more = "; …" if quarantine.count > len(quarantine.newest) else ""
    subject = "1 input" if quarantine.count == 1 else f"{quarantine.count} inputs"
    days = QUARANTINE_RETENTION.days
    yield Finding(
        name="inputs",
        state="warning",
        message=f"{subject} could not be processed: {named}{more}",
        fix=f"ask the sender to send it again in another form; the table raw_input keeps the original for {days} days",
        data=quarantine.model_dump(mode="json"),
    )


def contact_findings(contacts: Contacts) -> Iterator[Finding]:
    """Yield findings about people who cannot be reached any more, and about senders who could be added."""
    data = contacts.model_dump(mode="json")
    if contacts.opted_out:
        named = ", ".join(escape_hidden_characters(one.address) for one in contacts.opted_out[:MAX_NAMED_CONTACTS])
        message = f"{len(contacts.opted_out)} addresses take no more messages, because their owners opted out: {named}"
        fix = "ask them to send START, or give these people another address in handrail.toml"
        yield Finding(name="contacts", state="warning", message=message, fix=fix, data=data)
    if contacts.unknown_senders:
        named = ", ".join(
            escape_hidden_characters(one.address) for one in contacts.unknown_senders[:MAX_NAMED_CONTACTS]
        )
        message = f"{len(contacts.unknown_senders)} senders are not in handrail.toml: {named}"
        fix = "add those who belong to the team to handrail.toml; `handrail people list` shows all"
        yield Finding(name="contacts", state="ok", message=message, fix=fix, data=data)


def _describe_input(one: QuarantinedInput) -> str:
    received_at = one.received_at.isoformat(sep=" ", timespec="seconds")
    return f"{one.id} of {escape_hidden_characters(one.channel)}, {received_at}, {one.reason}"
