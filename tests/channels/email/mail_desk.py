"""Bot whose stored mails are given to the handler by a test, with the values that the reader of mails would return."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any

from agents.core.agent import Agent
from agents.core.messages import Message
from agents.core.policy import Policy, Rule
from agents.core.requests import Request
from agents.core.values import Address
from agents.llm.base import Model
from bot.channel_host import BotRuntime
from bot.services.roster import Roster
from channels.email.input_handler import MailInputHandler
from channels.email.tokens import MailTokens
from channels.email.values import MailEnvelope, ParsedMail, SenderVerdict
from channels.stored_input import InputResult, RawInput, StoredInput
from storage.database.database import Database
from tests.fakes.clock import FakeClock
from tests.harness.bot import BotHarness, RecordingChannel, running_bot
from tests.harness.channels import channels_by_scheme
from tests.harness.people import EMAIL_ADDRESSES, EMAIL_PEOPLE
from tests.harness.tools import ToolCallRecorder, build_tools

BOT = "bot@handrail.test"
TOKENS = MailTokens(BOT, b"the key of these tests, long enough")
SHIP = {"intent": "ship", "tag": "v1"}


class DecodingReader:
    """Reader of raw mails that are the JSON of a ParsedMail. It raises planned errors first."""

    def __init__(self) -> None:
        self.planned_errors: list[Exception] = []

    async def read(self, raw: bytes, envelope: MailEnvelope, *, is_dns_required: bool = True) -> ParsedMail:
        if self.planned_errors and is_dns_required:
            raise self.planned_errors.pop(0)
        parsed = ParsedMail.model_validate_json(raw)
        if is_dns_required:
            return parsed
        unverified = parsed.sender.model_copy(update={"is_authenticated": False, "method": "none"})
        return parsed.model_copy(update={"sender": unverified})


@dataclass
class MailDesk:
    """A bot with three people, who are reached by email, and the handler of its mails."""

    bot: BotHarness
    channel: RecordingChannel
    handler: MailInputHandler
    reader: DecodingReader
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    def mail(
        self,
        text: str,
        *,
        sender: str = "alice",
        is_authenticated: bool = True,
        subject: str = "Release",
        lines: tuple[str, ...] | None = None,
        **fields: Any,
    ) -> ParsedMail:
        """Return a mail of a person, by name, or of another address. `lines` are those that may have verdicts."""
        address = EMAIL_ADDRESSES.get(sender, sender)
        number = next(self._numbers)
        values: dict[str, Any] = {
            "message_id": f"<{number}@mail.test>",
            "body_sha256": f"{number:064}",
            "new_text": text,
            "decision_lines": tuple(text.splitlines()) if lines is None else lines,
            "subject": subject,
            "sender": SenderVerdict(
                address=address,
                is_authenticated=is_authenticated,
                method="dkim" if is_authenticated else "none",
                reason="as the test says",
            ),
        }
        return ParsedMail(**{**values, **fields})

    async def receive(
        self,
        mail: ParsedMail,
        to: str = BOT,
        *,
        mail_from: str | None = None,
        attempt: int = 1,
        recent_count: int = 1,
        received_at: datetime | None = None,
    ) -> InputResult:
        """Give a mail to the handler, as one that has been stored."""
        sender = mail.sender.address or "unknown@mail.test"
        envelope = MailEnvelope(
            mail_from=sender if mail_from is None else mail_from,
            recipients=(to,),
            peer="192.0.2.1",
            helo="mail.test",
            protocol="smtp",
        )
        content = mail.model_dump_json().encode()
        at = received_at or self.bot.clock.now()
        raw = RawInput("email", f"{to}{mail.message_id}", to, at, envelope.to_metadata(), content)
        stored = StoredInput(f"in_{next(self._numbers)}", raw, attempt, recent_count)
        return await self.handler.process(stored, BotRuntime(self.bot.bot))

    async def open_request(self, text: str = "ship v1") -> Request:
        """Let Alice ask for a release by mail, and return the request that it opens."""
        known = self.thread_ids()
        await self.receive(self.mail(text))
        [thread_id] = [one for one in self.thread_ids() if one not in known]
        return await self.bot.wait_for_request(thread_id)

    def last_thread_id(self) -> str:
        """Return the id of the thread that changed last."""
        return self.bot.commits[-1].after.thread_id

    def thread_ids(self) -> list[str]:
        """Return the ids of all threads, in the order in which they were opened."""
        return list(dict.fromkeys(commit.after.thread_id for commit in self.bot.commits))

    async def current(self, request: Request) -> Request:
        """Return the request as of the last commit."""
        return await self.bot.bot.approvals.find_request(request.id)

    def sent_texts(self, to: str) -> list[str]:
        """Return the texts that were sent to a person or to an address."""
        address = Address(f"email:{EMAIL_ADDRESSES.get(to, to)}")
        return [message.text for sent_to, message, _ in self.channel.sent if sent_to == address]

    def cards(self) -> list[tuple[Address, Message]]:
        """Return the sent cards with their recipients."""
        return [(to, message) for to, message, _ in self.channel.sent if message.card is not None]


def card_address(request: Request, recipient: str) -> str:
    """Return the address to which a recipient replies when answering the card of a request."""
    return TOKENS.request_address(request.id, request.digest, EMAIL_ADDRESSES.get(recipient, recipient))


@asynccontextmanager
async def mail_desk(
    database: Database, model: Model | None = None, *, rules: tuple[Rule, ...] = (), **agent: Any
) -> AsyncIterator[MailDesk]:
    """Run a bot with a channel that records the mails that it should send."""
    clock, recorder = FakeClock(), ToolCallRecorder()
    helper = Agent(name="helper", purpose="helps", instructions="Help.", tools=build_tools(recorder), **agent)
    channel, reader = RecordingChannel("email"), DecodingReader()
    channels: Mapping[str, Any] = {**channels_by_scheme(), "email": channel}
    roster = Roster({"helper": helper}, Policy(rules=rules, people=EMAIL_PEOPLE))
    async with running_bot(
        database, model, clock=clock, tool_call_recorder=recorder, channels=channels, roster=roster
    ) as bot:
        yield MailDesk(bot, channel, MailInputHandler(TOKENS, reader, clock.now), reader)
