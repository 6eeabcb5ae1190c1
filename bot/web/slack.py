"""Where Slack knocks: events, interactivity and slash commands, all at one address."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agents.errors import Forbidden, InvalidInput
from bot.log import LogEvent, log
from bot.slack.endpoint import SlackEndpoint
from bot.web.errors import body_for_error
from channels.slack.manifest import EVENTS_PATH


def build_slack_route(endpoint: SlackEndpoint) -> Route:
    """The route, for a server that knows Slack. It is no part of the API that others may call."""

    async def slack_events(request: Request) -> Response:
        """What Slack sends, signed; it is answered once what matters is committed."""
        told = request.headers
        try:
            answer = await endpoint.handle_http(
                await request.body(),
                told.get("content-type", ""),
                timestamp=told.get("x-slack-request-timestamp"),
                signature=told.get("x-slack-signature"),
            )
        except (Forbidden, InvalidInput) as error:
            return _rejection_response(error)
        return Response() if answer is None else JSONResponse(answer)

    return Route(EVENTS_PATH, slack_events, methods=["POST"])


def _rejection_response(error: Forbidden | InvalidInput) -> Response:
    status = 401 if isinstance(error, Forbidden) else 400
    log(LogEvent.INBOUND_REJECTED, level="warning", channel="slack", status=status, error=error)
    body: dict[str, Any] = body_for_error(error)
    return JSONResponse(body, status)
