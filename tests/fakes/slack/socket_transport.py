"""Transport over Socket Mode: WebSocket connections that the bot opened."""

import asyncio
import json
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from aiohttp import WSMessage, WSMsgType, web

from tests.fakes.slack.app import App
from tests.fakes.slack.bot_request import BotRequest, BotResponse
from tests.fakes.slack.condition import Condition
from tests.fakes.slack.message import Json

_MAX_CONNECTIONS = 10


@dataclass
class SocketModeTransport:
    """Sends each request over one of the connections in turn; any connection may carry the acknowledgement."""

    app: App
    condition: Condition
    connections: list[web.WebSocketResponse] = field(default_factory=list)
    connections_opened: int = 0
    """Number of all connections ever opened."""
    _tickets: set[str] = field(default_factory=set)
    _numbers: "count[int]" = field(default_factory=lambda: count(1))
    _pending: dict[str, tuple[web.WebSocketResponse, asyncio.Future[BotResponse]]] = field(default_factory=dict)

    @property
    def is_ready(self) -> bool:
        return bool(self.connections)

    async def deliver(self, request: BotRequest) -> BotResponse:
        """Send the envelope and wait for its acknowledgement or for the end of the connection."""
        number = next(self._numbers)
        envelope = _build_envelope(request, envelope_id := f"envelope-{number:06d}")
        connection = self.connections[number % len(self.connections)]
        waiting: asyncio.Future[BotResponse] = asyncio.get_running_loop().create_future()
        self._pending[envelope_id] = (connection, waiting)
        try:
            await connection.send_json(envelope)
            return await waiting
        except ConnectionError:
            return BotResponse(failure_reason="connection_failed", status=0)
        finally:
            del self._pending[envelope_id]

    def new_ticket(self) -> str:
        """Return a ticket for one connection."""
        ticket = f"ticket-{next(self._numbers)}"
        self._tickets.add(ticket)
        return ticket

    async def handle_connection(self, request: web.Request) -> web.StreamResponse:
        """Handle a connection until it is closed."""
        if request.query.get("ticket") not in self._tickets:
            return web.Response(status=404)
        self._tickets.remove(request.query["ticket"])
        connection = web.WebSocketResponse()
        await connection.prepare(request)
        await self._send_hello(connection)
        try:
            async for message in connection:
                self._on_message(message)
        finally:
            self._on_close(connection)
        return connection

    async def disconnect_all(self, reason: str = "refresh_requested") -> None:
        """Ask the bot to renew every connection, as Slack does every few hours."""
        message = {"type": "disconnect", "reason": reason, "debug_info": {"host": "applink-fake"}}
        for connection in tuple(self.connections):
            await connection.send_json(message)

    async def close(self) -> None:
        for connection in tuple(self.connections):
            await connection.close()

    async def _send_hello(self, connection: web.WebSocketResponse) -> None:
        if len(self.connections) >= _MAX_CONNECTIONS:
            await connection.send_json({"type": "disconnect", "reason": "too_many_websockets"})
            return
        self.connections.append(connection)
        self.connections_opened += 1
        debug = {"host": "applink-fake", "approximate_connection_time": 18060}
        info = {"app_id": self.app.id}
        hello = {
            "type": "hello",
            "num_connections": len(self.connections),
            "debug_info": debug,
            "connection_info": info,
        }
        await connection.send_json(hello)
        self.condition.notify_all()

    def _on_message(self, message: WSMessage) -> None:
        if message.type != WSMsgType.TEXT:
            return
        acknowledgement: Json = json.loads(message.data)
        _, waiting = self._pending.get(acknowledgement.get("envelope_id", ""), (None, None))
        if waiting is not None and not waiting.done():
            waiting.set_result(BotResponse(acknowledgement.get("payload")))

    def _on_close(self, connection: web.WebSocketResponse) -> None:
        if connection in self.connections:
            self.connections.remove(connection)
        for sent_over, waiting in self._pending.values():
            if sent_over is connection and not waiting.done():
                waiting.set_result(BotResponse(failure_reason="connection_failed", status=0))
        self.condition.notify_all()


def _build_envelope(request: BotRequest, envelope_id: str) -> Json:
    envelope: dict[str, Any] = {"type": request.kind, "envelope_id": envelope_id, "payload": request.payload}
    if request.kind == "events_api":
        retry = {"retry_attempt": request.retry_number, "retry_reason": request.retry_reason or ""}
        return {**envelope, "accepts_response_payload": False, **retry}
    return {**envelope, "accepts_response_payload": True}
