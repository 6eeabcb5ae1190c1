"""Who we are on Slack. Asked once: an app keeps its names for as long as its token holds."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agents.errors import HandrailError, Unavailable
from channels.slack.app_installation import identity_from_auth_test, identity_from_payload, with_payload_workspace
from channels.slack.client import SlackClient
from channels.slack.inbound_events import BotIdentity

AUTH_TEST_TIMEOUT_SECONDS = 1.0
"""Seconds to ask who we are before Slack is answered: it waits for three."""

AUTH_TEST_RETRY_SECONDS = 10.0
"""Seconds until it is asked again on behalf of something that came in."""


@dataclass
class BotIdentityCache:
    """What `auth.test` says of our token."""

    client: SlackClient
    _cached: BotIdentity | None = None
    _retry_at: float | None = None

    async def get(self) -> BotIdentity:
        """Raises what SlackClient raises."""
        if self._cached is None:
            self._cached = identity_from_auth_test(await self.client.call("auth.test"))
        return self._cached

    async def get_for_payload(self, payload: Mapping[str, Any]) -> BotIdentity:
        """Who we are to something that came in: while Slack does not say, as that says itself.

        Raises Unreachable when neither does.
        """
        if (known := await self._get_with_timeout()) is not None:
            return with_payload_workspace(known, payload)
        if (told := identity_from_payload(payload)) is not None:
            return told
        raise Unavailable("who we are on Slack is not known yet")

    async def _get_with_timeout(self) -> BotIdentity | None:
        """None while Slack cannot tell, also because of a token that is to be put right: what came in is kept."""
        if self._cached is None and self._retry_at is not None and self.client.monotonic() < self._retry_at:
            return None
        try:
            async with asyncio.timeout(AUTH_TEST_TIMEOUT_SECONDS):
                return await self.get()
        except (HandrailError, TimeoutError):
            self._retry_at = self.client.monotonic() + AUTH_TEST_RETRY_SECONDS
            return None
