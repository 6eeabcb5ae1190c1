"""HTTP route for Slack: events, interactivity and slash commands share one URL."""

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
    """Return the route for Slack's requests. It is not part of the documented API."""

    async def slack_events(request: Request) -> Response:
        """Handle a signed request of Slack and respond after its durable effects are committed."""
        headers = request.headers
        try:
            body = await endpoint.handle_http(
                await request.body(),
                headers.get("content-type", ""),
                timestamp=headers.get("x-slack-request-timestamp"),
                signature=headers.get("x-slack-signature"),
            )
        except (Forbidden, InvalidInput) as error:
            return _rejection_response(error)
        return Response() if body is None else JSONResponse(body)

    return Route(EVENTS_PATH, slack_events, methods=["POST"])


def _rejection_response(error: Forbidden | InvalidInput) -> Response:
    status = 401 if isinstance(error, Forbidden) else 400
    log(LogEvent.INBOUND_REJECTED, level="warning", channel="slack", status=status, error=error)
    body: dict[str, Any] = body_for_error(error)
    return JSONResponse(body, status)
