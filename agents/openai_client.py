"""Construction of the OpenAI SDK's client, which ignores the SDK's environment variables."""

import logging
import ssl
from typing import Any

import openai

CONNECT_TIMEOUT_SECONDS = 5.0
_PLACEHOLDER_KEY = "none"  # the SDK requires a key; self-hosted servers ignore it
_ALLOWED_HEADERS = frozenset({
    "accept", "accept-encoding", "authorization", "connection", "content-length", "content-type", "host",
    "transfer-encoding", "user-agent",
})  # fmt: skip
_SDK_HEADER_PREFIX = "x-stainless-"
"""Prefix of the SDK's headers with its own version and the version of Python."""


def make_client(
    api_key: str, base_url: str, http_client: openai.DefaultAsyncHttpxClient | None = None
) -> openai.AsyncOpenAI:
    """Return a client without retries and without a read timeout, which sends no credentials but the API key.

    `http_client` brings proxies and certificates. OPENAI_ORG_ID, OPENAI_PROJECT_ID, OPENAI_CUSTOM_HEADERS,
    OPENAI_ADMIN_KEY, OPENAI_WEBHOOK_SECRET and OPENAI_LOG, which the SDK reads, have no effect.
    """
    key = api_key or _PLACEHOLDER_KEY
    http = http_client or openai.DefaultAsyncHttpxClient(trust_env=False)
    _remove_foreign_headers(http, f"Bearer {key}")
    client = openai.AsyncOpenAI(
        api_key=key,
        base_url=base_url,
        timeout=openai.Timeout(None, connect=CONNECT_TIMEOUT_SECONDS),
        max_retries=0,  # Handrail retries, and records every attempt as an event
        http_client=http,
    )
    client.organization = client.project = client.admin_api_key = client.webhook_secret = None
    logging.getLogger("openai").setLevel(logging.NOTSET)  # OPENAI_LOG=debug would log people's messages
    return client


def make_http_client(proxy: str | None, tls: ssl.SSLContext) -> openai.DefaultAsyncHttpxClient:
    """Return an HTTP client with this proxy and these certificates. It ignores proxy environment variables."""
    return openai.DefaultAsyncHttpxClient(proxy=proxy, verify=tls, trust_env=False)


def _remove_foreign_headers(http: openai.DefaultAsyncHttpxClient, authorization: str) -> None:
    """Make the client drop all headers but the allowed ones and the SDK's, and send only this authorization."""

    async def remove_headers(request: Any) -> None:
        for name in {name.lower() for name in request.headers}:
            if name not in _ALLOWED_HEADERS and not name.startswith(_SDK_HEADER_PREFIX):
                del request.headers[name]
        if "authorization" in request.headers:  # missing after a redirect to another host
            request.headers["authorization"] = authorization

    hooks = http.event_hooks
    http.event_hooks = {**hooks, "request": [*hooks.get("request", []), remove_headers]}
