"""Build the FastAPI application: routes, middleware and error handlers.

The HTTP endpoints of channels are mounted too; they are not part of the documented API.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from agents.core.errors import Forbidden, InvalidInput
from bot.api import about, events, health, requests, threads
from bot.api.answer_page import build_answer_routes
from bot.api.auth import API_PREFIX, AuthMiddleware, Credential, check_admin, get_caller
from bot.api.context import AppContext, StreamRegistry
from bot.api.errors import add_error_handlers, body_for_error
from bot.api.middleware import BodyLimit, ResponseMiddleware
from bot.bootstrap import Bot
from bot.log import LogEvent, log
from channels.base import Endpoint, HttpRequest, Plugin, Runtime

_DESCRIPTION = """\
Open a thread with a message, follow its event log and answer the requests of its agent.

Every error is `{"error": {"code", "message", "details"?}}`. You can repeat a POST that has an `Idempotency-Key`: it is
not carried out again, and you get the first response with `Idempotency-Replayed: true`.
"""


def create_app(
    bot: Bot,
    credentials: Sequence[Credential],
    *,
    streams: StreamRegistry | None = None,
    channel_routes: Sequence[BaseRoute] = (),
) -> FastAPI:
    """Return the HTTP application of a bot. It accepts these credentials, and neither starts nor stops the bot.

    `channel_routes` receive HTTP requests of channels; each route authenticates its own requests.
    """
    app = FastAPIOffline(
        redoc_url=None,
        title="Handrail",
        version="1",
        description=_DESCRIPTION,
        swagger_ui_parameters={"validatorUrl": None},  # Swagger UI would send the schema to a validation site
        redirect_slashes=False,  # the redirect would repeat the client's Host header
        generate_unique_id_function=_operation_id,
        telemetry={"tracing": False, "metrics": False, "logs": False},
        middleware=[
            Middleware(ResponseMiddleware),
            Middleware(AuthMiddleware, credentials=credentials, people=bot.roster.people),
            Middleware(BodyLimit),
        ],
    )
    app.state.context = AppContext(bot, streams or StreamRegistry())
    add_error_handlers(app)
    app.include_router(_api_router())
    app.include_router(health.router)
    app.router.routes.extend(channel_routes)
    if bot.answer_links is not None:
        app.router.routes.extend(build_answer_routes(bot, bot.answer_links))
    return app


def _api_router() -> APIRouter:
    v1 = APIRouter(prefix=API_PREFIX, dependencies=[Depends(get_caller)])
    for router in (threads.router, threads.control_router, events.router, requests.router, about.router):
        v1.include_router(router)
    return v1


def _operation_id(route: APIRoute) -> str:
    return route.name


def build_channel_routes(plugins: Mapping[str, Plugin], runtime: Runtime) -> Iterator[Route]:
    """Yield the routes of all endpoints of the plugins."""
    for name, plugin in plugins.items():
        for endpoint in plugin.endpoints:
            yield _build_route(name, endpoint, runtime)


def _build_route(channel: str, endpoint: Endpoint, runtime: Runtime) -> Route:
    async def handle(request: Request) -> Response:
        """Pass the request to the endpoint. Errors other than the two below are handled like those of the API."""
        if endpoint.needs_admin and (refused := check_admin(request)) is not None:
            return refused
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


def _rejection_response(channel: str, error: Forbidden | InvalidInput) -> Response:
    status = 401 if isinstance(error, Forbidden) else 400
    log(LogEvent.INBOUND_REJECTED, level="warning", channel=channel, status=status, error=error)
    body: dict[str, Any] = body_for_error(error)
    return JSONResponse(body, status)
