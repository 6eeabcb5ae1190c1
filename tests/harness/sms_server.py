"""Test harness: real server processes with Slack and SMS, a fake of both, and Bob with a phone.

    async with running_sms_server(folder, Deployment("sqlite", "http")) as harness:
        root = await harness.slack.alice.mention_bot("deploy v1.4.0 to production", channel=OPS)
        card = await harness.bob.wait_for_sms("push_release_tag")

A request that gets no answer in Slack goes to the phones of the release managers after ESCALATE_SECONDS.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx2

from agents.core.values import Address
from tests.fakes.http_server import running_http_server
from tests.fakes.twilio.account import FakeTwilio
from tests.fakes.twilio.phones import Phone, Webhooks
from tests.harness.people import PHONE_NUMBERS, to_toml
from tests.harness.server import SERVER_PEOPLE
from tests.harness.slack_server import Deployment, SlackServerHarness, running_slack_server

PUBLIC_URL = "https://rail.handrail.test"
ESCALATE_SECONDS = 3
UNREACHABLE = 503

_BOB_WITH_PHONE = tuple(
    person.model_copy(update={"addresses": (*person.addresses, Address(f"sms:{PHONE_NUMBERS[person.key]}"))})
    if person.key == "bob"
    else person
    for person in SERVER_PEOPLE.members
)
PEOPLE_WITH_PHONES = to_toml(SERVER_PEOPLE.model_copy(update={"members": _BOB_WITH_PHONE})).replace(
    "sms = ", "phone = "
)
"""The people in `handrail.toml`; Bob has a phone."""
RULE = f"""
[[policy]]
tool = "push_release_tag"
ask = {{ roles = ["release"], min_assurance = "low", expires = "2h" }}
escalate = [ {{ after = "{ESCALATE_SECONDS}s", to = "person:bob", via = "sms" }} ]
"""


@dataclass
class SmsServerHarness:
    """The bot's processes with Slack, the fake of Twilio, and Bob's phone."""

    slack: SlackServerHarness
    twilio: FakeTwilio
    webhooks: Webhooks
    bob: Phone


@asynccontextmanager
async def running_sms_server(folder: Path, deployment: Deployment) -> AsyncIterator[SmsServerHarness]:
    """Start a server with Slack and SMS."""
    twilio = FakeTwilio(lambda: datetime.now(UTC))
    async with running_http_server(twilio.handle) as port:
        variables = {
            "TWILIO_ACCOUNT_SID": twilio.account_sid,
            "TWILIO_AUTH_TOKEN": twilio.auth_token,
            "TWILIO_FROM": twilio.number,
            "TWILIO_API_URL": f"http://127.0.0.1:{port}",
            "PUBLIC_URL": PUBLIC_URL,
        }
        configuration = PEOPLE_WITH_PHONES + RULE
        async with running_slack_server(folder, deployment, configuration=configuration, **variables) as slack:
            webhooks = Webhooks(twilio, PUBLIC_URL, _Poster(slack.processes.url).post)
            yield SmsServerHarness(slack, twilio, webhooks, Phone(PHONE_NUMBERS["bob"], webhooks))


@dataclass(frozen=True)
class _Poster:
    url: str

    async def post(self, path: str, headers: Mapping[str, str], body: bytes) -> int:
        """Post to the server; one that is being restarted counts as unavailable."""
        try:
            async with httpx2.AsyncClient(base_url=self.url, trust_env=False, timeout=15) as client:
                return (await client.post(path, headers=dict(headers), content=body)).status_code
        except httpx2.TransportError:
            return UNREACHABLE
