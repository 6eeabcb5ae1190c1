"""The application: every route and what stands around them, put together from what it is given."""

from collections.abc import Sequence

from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from bot.bootstrap import Bot
from bot.web import about, events, health, requests, thread_actions, threads
from bot.web.context import AppContext
from bot.web.errors import add_error_handlers
from bot.web.limits import BodyLimit
from bot.web.middleware import ResponseMiddleware
from bot.web.principal import API_PREFIX, AuthMiddleware, Credential, get_caller
from bot.web.streams import StreamRegistry

_DESCRIPTION = """\
Agents propose, people hold the rail. Open a thread, follow its log, answer what it asks.

Every failure is `{"error": {"code", "message", "details"?}}`. A POST with an `Idempotency-Key` may be sent again: it is
answered again, with `Idempotency-Replayed: true`, and not done again.
"""


def create_app(
    bot: Bot,
    credentials: Sequence[Credential],
    *,
    streams: StreamRegistry | None = None,
    channel_routes: Sequence[BaseRoute] = (),
) -> FastAPI:
    """The HTTP surface of a bot, for whoever holds one of the credentials. It neither starts nor stops the bot.

    `doors` are the routes of channels that come in over HTTP, each with its own way to tell who knocks.
    """
    app = FastAPIOffline(
        redoc_url=None,
        title="Handrail",
        version="1",
        description=_DESCRIPTION,
        swagger_ui_parameters={"validatorUrl": None},  # Swagger UI would ask a web site to check the schema
        redirect_slashes=False,  # such an answer would name the host that the client named
        generate_unique_id_function=_operation_id,
        telemetry={"tracing": False, "metrics": False, "logs": False},
        middleware=[
            Middleware(ResponseMiddleware),
            Middleware(AuthMiddleware, credentials=credentials, people=bot.roster.people),
            Middleware(BodyLimit),
        ],
    )
    app.state.parts = AppContext(bot, streams or StreamRegistry())
    add_error_handlers(app)
    app.include_router(_api_router())
    app.include_router(health.router)
    app.router.routes.extend(channel_routes)
    return app


def _api_router() -> APIRouter:
    v1 = APIRouter(prefix=API_PREFIX, dependencies=[Depends(get_caller)])
    for part in (threads, thread_actions, events, requests, about):
        v1.include_router(part.router)
    return v1


def _operation_id(route: APIRoute) -> str:
    return route.name
