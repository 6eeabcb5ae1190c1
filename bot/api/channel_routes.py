"""HTTP routes of the channels besides the API. They are not part of the documented API."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

from starlette.routing import BaseRoute

from bot.bootstrap import Bot
from bot.config.secrets import load_secret_key
from bot.config.settings import Settings
from bot.services.retry import Sleep, sleep_until

if TYPE_CHECKING:
    from bot.slack.bootstrap import SlackAccount
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agents.core.errors import Forbidden, InvalidInput
from bot.api.errors import body_for_error
from bot.log import LogEvent, log
from bot.slack.endpoint import SlackEndpoint
from channels.base import Endpoint, HttpRequest, Plugin, Runtime
from channels.slack.manifest import EVENTS_PATH


def build_channel_routes(plugins: Mapping[str, Plugin], runtime: Runtime) -> Iterator[Route]:
    """Yield the routes of all endpoints of the plugins."""
    for name, plugin in plugins.items():
        for endpoint in plugin.endpoints:
            yield _build_route(name, endpoint, runtime)


def _build_route(channel: str, endpoint: Endpoint, runtime: Runtime) -> Route:
    async def handle(request: Request) -> Response:
        """Pass the request to the endpoint. Errors other than the two below are handled like those of the API."""
        try:
            response = await endpoint.handle(await _to_http_request(request), runtime)
        except (Forbidden, InvalidInput) as error:
            return _rejection_response(channel, error)
        media_type = response.content_type if response.body else None
        return Response(response.body, response.status, response.headers, media_type)

    return Route(endpoint.path, handle, methods=list(endpoint.methods))


async def _to_http_request(request: Request) -> HttpRequest:
    return HttpRequest(
        method=request.method,
        path=request.url.path,
        headers=dict(request.headers),
        body=await request.body(),
        query=request.url.query,
    )


SHUTDOWN_GRACE_SECONDS = 1.0
"""Time for background replies to finish when the server stops."""


@dataclass(frozen=True)
class ChannelServices:
    """Routes and connections of Slack. Run `stop_hooks` before the bot stops."""

    routes: tuple[BaseRoute, ...] = ()
    start_hooks: tuple[Callable[[], None], ...] = ()
    stop_hooks: tuple[Callable[[], Awaitable[None]], ...] = ()

    def start(self) -> None:
        for start_hook in self.start_hooks:
            start_hook()

    async def stop(self) -> None:
        for stop_hook in self.stop_hooks:
            await stop_hook()


def build_channel_services(settings: Settings, bot: Bot) -> ChannelServices:
    """Return the services of the configured channels. Raises ConfigurationError when settings are missing."""
    if not settings.is_slack_enabled:
        return ChannelServices()
    from bot.slack.bootstrap import load_slack_account  # noqa: PLC0415 - saves 0.2 s without Slack

    account = load_slack_account(settings, load_secret_key(settings))
    return ChannelServices() if account is None else build_slack_services(account, bot)


def build_slack_services(account: "SlackAccount", bot: Bot, sleep: Sleep = sleep_until) -> ChannelServices:
    """Return Slack's services: an HTTP route with a signing secret, Socket Mode with an app token."""
    from bot.slack.bootstrap import build_slack_endpoint, build_socket_mode_runner  # noqa: PLC0415 - as above
    from channels.slack.channel import SlackChannel  # noqa: PLC0415 - as above

    endpoint = build_slack_endpoint(account, cast(SlackChannel, bot.channels["slack"]), bot)
    routes = (build_slack_route(endpoint),) if account.signing_secrets else ()
    dispatcher = endpoint.dispatcher
    stop_background_tasks = partial(dispatcher.background_tasks.stop, SHUTDOWN_GRACE_SECONDS)
    if (socket_mode := build_socket_mode_runner(account, endpoint, bot, sleep)) is None:
        fetch_identity = dispatcher.identity_cache.get
        start_hooks = (lambda: dispatcher.background_tasks.spawn(fetch_identity()),)
        return ChannelServices(routes, start_hooks, (stop_background_tasks,))
    return ChannelServices(routes, (socket_mode.start,), (socket_mode.stop, stop_background_tasks))


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
            return _rejection_response("slack", error)
        return Response() if body is None else JSONResponse(body)

    return Route(EVENTS_PATH, slack_events, methods=["POST"])


def _rejection_response(channel: str, error: Forbidden | InvalidInput) -> Response:
    status = 401 if isinstance(error, Forbidden) else 400
    log(LogEvent.INBOUND_REJECTED, level="warning", channel=channel, status=status, error=error)
    body: dict[str, Any] = body_for_error(error)
    return JSONResponse(body, status)
