"""Background service of the Slack channel: the Socket Mode connection and the tasks of listeners."""

from dataclasses import dataclass

from channels.base import Runtime
from channels.slack.background_tasks import BackgroundTasks
from channels.slack.identity import BotIdentityCache
from channels.slack.socket_mode_runner import SocketModeRunner

SHUTDOWN_GRACE_SECONDS = 1.0
"""Time for background tasks to finish, after the connection was closed."""


@dataclass(frozen=True)
class SlackService:
    """Runs Socket Mode if it is configured. Background tasks end after the connection that starts them."""

    background_tasks: BackgroundTasks
    bot_identity: BotIdentityCache
    socket_mode: SocketModeRunner | None

    async def start(self, runtime: Runtime) -> None:
        self.bot_identity.fetch_in_background(self.background_tasks, runtime)
        if self.socket_mode is not None:
            self.socket_mode.start(runtime)

    async def stop(self) -> None:
        if self.socket_mode is not None:
            await self.socket_mode.stop()
        await self.background_tasks.stop(SHUTDOWN_GRACE_SECONDS)
