"""Verification of Twilio's request signatures (twilio.com/docs/usage/security#validating-requests); without I/O."""

import hmac
from collections.abc import Iterable, Sequence
from hashlib import sha256
from urllib.parse import parse_qsl, urlsplit

from agents.core.errors import Forbidden, InvalidInput
from channels.base import HttpRequest

SIGNATURE_HEADER = "x-twilio-signature"
_BODY_DIGEST = "bodySHA256"
_INVALID_SIGNATURE = "the request has no valid signature of Twilio"

Form = Sequence[tuple[str, str]]


class _Parameters(dict[str, list[str]]):
    """Parameters of a form as the library reads them: each name with all its values."""

    def getlist(self, name: str) -> list[str]:
        return self[name]


def parse_form(body: bytes) -> Form:
    """Return the names and values of a form in UTF-8, with repeated names and empty values. Raises InvalidInput."""
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=bool(body), errors="strict")
    except ValueError:
        raise InvalidInput("the body is not a form in UTF-8") from None


def is_json(request: HttpRequest) -> bool:
    """Return whether the body is declared as JSON."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


def verify_signature(request: HttpRequest, public_url: str, tokens: Iterable[str]) -> None:
    """Verify that one of the account's tokens signed the request to the public URL. Raises Forbidden if not.

    `public_url` comes from the settings, never from a header, and has no slash at its end. A signature has no time: a
    request can be sent again at any time, so message ids are remembered for ever.
    """
    signature = request.headers.get(SIGNATURE_HEADER, "")
    url = f"{public_url}{request.path}" + (f"?{request.query}" if request.query else "")
    form = None if is_json(request) else _signed_parameters(request.body)
    if form is None and not _has_body_digest(request):
        raise Forbidden(_INVALID_SIGNATURE)
    if not any(_is_signed(url, form or _Parameters(), signature, token) for token in tokens if token):
        raise Forbidden(_INVALID_SIGNATURE)


def _has_body_digest(request: HttpRequest) -> bool:
    """Return whether the signed URL has the digest of the body, as it has for a body that is no form."""
    digests = [value for name, value in parse_qsl(request.query) if name == _BODY_DIGEST]
    return len(digests) == 1 and hmac.compare_digest(digests[0].lower().encode(), _hex_digest(request.body))


def _hex_digest(body: bytes) -> bytes:
    return sha256(body).hexdigest().encode()


def _signed_parameters(body: bytes) -> _Parameters:
    try:
        form = parse_form(body)
    except InvalidInput:
        raise Forbidden(_INVALID_SIGNATURE) from None
    parameters = _Parameters()
    for name, value in form:
        parameters.setdefault(name, []).append(value)
    return parameters


def _is_signed(url: str, parameters: _Parameters, signature: str, token: str) -> bool:
    """Return whether the token made the signature. Twilio signs the URL with or without the default port."""
    from twilio.request_validator import RequestValidator, add_port, remove_port  # noqa: PLC0415 - takes 0.2 s

    parts, validator = urlsplit(url), RequestValidator(token)
    variants = {url, remove_port(parts), add_port(parts)}
    expected = (validator.compute_signature(variant, parameters) for variant in variants)
    return any(hmac.compare_digest(one.encode(), signature.encode(errors="replace")) for one in expected)
