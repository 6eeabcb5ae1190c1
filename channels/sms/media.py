"""Pictures and files of messages: fetched from the provider only, to record what they are; the model gets their names.

A URL in a form is signed, but it is still a value from outside: without these limits a picture could make the server
send its credentials to another host.
"""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import urljoin, urlsplit

import httpx2

from channels.sms.values import Media

MAX_MEDIA_BYTES = 5 * 1024 * 1024
"""Limit of Twilio for the size of a message with pictures."""
FETCH_TIMEOUT_SECONDS = 10.0
MAX_REDIRECTS = 3

_PROVIDER_HOSTS = ("api.twilio.com", "media.twiliocdn.com")
_PROVIDER_DOMAIN = ".twiliocdn.com"
_SIGNATURES = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"RIFF", "image/webp"),
)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True)
class MediaFetcher:
    """Fetches the pictures of messages to name them. The credentials are sent to the API's own host only."""

    account_sid: str
    auth_token: str = field(repr=False)
    api_url: str
    tls: ssl.SSLContext
    proxy: str | None = None

    async def name_media(self, media: Sequence[Media]) -> tuple[str, ...]:
        """Return a name for each picture, with its type and the beginning of its SHA-256; it says so if it is gone."""
        return tuple([f"picture {number} ({await self._describe(one)})" for number, one in enumerate(media, 1)])

    async def _describe(self, media: Media) -> str:
        try:
            content = await self._fetch(media.url)
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError):
            return f"{media.content_type or 'unknown type'}, could not be read"
        sniffed = next((kind for start, kind in _SIGNATURES if content.startswith(start)), "unknown type")
        return f"{sniffed}, {len(content)} bytes, sha256 {sha256(content).hexdigest()[:16]}"

    async def _fetch(self, url: str) -> bytes:
        """Return the content. Raises HTTPError, and ValueError for a URL of another host or too much content."""
        timeout = httpx2.Timeout(FETCH_TIMEOUT_SECONDS)
        async with httpx2.AsyncClient(timeout=timeout, verify=self.tls, proxy=self.proxy, trust_env=False) as http:
            for _ in range(MAX_REDIRECTS + 1):
                self._check_url(url)
                async with http.stream("GET", url, auth=self._credentials_for(url)) as response:
                    if response.status_code in _REDIRECTS:
                        url = urljoin(url, response.headers.get("location", ""))
                        continue
                    response.raise_for_status()
                    return await _read(response)
        raise ValueError("too many redirects")

    def _check_url(self, url: str) -> None:
        """Raise ValueError unless the URL is one of the provider."""
        parts, api = urlsplit(url), urlsplit(self.api_url)
        if (parts.scheme, parts.netloc) == (api.scheme, api.netloc):
            return
        host = parts.hostname or ""
        is_provider = host in _PROVIDER_HOSTS or host.endswith(_PROVIDER_DOMAIN)
        if parts.scheme != "https" or not is_provider or parts.port not in (None, 443) or parts.username is not None:
            raise ValueError("the picture is not on a host of the provider")

    def _credentials_for(self, url: str) -> tuple[str, str] | None:
        parts, api = urlsplit(url), urlsplit(self.api_url)
        return (self.account_sid, self.auth_token) if (parts.scheme, parts.netloc) == (api.scheme, api.netloc) else None


async def _read(response: httpx2.Response) -> bytes:
    content = b""
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > MAX_MEDIA_BYTES:
            raise ValueError("the picture is too large")
    return content
