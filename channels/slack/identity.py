"""Who we are on Slack. Asked once: an app keeps its names for as long as its token holds."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agents.errors import HandrailError, Unreachable
from channels.slack.client import SlackClient
from channels.slack.facts import Ourselves
from channels.slack.installation import ourselves_in, ourselves_of, seen_in

PATIENCE = 1.0
"""Seconds to ask who we are before Slack is answered: it waits for three."""

PAUSE = 10.0
"""Seconds until it is asked again on behalf of something that came in."""


@dataclass
class Identity:
    """What `auth.test` says of our token."""

    client: SlackClient
    _us: Ourselves | None = None
    _pause_until: float | None = None

    async def us(self) -> Ourselves:
        """Raises what SlackClient raises."""
        if self._us is None:
            self._us = ourselves_of(await self.client.call("auth.test"))
        return self._us

    async def us_behind(self, payload: Mapping[str, Any]) -> Ourselves:
        """Who we are to something that came in: while Slack does not say, as that says itself.

        Raises Unreachable when neither does.
        """
        if (known := await self._quickly()) is not None:
            return seen_in(known, payload)
        if (told := ourselves_in(payload)) is not None:
            return told
        raise Unreachable("who we are on Slack is not known yet")

    async def _quickly(self) -> Ourselves | None:
        """None while Slack cannot tell, also because of a token that is to be put right: what came in is kept."""
        if self._us is None and self._pause_until is not None and self.client.elapsed() < self._pause_until:
            return None
        try:
            async with asyncio.timeout(PATIENCE):
                return await self.us()
        except (HandrailError, TimeoutError):
            self._pause_until = self.client.elapsed() + PAUSE
            return None
