"""Endpoint for signed HTTP requests of Slack."""

from dataclasses import dataclass

from slack_bolt.app.async_app import AsyncApp

from channels.base import HttpRequest, HttpResponse, Runtime
from channels.slack.app import dispatch
from channels.slack.decoding import decode_http, is_ssl_check
from channels.slack.signing import verify_signature


@dataclass(frozen=True)
class SlackEndpoint:
    """Verifies requests on their raw bytes before they are decoded and dispatched."""

    app: AsyncApp
    signing_secrets: tuple[str, ...]

    async def handle(self, request: HttpRequest, runtime: Runtime) -> HttpResponse:
        """Handle a request. Raises Forbidden, InvalidInput, and Retryable, after which Slack sends it again."""
        content_type = request.headers.get("content-type", "")
        if is_ssl_check(request.body, content_type):
            return HttpResponse()
        verify_signature(
            request.body,
            timestamp=request.headers.get("x-slack-request-timestamp"),
            signature=request.headers.get("x-slack-signature"),
            secrets=self.signing_secrets,
            now=runtime.now(),
        )
        response = await dispatch(self.app, decode_http(request.body, content_type), runtime)
        return HttpResponse(
            response.status, response.body.encode(), response.first_headers().get("content-type", "text/plain")
        )
