"""Digests bind a decision to the exact content that was shown: SHA-256 over canonical JSON (RFC 8785)."""

from hashlib import sha256
from typing import Any

import rfc8785

from agents.core.errors import InvalidArguments


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
    """Return the digest that an approval of this tool call is bound to."""
    return compute_digest(thread=thread_id, call=call_id, tool=tool, version=version, arguments=arguments)


def question_digest(thread_id: str, question: str, choices: tuple[str, ...]) -> str:
    """Return the digest that an answer to this question is bound to."""
    return compute_digest(thread=thread_id, question=question, choices=list(choices))
