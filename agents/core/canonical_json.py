"""Exact JSON: a strict parser for JSON from outside, and digests that bind a decision to the content that was shown.

The parser accepts I-JSON (RFC 7493), and only values that the databases can store. A digest is a SHA-256 hash over
canonical JSON (RFC 8785).
"""

import json
import math
from hashlib import sha256
from typing import Any, NoReturn

import rfc8785

from agents.core.errors import InvalidArguments, InvalidInput


def parse_strict_json(source: bytes | str) -> Any:
    """Return the value of a JSON text; bytes are UTF-8.

    Raises InvalidInput with the reason, without the text itself: a syntax error, an object with the same key twice,
    NaN or an infinite number, half of a surrogate pair, or numbers and nesting that exceed Python's limits.
    """
    try:
        text = source if isinstance(source, str) else source.decode()
        value = json.loads(
            text, object_pairs_hook=_reject_duplicate_keys, parse_constant=_reject_constant, parse_float=_parse_finite
        )
        json.dumps(value, ensure_ascii=False).encode()  # fails on half of a surrogate pair
    except json.JSONDecodeError as error:
        raise InvalidInput(f"{error.msg} at character {error.pos}") from error
    except UnicodeError as error:
        raise InvalidInput("it is not valid UTF-8, or has half of a surrogate pair") from error
    except (ValueError, RecursionError) as error:
        raise InvalidInput("a number is too long or the nesting is too deep") from error
    return value


def _reject_duplicate_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise InvalidInput("an object has the same key twice")
    return members


def _reject_constant(_name: str) -> NoReturn:
    raise InvalidInput("NaN and Infinity are not allowed")


def _parse_finite(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _reject_constant(digits)


def compute_digest(**values: Any) -> str:
    """Return the digest of the values in hexadecimal, independent of their order.

    Raises InvalidArguments for values that JSON cannot represent exactly.
    """
    try:
        return sha256(rfc8785.dumps(values)).hexdigest()
    except (rfc8785.CanonicalizationError, RecursionError) as error:
        raise InvalidArguments(
            "these arguments cannot be represented exactly in JSON; use numbers up to 2^53"
        ) from error


def call_digest(thread_id: str, call_id: str, tool: str, version: int, arguments: dict[str, Any]) -> str:
    """Return the digest that an approval of this tool call is bound to; `version` is the tool's declared version."""
    return compute_digest(thread=thread_id, call=call_id, tool=tool, version=version, arguments=arguments)


def question_digest(thread_id: str, question: str, choices: tuple[str, ...]) -> str:
    """Return the digest that an answer to this question is bound to."""
    return compute_digest(thread=thread_id, question=question, choices=list(choices))
