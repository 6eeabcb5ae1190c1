"""Processing of one stored message: who wrote it, which requests it answers, and to which thread it belongs.

Processing may be repeated after a crash. Each message and each answer has a dedup key, so that it has its effect once.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from agents.core.errors import InvalidInput, Unavailable
from agents.core.requests import Request
from agents.core.values import Address
from channels.base import Receiver, Runtime
from channels.inbound import Arrival, InboundMessage, Overview, Sender
from channels.sms.answer_handler import AnswerHandler, AnswerOutcome
from channels.sms.answers import CodeAnswer, ParsedText, parse_text
from channels.sms.endpoints import KIND, STATUS
from channels.sms.parser import parse_message, parse_status
from channels.sms.replies import TOO_MANY_CODES, UNKNOWN_NUMBER, ask_which, describe_help, report_message_refused
from channels.sms.signing import parse_form
from channels.sms.status_handler import process_status
from channels.sms.values import CHANNEL, InboundSms, Media
from channels.stored_input import InputReply, InputResult, OptOut, StoredInput

IDLE_AFTER = timedelta(hours=12)
"""Time after which the next message opens a new thread, if nothing is open in the last one."""
MAX_WRONG_CODES = 5
"""Wrong codes from one number within an hour, after which no code counts until the hour is over."""
MAX_MESSAGES_PER_HOUR = 60
MAX_EARLY_ATTEMPTS = 3
"""Attempts, a few seconds in all, in which an answer without a code waits for the record of the message that asked."""
_MAX_OVERVIEW_REQUESTS = 20

NameMedia = Callable[[Sequence[Media]], Awaitable[tuple[str, ...]]]
"""Function that returns the names of the pictures and files of a message."""


@dataclass(frozen=True)
class SmsInputHandler:
    """Processes stored messages and states. `own_sender` is the number or service that the bot sends from."""

    own_sender: str
    name_media: NameMedia

    async def process(self, stored: StoredInput, runtime: Runtime) -> InputResult:
        """Process one input. Raises Retryable; an input that cannot be read is quarantined."""
        try:
            form = parse_form(stored.raw.content)
            if stored.raw.metadata.get(KIND) == STATUS:
                return await process_status(parse_status(form), stored, runtime.receiver)
            return await self._process_message(parse_message(form), stored, runtime.receiver)
        except InvalidInput as error:
            return InputResult("quarantined", str(error))

    async def _process_message(self, message: InboundSms, stored: StoredInput, receiver: Receiver) -> InputResult:
        address = message.address
        if message.sender in {self.own_sender, message.to}:
            return InputResult("ignored", "a message of the bot itself")
        if address is None:
            return InputResult("ignored", "the sender has no phone number")
        arrival = Arrival(CHANNEL, (message.sid,), Sender((address,)), source=address, at=stored.raw.received_at)
        parsed = parse_text(message.text, message.opt_out)
        if parsed.kind in ("stop", "start"):
            await receiver.report_opt_out(OptOut(arrival, is_opted_out=parsed.kind == "stop"))
            return InputResult("processed", "an opt-out" if parsed.kind == "stop" else "an opt-in")
        overview = await receiver.overview(arrival.sender, _MAX_OVERVIEW_REQUESTS)
        if overview.person is None:
            await receiver.report_unknown_sender(arrival)
            return InputResult("ignored", "an unknown number", _reply(address, UNKNOWN_NUMBER, f"unknown:{address}"))
        if stored.recent_count > MAX_MESSAGES_PER_HOUR:
            return InputResult("ignored", "too many messages of this number")
        may_wait = stored.attempt <= MAX_EARLY_ATTEMPTS
        return await self._process_known(MessageHandler(receiver, message, arrival, overview, may_wait), parsed, stored)

    async def _process_known(self, handler: "MessageHandler", parsed: ParsedText, stored: StoredInput) -> InputResult:
        """Process the message of a known person. Wrong codes are counted, and too many of them lock all codes."""
        address, at = handler.arrival.source, stored.raw.received_at
        if parsed.kind == "help":
            help_text = describe_help(handler.overview.requests)
            reply = _reply(address, help_text, f"help:{address}:{at:%Y-%m-%d}")
            is_answered = bool(handler.message.opt_out)  # the provider has sent its own text
            return InputResult("processed", "a call for help", None if is_answered else reply)
        is_locked = stored.recent_wrong_codes >= MAX_WRONG_CODES
        if is_locked and any(answer.is_certain for answer in parsed.answers):
            locked = _reply(address, TOO_MANY_CODES, f"locked:{address}:{at:%Y-%m-%dT%H}")
            return InputResult("ignored", "a code after too many wrong ones", locked)
        outcome = None if is_locked and parsed.kind == "answers" else await handler.answer(parsed)
        if outcome is None:
            names = await self.name_media(handler.message.media)
            outcome = await handler.post(parsed, names)
        text = "\n".join(outcome.reports)
        report = _reply(address, text, f"sms:{handler.message.sid}") if text else None
        return InputResult("processed", reply=report, has_wrong_code=outcome.has_wrong_code)


@dataclass(frozen=True)
class MessageHandler:
    """Handles one message of a known person: as answers to requests, or as a message for a thread.

    A person can answer before the delivery of the message that asked is recorded. An answer without a code is handled
    again then, as long as it `may_wait`.
    """

    receiver: Receiver
    message: InboundSms
    arrival: Arrival
    overview: Overview
    may_wait: bool = False

    async def answer(self, parsed: ParsedText) -> AnswerOutcome | None:
        """Record the answers of the message. None if it is an ordinary message."""
        answers = AnswerHandler(self.receiver, self.arrival, self.overview)
        if parsed.kind == "answers":
            return await answers.answer(parsed.answers)
        if parsed.kind not in ("bare", "message"):
            return None
        request = await self._find_last_asked(may_wait=self.may_wait and parsed.kind == "bare")
        if parsed.kind == "message":
            is_answer = request is not None and request.kind == "question" and bool(parsed.text)
            return await self._answer_last(answers, request, parsed) if is_answer else None
        if request is None and parsed.verb is None:
            return None  # a number that answers nothing is an ordinary message
        if request is None:
            return AnswerOutcome((ask_which(self.overview.requests),))
        return await self._answer_last(answers, request, parsed)

    async def _answer_last(
        self, answers: AnswerHandler, request: Request | None, parsed: ParsedText
    ) -> AnswerOutcome | None:
        if request is None:
            return None
        words = parsed.text or self.message.text.strip()
        rest = "" if parsed.verb is not None else words
        answer = CodeAnswer(request.code, parsed.verb, rest, words)
        return AnswerOutcome((await answers.answer_one(request, answer),))

    async def _find_last_asked(self, *, may_wait: bool) -> Request | None:
        """Return the only open request of the sender if its card was the last message to this number.

        Raises Unavailable if it `may_wait` for the record of that card.
        """
        if len(self.overview.requests) != 1:
            return None
        last = await self.receiver.find_last_message(self.arrival.source)
        [request] = self.overview.requests
        if last is not None and last.request_id == request.id:
            return request
        if may_wait and all(card.address != self.arrival.source for card in request.cards):
            raise Unavailable("the message that asked may not be recorded yet")
        return None

    async def post(self, parsed: ParsedText, file_names: tuple[str, ...]) -> AnswerOutcome:
        """Post the message to the thread of the two numbers, or to a new one."""
        posted = await self.receiver.post_message(
            InboundMessage(
                arrival=self.arrival,
                text=parsed.text if parsed.kind == "new" else self.message.text.strip(),
                conversation_keys=(f"{CHANNEL}:{self.message.to}:{self.message.sender}",),
                may_name_agent=True,
                ref=self.message.sid,
                file_names=file_names,
                requires_access=True,
                begins_topic=parsed.kind == "new",
                idle_after=IDLE_AFTER,
            )
        )
        return AnswerOutcome(() if posted.refusal is None else (report_message_refused(posted.refusal.text),))


def _reply(to: Address, text: str, limit_key: str) -> InputReply:
    return InputReply(to=to, text=text, limit_key=limit_key)
