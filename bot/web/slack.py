"""Where Slack knocks: events, interactivity and slash commands, all at one address."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from agents.errors import Invalid, NotAllowed
from bot.log import Action, log
from bot.slack.door import SlackDoor
from bot.web.problems import body_of

PATH = "/channels/slack/events"


def slack_router(door: SlackDoor) -> APIRouter:
    """The route, for a server that knows Slack."""
    router = APIRouter(tags=["channels"])

    @router.post(PATH, response_model=None, responses={400: {}, 401: {}, 503: {}})
    async def slack_events(request: Request) -> Response:
        """What Slack sends, signed; it is answered once what matters is committed."""
        told = request.headers
        try:
            answer = await door.posted(
                await request.body(),
                told.get("content-type", ""),
                timestamp=told.get("x-slack-request-timestamp"),
                signature=told.get("x-slack-signature"),
            )
        except (NotAllowed, Invalid) as error:
            return _refused(error)
        return Response() if answer is None else JSONResponse(answer)

    return router


def _refused(error: NotAllowed | Invalid) -> Response:
    status = 401 if isinstance(error, NotAllowed) else 400
    log(Action.INBOUND_REFUSED, level="warning", channel="slack", status=status, error=error)
    body: dict[str, Any] = body_of(error)
    return JSONResponse(body, status)
