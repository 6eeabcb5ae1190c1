"""Who we are on Slack. Asked once: an app keeps its names for as long as its token holds."""

from dataclasses import dataclass

from channels.slack.client import SlackClient
from channels.slack.facts import Ourselves


@dataclass
class Identity:
    """What `auth.test` says of our token."""

    client: SlackClient
    _us: Ourselves | None = None

    async def us(self) -> Ourselves:
        """Raises what SlackClient raises."""
        if self._us is None:
            told = await self.client.call("auth.test")
            bot_id, user_id, team = (str(told.get(name) or "") for name in ("bot_id", "user_id", "team_id"))
            self._us = Ourselves(bot_id=bot_id, user_id=user_id, team=team)
        return self._us
