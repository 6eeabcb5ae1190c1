"""HTTP routes of the channels besides the API. They are not part of the documented API."""

from collections.abc import Iterator, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agents.core.errors import Forbidden, InvalidInput
from bot.api.errors import body_for_error
from bot.log import LogEvent, log
from channels.base import Endpoint, HttpRequest, Plugin, Runtime


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


def _rejection_response(channel: str, error: Forbidden | InvalidInput) -> Response:
    status = 401 if isinstance(error, Forbidden) else 400
    log(LogEvent.INBOUND_REJECTED, level="warning", channel=channel, status=status, error=error)
    body: dict[str, Any] = body_for_error(error)
    return JSONResponse(body, status)
