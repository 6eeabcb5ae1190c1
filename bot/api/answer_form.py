"""Form of an answer page: its fields, the cookie to which it belongs, and the origin from which browsers send it."""

from urllib.parse import parse_qsl, urlsplit

from storage.answer_links import AnswerLink

_FORM_TYPE = "application/x-www-form-urlencoded"
_MAX_FIELDS = 20
_DEFAULT_PORTS = {"http": 80, "https": 443}


def parse_form(content_type: str, body: bytes) -> dict[str, str] | None:
    """Return the fields of a form, the first one of each name; None if the body is not a form in UTF-8."""
    if content_type.partition(";")[0].strip().lower() != _FORM_TYPE:
        return None
    try:
        text = body.decode()
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
    except ValueError:
        return None
    return dict(reversed(pairs))


def cookie_name(link: AnswerLink) -> str:
    """Return the name of the cookie of a link. Each has its own, so that several pages can be open in one browser."""
    return f"handrail_{link.token_hash[:16]}"


def origin_of(url: str) -> str:
    """Return the origin of a URL as browsers write it: without the default port of its scheme (RFC 6454 §6.2)."""
    parts = urlsplit(url.lower())
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    has_default_port = parts.port in (None, _DEFAULT_PORTS.get(parts.scheme))
    return f"{parts.scheme}://{host}" if has_default_port else f"{parts.scheme}://{host}:{parts.port}"
