"""Cache of the bot's identity on Slack, which does not change during the life of its token."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agents.errors import HandrailError, Unavailable
from channels.slack.app_installation import identity_from_auth_test, identity_from_payload, with_payload_workspace
from channels.slack.client import SlackClient
from channels.slack.inbound_events import BotIdentity

AUTH_TEST_TIMEOUT_SECONDS = 1.0
"""Limit for `auth.test` while a Slack request waits for its response; Slack waits three seconds."""

AUTH_TEST_RETRY_SECONDS = 10.0
"""Minimum time between two attempts on behalf of received payloads."""


@dataclass
class BotIdentityCache:
    """Result of `auth.test` for the bot token, fetched on first use."""

    client: SlackClient
    _cached: BotIdentity | None = None
    _retry_at: float | None = None

    async def get(self) -> BotIdentity:
        """Return the identity. Raises the errors of SlackClient."""
        if self._cached is None:
            self._cached = identity_from_auth_test(await self.client.call("auth.test"))
        return self._cached

    async def get_for_payload(self, payload: Mapping[str, Any]) -> BotIdentity:
        """Return the identity for a received payload; while `auth.test` fails, derive it from the payload.

        Raises Unavailable if the payload does not contain it either.
        """
        if (known := await self._get_with_timeout()) is not None:
            return with_payload_workspace(known, payload)
        if (derived := identity_from_payload(payload)) is not None:
            return derived
        raise Unavailable("the bot's identity on Slack is not known yet")

    async def _get_with_timeout(self) -> BotIdentity | None:
        """Return the identity, None while `auth.test` fails for any reason, including an invalid token.

        The payload must not be lost because the token has yet to be corrected.
        """
        if self._cached is None and self._retry_at is not None and self.client.monotonic() < self._retry_at:
            return None
        try:
            async with asyncio.timeout(AUTH_TEST_TIMEOUT_SECONDS):
                return await self.get()
        except (HandrailError, TimeoutError):
            self._retry_at = self.client.monotonic() + AUTH_TEST_RETRY_SECONDS
            return None
