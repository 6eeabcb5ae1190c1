"""Addresses at which the bot may answer one interaction: five times within half an hour."""

from dataclasses import dataclass, field

from aiohttp import web

from tests.fakes.slack.limits import check_blocks
from tests.fakes.slack.message import Json, Message
from tests.fakes.slack.refused import Refused
from tests.fakes.slack.workspace import Workspace

_USES = 5
_LIVES = 30 * 60


@dataclass
class _Address:
    person: str
    channel: str
    until: float
    message: Message | None
    uses: int = 0


@dataclass
class ResponseUrls:
    workspace: Workspace
    _given: dict[str, _Address] = field(default_factory=dict)

    def new(self, person: str, channel: str, message: Message | None = None) -> str:
        """For an interaction of the person; `message` is what was clicked at."""
        name, until = self.workspace.new_id("R"), self.workspace.clock.elapsed() + _LIVES
        self._given[name] = _Address(person, channel, until, message)
        return f"{self.workspace.url}/response/{name}"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        address = self._given.get(request.match_info["name"])
        if address is None or address.uses >= _USES or self.workspace.clock.elapsed() > address.until:
            return web.json_response({"ok": False, "error": "expired_url"}, status=404)
        address.uses += 1
        try:
            self._take(address, await request.json())
        except Refused as refused:
            return web.json_response(refused.answer, status=400)
        return web.Response(text="ok")

    def _take(self, address: _Address, body: Json) -> None:
        check_blocks(body.get("blocks") or [])
        if address.message is not None and body.get("delete_original"):
            address.message.gone = True
        elif address.message is not None and body.get("replace_original"):
            address.message.text = body.get("text", "")
            address.message.blocks = self.workspace.with_ids(body.get("blocks", []))
        else:
            self.workspace.keep(self._new(address, body))
        self.workspace.bell.ring()

    def _new(self, address: _Address, body: Json) -> Message:
        hidden = body.get("response_type", "ephemeral") == "ephemeral"
        message = Message(address.channel, self.workspace.new_ts(), body.get("text", ""), self.workspace.app.user)
        message.thread_ts, message.ours = body.get("thread_ts"), True
        message.blocks = self.workspace.with_ids(body.get("blocks", []))
        message.ephemeral_to = address.person if hidden else None
        return message
