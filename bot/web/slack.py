"""Where Slack knocks: events, interactivity and slash commands, all at one address."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agents.errors import Invalid, NotAllowed
from bot.log import Action, log
from bot.slack.door import SlackDoor
from bot.web.problems import body_of
from channels.slack.manifest import EVENTS_PATH


def slack_route(door: SlackDoor) -> Route:
    """The route, for a server that knows Slack. It is no part of the API that others may call."""

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

    return Route(EVENTS_PATH, slack_events, methods=["POST"])


def _refused(error: NotAllowed | Invalid) -> Response:
    status = 401 if isinstance(error, NotAllowed) else 400
    log(Action.INBOUND_REFUSED, level="warning", channel="slack", status=status, error=error)
    body: dict[str, Any] = body_of(error)
    return JSONResponse(body, status)
