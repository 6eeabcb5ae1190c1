"""Decoder of request bodies and Socket Mode envelopes. Both accept the same JSON; what it means is left to Bolt."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from agents.core.errors import InvalidInput
from channels.slack.payloads import MAX_BODY_BYTES, parse_json_object

_FORM_CONTENT_TYPE = "application/x-www-form-urlencoded"
_SSL_CHECK_FIELD = b"ssl_check=1"
_MAX_FORM_FIELDS = 100
_MAX_SSL_CHECK_BYTES = 2000


def decode_http(body: bytes, content_type: str) -> Mapping[str, Any]:
    """Decode the body of a verified request. Raises InvalidInput.

    Events are JSON; interactions are forms with JSON in `payload`; slash commands and SSL checks are plain forms.
    """
    if len(body) > MAX_BODY_BYTES:
        raise InvalidInput("the body is larger than any request of Slack")
    if not _is_form(content_type):
        return parse_json_object(body)
    form = _parse_form(body)
    return parse_json_object(form["payload"]) if "payload" in form else form


def decode_envelope(payload: Any) -> Mapping[str, Any]:
    """Decode the payload of an envelope. Raises InvalidInput.

    The SDK's JSON parser accepts lone surrogates, which the HTTP endpoint rejects: the payload is parsed again, so that
    both transports accept the same.
    """
    if not isinstance(payload, dict):
        raise InvalidInput("invalid Slack payload: payload")
    return parse_json_object(json.dumps(payload))


def is_ssl_check(body: bytes, content_type: str) -> bool:
    """Return whether this is Slack's SSL check, which is not signed; therefore the body is not parsed."""
    return len(body) <= _MAX_SSL_CHECK_BYTES and _is_form(content_type) and _SSL_CHECK_FIELD in body.split(b"&")


def _is_form(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == _FORM_CONTENT_TYPE


def _parse_form(body: bytes) -> dict[str, str]:
    """Parse the fields of a form. Raises InvalidInput for bytes that are not UTF-8."""
    try:
        fields = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FORM_FIELDS
        )
    except ValueError:
        raise InvalidInput("the body is not a form in UTF-8") from None
    return dict(fields)
