"""Response URLs of interactions, each valid for five uses within half an hour."""

from dataclasses import dataclass, field

from aiohttp import web

from tests.fakes.slack.api_error import ApiError
from tests.fakes.slack.limits import check_blocks
from tests.fakes.slack.message import Json, Message
from tests.fakes.slack.workspace import Workspace

_MAX_USES = 5
_LIFETIME_SECONDS = 30 * 60


@dataclass
class _ResponseUrl:
    person: str
    channel: str
    expires_at: float
    clicked_message: Message | None
    uses: int = 0


@dataclass
class ResponseUrls:
    workspace: Workspace
    _urls: dict[str, _ResponseUrl] = field(default_factory=dict)

    def new(self, person: str, channel: str, message: Message | None = None) -> str:
        """Return a new URL for an interaction of the person; `message` is the clicked message, if any."""
        name, until = self.workspace.new_id("R"), self.workspace.clock.monotonic() + _LIFETIME_SECONDS
        self._urls[name] = _ResponseUrl(person, channel, until, message)
        return f"{self.workspace.url}/response/{name}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        response_url = self._urls.get(request.match_info["name"])
        if (
            response_url is None
            or response_url.uses >= _MAX_USES
            or self.workspace.clock.monotonic() > response_url.expires_at
        ):
            return web.json_response({"ok": False, "error": "expired_url"}, status=404)
        response_url.uses += 1
        try:
            self._apply(response_url, await request.json())
        except ApiError as error:
            return web.json_response(error.body, status=400)
        return web.Response(text="ok")

    def _apply(self, response_url: _ResponseUrl, body: Json) -> None:
        check_blocks(body.get("blocks") or [])
        if response_url.clicked_message is not None and body.get("delete_original"):
            response_url.clicked_message.is_deleted = True
        elif response_url.clicked_message is not None and body.get("replace_original"):
            response_url.clicked_message.text = body.get("text", "")
            response_url.clicked_message.blocks = self.workspace.add_block_ids(body.get("blocks", []))
        else:
            self.workspace.add_message(self._create_message(response_url, body))
        self.workspace.condition.notify_all()

    def _create_message(self, response_url: _ResponseUrl, body: Json) -> Message:
        is_ephemeral = body.get("response_type", "ephemeral") == "ephemeral"
        message = Message(response_url.channel, self.workspace.new_ts(), body.get("text", ""), self.workspace.app.user)
        message.thread_ts, message.is_from_bot = body.get("thread_ts"), True
        message.blocks = self.workspace.add_block_ids(body.get("blocks", []))
        message.ephemeral_to = response_url.person if is_ephemeral else None
        return message
