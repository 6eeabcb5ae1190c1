"""To the bot over Socket Mode: whoever the bot opened a connection from."""

import asyncio
import json
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from aiohttp import WSMessage, WSMsgType, web

from tests.fakes.slack.app import App
from tests.fakes.slack.bell import Bell
from tests.fakes.slack.message import Json
from tests.fakes.slack.parcel import Answer, Parcel

_MOST = 10


@dataclass
class SocketCarrier:
    """Each parcel goes to one of the connections, in turn; its acknowledgement may come over any of them."""

    app: App
    bell: Bell
    connections: list[web.WebSocketResponse] = field(default_factory=list)
    opened: int = 0
    """How many connections there ever were."""
    _tickets: set[str] = field(default_factory=set)
    _numbers: "count[int]" = field(default_factory=lambda: count(1))
    _waiting: dict[str, tuple[web.WebSocketResponse, asyncio.Future[Answer]]] = field(default_factory=dict)

    @property
    def is_ready(self) -> bool:
        return bool(self.connections)

    async def carry(self, parcel: Parcel) -> Answer:
        """Send the envelope, and wait for the acknowledgement or the end of the connection."""
        number = next(self._numbers)
        envelope = _envelope(parcel, envelope_id := f"envelope-{number:06d}")
        connection = self.connections[number % len(self.connections)]
        waiting: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[envelope_id] = (connection, waiting)
        try:
            await connection.send_json(envelope)
            return await waiting
        except ConnectionError:
            return Answer(reason="connection_failed", status=0)
        finally:
            del self._waiting[envelope_id]

    def ticket(self) -> str:
        """For one connection."""
        ticket = f"ticket-{next(self._numbers)}"
        self._tickets.add(ticket)
        return ticket

    async def connected(self, request: web.Request) -> web.StreamResponse:
        """Somebody opens a connection; this lasts as long as it does."""
        if request.query.get("ticket") not in self._tickets:
            return web.Response(status=404)
        self._tickets.remove(request.query["ticket"])
        connection = web.WebSocketResponse()
        await connection.prepare(request)
        await self._greet(connection)
        try:
            async for message in connection:
                self._heard(message)
        finally:
            self._left(connection)
        return connection

    async def disconnects(self, reason: str = "refresh_requested") -> None:
        """Ask every connection to come back, as Slack does every few hours."""
        told = {"type": "disconnect", "reason": reason, "debug_info": {"host": "applink-fake"}}
        for connection in tuple(self.connections):
            await connection.send_json(told)

    async def close(self) -> None:
        for connection in tuple(self.connections):
            await connection.close()

    async def _greet(self, connection: web.WebSocketResponse) -> None:
        if len(self.connections) >= _MOST:
            await connection.send_json({"type": "disconnect", "reason": "too_many_websockets"})
            return
        self.connections.append(connection)
        self.opened += 1
        debug = {"host": "applink-fake", "approximate_connection_time": 18060}
        info = {"app_id": self.app.id}
        hello = {
            "type": "hello",
            "num_connections": len(self.connections),
            "debug_info": debug,
            "connection_info": info,
        }
        await connection.send_json(hello)
        self.bell.ring()

    def _heard(self, message: WSMessage) -> None:
        if message.type != WSMsgType.TEXT:
            return
        told: Json = json.loads(message.data)
        _, waiting = self._waiting.get(told.get("envelope_id", ""), (None, None))
        if waiting is not None and not waiting.done():
            waiting.set_result(Answer(told.get("payload")))

    def _left(self, connection: web.WebSocketResponse) -> None:
        if connection in self.connections:
            self.connections.remove(connection)
        for sent_over, waiting in self._waiting.values():
            if sent_over is connection and not waiting.done():
                waiting.set_result(Answer(reason="connection_failed", status=0))
        self.bell.ring()


def _envelope(parcel: Parcel, envelope_id: str) -> Json:
    envelope: dict[str, Any] = {"type": parcel.kind, "envelope_id": envelope_id, "payload": parcel.payload}
    if parcel.kind == "events_api":
        retry = {"retry_attempt": parcel.retry, "retry_reason": parcel.reason or ""}
        return {**envelope, "accepts_response_payload": False, **retry}
    return {**envelope, "accepts_response_payload": True}
