"""Who does something in a workspace, and how what they press or fill in reaches the bot."""

import asyncio
from dataclasses import dataclass

from tests.fakes.slack.bot_request import BotRequest, BotResponse, RequestKind
from tests.fakes.slack.message import Json
from tests.fakes.slack.response_urls import ResponseUrls
from tests.fakes.slack.workspace import Workspace


class InteractionFailed(AssertionError):
    """The bot did not take an interaction: Slack shows the person a warning, and does not try again."""


@dataclass(frozen=True)
class Actor:
    """`urls` are where the bot may answer what they do."""

    id: str
    name: str
    workspace: Workspace
    response_urls: ResponseUrls

    @property
    def team(self) -> str:
        """The workspace they belong to: a guest of a shared channel comes from another one."""
        return str(self.workspace.people[self.id]["team_id"])

    async def send_interaction(self, kind: RequestKind, payload: Json) -> BotResponse:
        """The bot's answer. Raises NotTaken."""
        try:
            async with asyncio.timeout(self.workspace.condition.timeout_seconds):
                answer = await self.workspace.delivery.send(BotRequest(kind, payload))
        except TimeoutError:
            raise InteractionFailed(f"{self.name} never got an answer") from None
        if not answer.is_accepted:
            raise InteractionFailed(
                f"Slack warned {self.name}: {answer.failure_reason} {answer.status} {answer.body or ''}".strip()
            )
        return answer

    def interaction_payload(self, kind: str) -> Json:
        """What every interaction tells of who it comes from."""
        app = self.workspace.app
        user = {"id": self.id, "username": self.name, "name": self.name, "team_id": self.team}
        named = {} if app.enterprise is None else {"enterprise_id": app.enterprise, "enterprise_name": "Fake Org"}
        org = None if app.enterprise is None else {"id": app.enterprise, "name": "Fake Org"}
        team = {"team": {"id": app.team, "domain": "fake", **named}, "enterprise": org}
        team["is_enterprise_install"] = app.enterprise is not None
        ids = {"api_app_id": app.id, "token": "verification-token", "trigger_id": self.workspace.new_trigger(self.id)}
        return {"type": kind, "user": user, **team, **ids}
