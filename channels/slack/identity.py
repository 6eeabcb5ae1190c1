"""Who we are on Slack. Asked once: an app keeps its names for as long as its token holds."""

from dataclasses import dataclass

from agents.errors import Misconfigured
from channels.slack.client import SlackClient
from channels.slack.facts import Ourselves


@dataclass
class Identity:
    """What `auth.test` says of our token."""

    client: SlackClient
    _us: Ourselves | None = None

    async def us(self) -> Ourselves:
        """Raises what SlackClient raises, and Misconfigured for a token that is not a bot's."""
        if self._us is None:
            told = await self.client.call("auth.test")
            if not told.get("bot_id"):
                raise Misconfigured("SLACK_BOT_TOKEN is not the token of a bot: it begins with xoxb-")
            self._us = Ourselves(bot_id=str(told["bot_id"]), user_id=str(told["user_id"]), team=str(told["team_id"]))
        return self._us
