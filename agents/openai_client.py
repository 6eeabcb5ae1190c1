"""Make the client of the SDK. Nothing of the environment decides what a request carries."""

import logging
import ssl
from typing import Any

import openai

CONNECT_TIMEOUT_SECONDS = 5.0
_PLACEHOLDER_KEY = "none"  # the client insists on a key; servers at home ignore it
_ALLOWED_HEADERS = frozenset({
    "accept", "accept-encoding", "authorization", "connection", "content-length", "content-type", "host",
    "transfer-encoding", "user-agent",
})  # fmt: skip
_SDK_HEADER_PREFIX = "x-stainless-"
"""The SDK's own: versions of it and of Python."""


def make_client(
    api_key: str, base_url: str, http_client: openai.DefaultAsyncHttpxClient | None = None
) -> openai.AsyncOpenAI:
    """Make a client that retries nothing, waits as long as its caller does, and sends the key and no other header.

    Proxies and certificates come with `http_client`. OPENAI_ORG_ID, OPENAI_PROJECT_ID, OPENAI_CUSTOM_HEADERS,
    OPENAI_ADMIN_KEY, OPENAI_WEBHOOK_SECRET and OPENAI_LOG are for other programs.
    """
    key = api_key or _PLACEHOLDER_KEY
    http = http_client or openai.DefaultAsyncHttpxClient(trust_env=False)
    _remove_foreign_headers(http, f"Bearer {key}")
    client = openai.AsyncOpenAI(
        api_key=key,
        base_url=base_url,
        timeout=openai.Timeout(None, connect=CONNECT_TIMEOUT_SECONDS),
        max_retries=0,  # every attempt is an event
        http_client=http,
    )
    client.organization = client.project = client.admin_api_key = client.webhook_secret = None
    logging.getLogger("openai").setLevel(logging.NOTSET)  # OPENAI_LOG=debug would log what people say
    return client


def make_http_client(proxy: str | None, tls: ssl.SSLContext) -> openai.DefaultAsyncHttpxClient:
    """Return the client for a model that is reached this way; variables of the machine are not looked at again."""
    return openai.DefaultAsyncHttpxClient(proxy=proxy, verify=tls, trust_env=False)


def _remove_foreign_headers(http: openai.DefaultAsyncHttpxClient, authorization: str) -> None:
    async def clean(request: Any) -> None:
        for name in {name.lower() for name in request.headers}:
            if name not in _ALLOWED_HEADERS and not name.startswith(_SDK_HEADER_PREFIX):
                del request.headers[name]
        if "authorization" in request.headers:  # a redirect to another host has none
            request.headers["authorization"] = authorization

    hooks = http.event_hooks
    http.event_hooks = {**hooks, "request": [*hooks.get("request", []), clean]}
