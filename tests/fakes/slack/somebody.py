"""Who does something in a workspace, and how what they press or fill in reaches the bot."""

import asyncio
from dataclasses import dataclass

from tests.fakes.slack.message import Json
from tests.fakes.slack.parcel import Answer, Kind, Parcel
from tests.fakes.slack.response_urls import ResponseUrls
from tests.fakes.slack.workspace import Workspace


class NotTaken(AssertionError):
    """The bot did not take an interaction: Slack shows the person a warning, and does not try again."""


@dataclass(frozen=True)
class Somebody:
    """`urls` are where the bot may answer what they do."""

    id: str
    name: str
    workspace: Workspace
    urls: ResponseUrls

    @property
    def team(self) -> str:
        """The workspace they belong to: a guest of a shared channel comes from another one."""
        return str(self.workspace.people[self.id]["team_id"])

    async def interacts(self, kind: Kind, payload: Json) -> Answer:
        """The bot's answer. Raises NotTaken."""
        try:
            async with asyncio.timeout(self.workspace.bell.patience):
                answer = await self.workspace.postman.send(Parcel(kind, payload))
        except TimeoutError:
            raise NotTaken(f"{self.name} never got an answer") from None
        if not answer.taken:
            raise NotTaken(f"Slack warned {self.name}: {answer.reason} {answer.status} {answer.body or ''}".strip())
        return answer

    def interaction(self, kind: str) -> Json:
        """What every interaction tells of who it comes from."""
        app = self.workspace.app
        user = {"id": self.id, "username": self.name, "name": self.name, "team_id": self.team}
        named = {} if app.enterprise is None else {"enterprise_id": app.enterprise, "enterprise_name": "Fake Org"}
        org = None if app.enterprise is None else {"id": app.enterprise, "name": "Fake Org"}
        team = {"team": {"id": app.team, "domain": "fake", **named}, "enterprise": org}
        team["is_enterprise_install"] = app.enterprise is not None
        ids = {"api_app_id": app.id, "token": "verification-token", "trigger_id": self.workspace.new_trigger(self.id)}
        return {"type": kind, "user": user, **team, **ids}
