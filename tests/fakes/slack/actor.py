"""User of the fake workspace whose interactions are sent to the bot."""

import asyncio
from dataclasses import dataclass

from tests.fakes.slack.bot_request import BotRequest, BotResponse, RequestKind
from tests.fakes.slack.message import Json
from tests.fakes.slack.response_urls import ResponseUrls
from tests.fakes.slack.workspace import Workspace


class InteractionFailed(AssertionError):
    """The bot did not acknowledge an interaction: Slack shows the user a warning and does not retry."""


@dataclass(frozen=True)
class Actor:
    """User of the workspace. `response_urls` creates the response URLs of their interactions."""

    id: str
    name: str
    workspace: Workspace
    response_urls: ResponseUrls

    @property
    def team(self) -> str:
        """Workspace of the user; an external user in a shared channel belongs to another one."""
        return str(self.workspace.people[self.id]["team_id"])

    async def send_interaction(self, kind: RequestKind, payload: Json) -> BotResponse:
        """Send an interaction and return the bot's response. Raises InteractionFailed."""
        try:
            async with asyncio.timeout(self.workspace.condition.timeout_seconds):
                response = await self.workspace.delivery.send(BotRequest(kind, payload))
        except TimeoutError:
            raise InteractionFailed(f"the bot did not respond to {self.name}") from None
        if not response.is_accepted:
            raise InteractionFailed(
                f"Slack warned {self.name}: {response.failure_reason} {response.status} {response.body or ''}".strip()
            )
        return response

    def interaction_payload(self, kind: str) -> Json:
        """Return the fields that every interaction payload has: user, team, app and trigger."""
        app = self.workspace.app
        user = {"id": self.id, "username": self.name, "name": self.name, "team_id": self.team}
        enterprise = {} if app.enterprise is None else {"enterprise_id": app.enterprise, "enterprise_name": "Fake Org"}
        org = None if app.enterprise is None else {"id": app.enterprise, "name": "Fake Org"}
        team = {"team": {"id": app.team, "domain": "fake", **enterprise}, "enterprise": org}
        team["is_enterprise_install"] = app.enterprise is not None
        ids = {"api_app_id": app.id, "token": "verification-token", "trigger_id": self.workspace.new_trigger(self.id)}
        return {"type": kind, "user": user, **team, **ids}
