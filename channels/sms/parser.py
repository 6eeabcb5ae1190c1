"""Twilio's forms for incoming messages and for states of sent ones, as values; pure functions.

Formats: twilio.com/docs/messaging/guides/webhook-request and .../outbound-message-logging.
"""

import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlencode

from pydantic import TypeAdapter, ValidationError

from agents.core.errors import InvalidInput
from channels.base import HttpRequest
from channels.sms.signing import Form, is_json, parse_form
from channels.sms.values import InboundSms, Media, StatusUpdate

MAX_MEDIA = 10
"""Limit of Twilio for the pictures and files of one message."""

_JSON_FIELDS = TypeAdapter(dict[str, str])
_SID = re.compile(r"(?:SM|MM)[0-9a-f]{32}", re.ASCII)
_STATUS = re.compile(r"[a-z_]{1,32}", re.ASCII)
_ERROR_CODE = re.compile(r"[0-9]{1,6}", re.ASCII)


def read_form(request: HttpRequest) -> Form:
    """Return the names and values of a request's body, a form or a JSON object of strings. Raises InvalidInput."""
    if not is_json(request):
        return parse_form(request.body)
    try:
        fields = _JSON_FIELDS.validate_json(request.body)
    except ValidationError:
        raise InvalidInput("the body is not a JSON object of strings") from None
    return tuple(fields.items())


def parse_message(form: Form) -> InboundSms:
    """Return the message in a form. Raises InvalidInput for one without the id, the sender or the recipient."""
    fields = _first_values(form)
    return InboundSms(
        sid=_parse_sid(fields),
        to=_require(fields, "To"),
        sender=_require(fields, "From"),
        text=fields.get("Body", ""),
        media=tuple(_parse_media(fields)),
        opt_out=fields.get("OptOutType", "").upper(),
    )


def parse_status(form: Form) -> StatusUpdate:
    """Return the state in a form. Raises InvalidInput for one without the id or the state."""
    fields = _first_values(form)
    status = fields.get("MessageStatus") or fields.get("SmsStatus", "")
    error_code = fields.get("ErrorCode", "")
    if not _STATUS.fullmatch(status):
        raise InvalidInput("the form has no MessageStatus")
    return StatusUpdate(_parse_sid(fields), status, error_code if _ERROR_CODE.fullmatch(error_code) else "")


def account_of(form: Form) -> str:
    """Return the account that a form names, an empty text if it names none or several."""
    accounts = [value for name, value in form if name == "AccountSid"]
    return accounts[0] if len(accounts) == 1 else ""


def to_message_form(message: InboundSms) -> bytes:
    """Return a form with this message, which `parse_message` reads."""
    fields = {"MessageSid": message.sid, "To": message.to, "From": message.sender, "Body": message.text}
    fields |= {"OptOutType": message.opt_out} if message.opt_out else {}
    media: dict[str, str] = {"NumMedia": str(len(message.media))} if message.media else {}
    for number, one in enumerate(message.media):
        media |= {f"MediaContentType{number}": one.content_type, f"MediaUrl{number}": one.url}
    return urlencode({**fields, **media}).encode()


def to_status_form(update: StatusUpdate) -> bytes:
    """Return a form with this state, which `parse_status` reads."""
    fields = {"MessageSid": update.sid, "MessageStatus": update.status, "ErrorCode": update.error_code}
    return urlencode({name: value for name, value in fields.items() if value}).encode()


def _first_values(form: Form) -> Mapping[str, str]:
    """Return the first value of each name: Twilio sends each name once."""
    values: dict[str, str] = {}
    for name, value in form:
        values.setdefault(name, value)
    return values


def _parse_sid(fields: Mapping[str, str]) -> str:
    sid = fields.get("MessageSid") or fields.get("SmsSid", "")
    if not _SID.fullmatch(sid):
        raise InvalidInput("the form has no MessageSid")
    return sid


def _require(fields: Mapping[str, str], name: str) -> str:
    if not (value := fields.get(name, "")):
        raise InvalidInput(f"the form has no {name}")
    return value


def _parse_media(fields: Mapping[str, str]) -> Iterator[Media]:
    count = fields.get("NumMedia", "0")
    for number in range(min(int(count), MAX_MEDIA) if _ERROR_CODE.fullmatch(count) else 0):
        if url := fields.get(f"MediaUrl{number}"):
            yield Media(fields.get(f"MediaContentType{number}", ""), url)
