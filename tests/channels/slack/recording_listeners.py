"""Bolt app with the listeners of the channel, which record the parsed events instead of handling them."""

from collections.abc import Coroutine, Mapping
from typing import Any, cast

from channels.base import Runtime
from channels.slack.app import create_app, dispatch
from channels.slack.app_home import OverviewQuery
from channels.slack.background_tasks import BackgroundTasks
from channels.slack.client import SlackClient
from channels.slack.ephemeral import EphemeralMessages
from channels.slack.identity import BotIdentityCache
from channels.slack.inbound_events import BotIdentity
from channels.slack.listeners.actions import ActionListener
from channels.slack.listeners.commands import CommandListener
from channels.slack.listeners.events import EventListeners, MessageListeners
from channels.slack.listeners.shortcuts import ShortcutListener
from channels.slack.listeners.views import ViewListener

_HANDLERS = (
    (MessageListeners, ("post_message", "edit_message")),
    (ActionListener, ("handle_click",)),
    (ViewListener, ("handle_submission",)),
    (CommandListener, ("run_command",)),
    (ShortcutListener, ("post_shortcut",)),
    (EventListeners, ("cancel_session", "open_home")),
)
"""Methods of the listeners that get a parsed event."""


def dispatch_recorded(payload: Mapping[str, Any], bot: BotIdentity) -> Any:
    """Return the event that a listener gets for a payload, None if none does. Raises what `dispatch` raises."""
    events: list[Any] = []

    async def record(event: Any, *_: Any) -> dict[str, Any]:
        events.append(event)
        return {}

    app = create_app(BotIdentityCache(SlackClient("xoxb-1"), bot), BackgroundTasks(), _create_listeners(record))
    _run_without_waiting(dispatch(app, payload, cast(Runtime, None)))
    return events[0] if events else None


def _create_listeners(record: Any) -> list[Any]:
    client, tasks = SlackClient("xoxb-1"), BackgroundTasks()
    ephemeral, overviews = EphemeralMessages(client), OverviewQuery(client)
    arguments = (
        (ephemeral, tasks),
        (ephemeral, tasks, b"key"),
        (ephemeral, tasks, b"key"),
        (overviews,),
        (ephemeral, tasks),
        (client, ephemeral, overviews, tasks),
    )
    return [
        type(listener.__name__, (listener,), dict.fromkeys(methods, staticmethod(record)))(*values)
        for (listener, methods), values in zip(_HANDLERS, arguments, strict=True)
    ]


def _run_without_waiting(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that never waits, also while an event loop is running."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    coroutine.close()
    raise AssertionError("the app waited for something")
