"""Check for inputs that were quarantined because they could not be processed."""

from collections.abc import Iterator

from agents.core.visible_text import escape_hidden_characters
from bot.execution.backend import QUARANTINE_RETENTION
from channels.abilities import Finding
from storage.raw_inputs import Quarantine, QuarantinedInput


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


def _describe_input(one: QuarantinedInput) -> str:
    received_at = one.received_at.isoformat(sep=" ", timespec="seconds")
    return f"{one.id} of {escape_hidden_characters(one.channel)}, {received_at}, {one.reason}"
