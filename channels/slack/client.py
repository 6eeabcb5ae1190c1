"""Slack's Web API: each call once. Whether it is made again is for the outbox to say.

The SDK itself tries again after a lost connection, and so posts twice: its handlers for that are left out.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from agents.errors import Unreachable
from channels.slack.failures import Doubtful, failure

SECONDS = 10.0
"""For one call, from beginning to end."""


@dataclass(frozen=True)
class Answer:
    """What Slack said. `headers` have their names in lower case."""

    data: dict[str, Any]
    headers: Mapping[str, str]


@dataclass
class SlackClient:
    """One workspace's app, by its bot token."""

    token: str
    base_url: str = "https://slack.com/api/"
    seconds: float = SECONDS
    _web: AsyncWebClient = field(init=False)

    def __post_init__(self) -> None:
        self._web = AsyncWebClient(self.token, self.base_url, timeout=round(self.seconds) + 1, retry_handlers=[])

    async def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        """What Slack answers. Raises what `failure` makes of a refusal, Unreachable, and Doubtful."""
        return (await self.answer(method, **arguments)).data

    async def answer(self, method: str, **arguments: Any) -> Answer:
        """The same with the headers, for those who need them too."""
        try:
            async with asyncio.timeout(self.seconds):
                response = await self._web.api_call(method, json=arguments)
        except SlackApiError as error:
            raise _refusal(error) from error
        except aiohttp.ClientConnectorError as error:
            raise Unreachable("Slack does not answer; it is tried again") from error
        except (aiohttp.ClientError, SlackClientError, OSError, TimeoutError) as error:
            raise Doubtful from error
        data = response.data if isinstance(response.data, dict) else {}
        return Answer(data, {name.lower(): value for name, value in response.headers.items()})


def _refusal(error: SlackApiError) -> Exception:
    response = error.response
    if isinstance(response, AsyncSlackResponse):
        said = response.get("error") if isinstance(response.data, dict) else None
        return failure(str(said or ""), status=response.status_code, headers=response.headers)
    return failure("", status=response.status, headers=response.headers)  # aiohttp's own, of a body that is no JSON
