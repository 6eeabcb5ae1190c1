"""Build the FastAPI application: routes, middleware and error handlers."""

from collections.abc import Sequence

from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from bot.api import about, events, health, requests, thread_actions, threads
from bot.api.auth import API_PREFIX, AuthMiddleware, Credential, get_caller
from bot.api.context import AppContext, StreamRegistry
from bot.api.errors import add_error_handlers
from bot.api.middleware import BodyLimit, ResponseMiddleware
from bot.bootstrap import Bot

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
    return app


def _api_router() -> APIRouter:
    v1 = APIRouter(prefix=API_PREFIX, dependencies=[Depends(get_caller)])
    for module in (threads, thread_actions, events, requests, about):
        v1.include_router(module.router)
    return v1


def _operation_id(route: APIRoute) -> str:
    return route.name
