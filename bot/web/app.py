"""The application: every route and what stands around them, put together from what it is given."""

from collections.abc import Sequence

from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from bot.web import about, events, health, orders, requests, threads
from bot.web.envelope import Envelope
from bot.web.limits import BodyLimit
from bot.web.parts import Parts
from bot.web.principal import GUARDED, Credential, Gate, caller
from bot.web.problems import add_problems
from bot.web.streams import Streams
from bot.wiring import Bot

_DESCRIPTION = """\
Agents propose, people hold the rail. Open a thread, follow its log, answer what it asks.

Every failure is `{"error": {"code", "message", "details"?}}`. A POST with an `Idempotency-Key` may be sent again: it is
answered again, with `Idempotency-Replayed: true`, and not done again.
"""


def create_app(
    bot: Bot,
    credentials: Sequence[Credential],
    *,
    streams: Streams | None = None,
    doors: Sequence[BaseRoute] = (),
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
            Middleware(Envelope),
            Middleware(Gate, credentials=credentials, people=bot.roster.people),
            Middleware(BodyLimit),
        ],
    )
    app.state.parts = Parts(bot, streams or Streams())
    add_problems(app)
    app.include_router(_v1())
    app.include_router(health.router)
    app.router.routes.extend(doors)
    return app


def _v1() -> APIRouter:
    v1 = APIRouter(prefix=GUARDED, dependencies=[Depends(caller)])
    for part in (threads, orders, events, requests, about):
        v1.include_router(part.router)
    return v1


def _operation_id(route: APIRoute) -> str:
    return route.name
