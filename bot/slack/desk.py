"""Where all that Slack sends is taken: what matters is committed, then Slack is answered, then come courtesies."""

from dataclasses import dataclass
from typing import Any, assert_never

from bot.slack.afterwards import Afterwards
from bot.slack.commanding import Commanding
from bot.slack.hearing import Hearing
from bot.slack.pressing import Pressing
from bot.slack.welcoming import Welcoming
from channels.slack.facts import (
    Challenge,
    Checked,
    Clicked,
    Commanded,
    Deleted,
    Edited,
    Fact,
    Ignored,
    Opened,
    Ourselves,
    Pointed,
    Said,
    Stopped,
    Submitted,
)
from channels.slack.identity import Identity

Json = dict[str, Any]


@dataclass(frozen=True)
class SlackDesk:
    """One arm for each kind of fact."""

    identity: Identity
    hearing: Hearing
    pressing: Pressing
    commanding: Commanding
    welcoming: Welcoming
    afterwards: Afterwards

    async def take(self, fact: Fact, us: Ourselves) -> Json | None:
        """What Slack is answered; None is nothing but that it arrived. Raises Retryable: then Slack sends it again."""
        match fact:
            case Challenge():
                return {"challenge": fact.challenge}
            case Clicked():
                await self.pressing.clicked(fact, us)
            case Submitted():
                return await self.pressing.submitted(fact, us)
            case Commanded():
                return await self.commanding.commanded(fact, us)
            case Opened():
                self.afterwards.do(self.welcoming.opened(fact, us))
            case Checked() | Ignored():
                pass
            case _:
                await self._hear(fact, us)
        return None

    async def _hear(self, told: Said | Edited | Deleted | Pointed | Stopped, us: Ourselves) -> None:
        match told:
            case Said():
                await self.hearing.said(told, us)
            case Edited() | Deleted():
                await self.hearing.changed(told, us)
            case Pointed():
                await self.hearing.pointed(told, us)
            case Stopped():
                await self.hearing.stopped(told, us)
            case _:
                assert_never(told)
