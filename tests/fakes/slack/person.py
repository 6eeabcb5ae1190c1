"""Somebody in a story: what they do, and what they wait to see."""

from collections.abc import Callable
from typing import Any

from tests.fakes.slack import happenings, opening
from tests.fakes.slack.app import App
from tests.fakes.slack.card import Card
from tests.fakes.slack.message import Json, Message
from tests.fakes.slack.modal import Modal
from tests.fakes.slack.parcel import Answer
from tests.fakes.slack.somebody import Somebody
from tests.fakes.slack.spelling import rich_text, spelled
from tests.fakes.slack.view import View
from tests.fakes.slack.workspace import Channel


class Person(Somebody):
    """What they say reaches the bot by itself; nobody waits for it."""

    async def mentions(self, text: str, *, channel: str, thread: Message | None = None) -> Message:
        """Call the bot: Slack tells this twice."""
        return await self.says(f"<@{self.workspace.app.user}> {text}", channel=channel, thread=thread)

    async def says(self, text: str, *, channel: str, thread: Message | None = None, **more: Any) -> Message:
        """Say something that is not meant for the bot, or not only; `more` are fields like `subtype` and `files`."""
        self.workspace.channels.setdefault(channel, Channel(channel, name=channel.lower()))
        return self._say(channel, text, thread, more)

    async def replies(self, thread: Message, text: str) -> Message:
        """Answer in a thread."""
        return self._say(thread.channel, text, thread, {})

    async def writes(self, text: str, *, thread: Message | None = None) -> Message:
        """Say something to the bot alone, in a direct message."""
        return self._say(self.workspace.direct(self.id).id, text, thread, {})

    async def forwards(
        self, message: Message, text: str = "", *, channel: str, thread: Message | None = None
    ) -> Message:
        """Slack's own "Forward message": the words travel in an attachment; `text` is what they add."""
        self.workspace.channels.setdefault(channel, Channel(channel, name=channel.lower()))
        return self._say(channel, text, thread, {"attachments": [happenings.forwarded(self.workspace, message)]})

    async def forwards_to_the_bot(self, message: Message, text: str = "") -> Message:
        """The same in a direct message."""
        return await self.forwards(message, text, channel=self.workspace.direct(self.id).id)

    async def edits(self, message: Message, text: str) -> None:
        before = message.shape()
        message.text = spelled(text)
        message.blocks = self.workspace.with_ids(rich_text(text))
        message.more = {**message.more, "edited": {"user": self.id, "ts": self.workspace.new_ts()}}
        happenings.changed(self.workspace, message, before)

    async def deletes(self, message: Message) -> None:
        """What has replies leaves a stone, which Slack tells as a change."""
        thread = self.workspace.in_thread(message.channel, message.ts)
        if thread and thread != [message]:
            before = message.shape()
            message.user, message.text, message.blocks = "USLACKBOT", "This message was deleted.", []
            message.more, message.thread_ts = {"subtype": "tombstone", "hidden": True}, message.ts
            happenings.changed(self.workspace, message, before)
            return
        message.gone = True
        happenings.deleted(self.workspace, message)

    async def commands(self, line: str, *, channel: str) -> Any:
        """A slash command, like `/handrail status`; what the bot answers at once. Raises NotTaken."""
        command, _, text = line.partition(" ")
        app, where = self.workspace.app, self.workspace.channels.setdefault(channel, Channel(channel))
        form = {
            "token": "verification-token", "team_id": app.team, "team_domain": "fake", "channel_id": where.id,
            "channel_name": where.name, "user_id": self.id, "user_name": self.name, "command": command, "text": text,
            "api_app_id": app.id, **_organisation(app), "response_url": self.urls.new(self.id, where.id),
            "trigger_id": self.workspace.new_trigger(self.id),
        }  # fmt: skip
        return (await self.interacts("slash_commands", form)).body

    async def uses_shortcut(self, callback_id: str, *, on: Message) -> Answer:
        """From the menu of a message, of whomever and wherever; the bot's answer. Raises NotTaken."""
        workspace, channel = self.workspace, self.workspace.channels[on.channel]
        where = {"channel": {"id": channel.id, "name": channel.name}, "message_ts": on.ts, "message": on.shape()}
        payload = {**self.interaction("message_action"), **where, "callback_id": callback_id}
        payload |= {"action_ts": workspace.new_ts(), "response_url": self.urls.new(self.id, channel.id)}
        return await self.interacts("interactive", payload)

    async def presses_stop(self, thread: Message) -> None:
        """The button Slack shows while the bot streams, or its session is processing; Slack ends the streams."""
        workspace, place = self.workspace, (thread.channel, thread.root)
        streams = [message for message in workspace.in_thread(*place) if message.streaming]
        assert streams or workspace.sessions.get(place) == "processing", "there is no stop button"
        for message in streams:
            if message.stream is not None:
                message.stream.state = "stopped"
        told = {"channel": thread.channel, "thread_ts": thread.root, "streaming_message_ts": [m.ts for m in streams]}
        event = {"type": "agent_session_stopped", "user": self.id, **told, "event_ts": workspace.new_ts()}
        workspace.announce(event)

    async def opens_home(self) -> None:
        """Look at the bot's home tab."""
        home = self.workspace.homes.get(self.id)
        self._opens("home", {"view": opening.shape(self.workspace, home)} if home else {})

    async def opens_messages(self) -> None:
        """Look at the conversation with the bot."""
        self._opens("messages", {})

    async def prompts(self, title: str = "") -> list[Json]:
        """What they are offered to say there, once one of them has this title."""

        def look() -> list[Json] | None:
            offered = self.workspace.prompts.get(self.workspace.direct(self.id).id, [])
            return offered if any(title in prompt["title"] for prompt in offered) else None

        return await self.workspace.bell.until(look, f"{self.name} was never offered to say {title}".strip)

    async def reads_along(self, thread: Message, text: str = "") -> Card:
        """What the bot writes there bit by bit, for them or in a direct message, once it contains the text."""

        def wanted(message: Message) -> bool:
            return message.stream is not None and message.stream.reader in (None, self.id) and _is_in(message, thread)

        return await self._finds(wanted, f"a stream {text}", text)

    async def sees(self, thread: Message | None = None, text: str = "", *, approval: str = "") -> Card:
        """A card with buttons that contains both, in the thread or wherever they may look; new ones come first."""

        def wanted(message: Message) -> bool:
            return bool(message.controls) and message.ephemeral_to is None and self._may_read(message, thread)

        return await self._finds(wanted, f"a card {text} {approval}", text, approval, again=True)

    async def hears(self, thread: Message | None = None, text: str = "") -> Card:
        """The first thing the bot has said to the end, that nobody has looked at and that contains the text."""

        def wanted(message: Message) -> bool:
            return not message.streaming and message.ephemeral_to is None and self._may_read(message, thread)

        return await self._finds(wanted, f"words {text}", text)

    async def told(self, text: str = "") -> Card:
        """What only they can see."""
        return await self._finds(lambda message: message.ephemeral_to == self.id, f"a private note {text}", text)

    async def modal(self, title: str = "") -> Modal:
        """The modal that stands before them."""

        def look() -> View | None:
            views = [view for view in self.workspace.views.values() if view.user == self.id and view.open]
            return next((view for view in views if title in view.title), None)

        view = await self.workspace.bell.until(look, lambda: f"{self.name} never saw a modal {title}")
        view.seen = True
        return Modal(view, self)

    async def home(self, text: str = "") -> Json:
        """Their home tab, once it contains the text."""

        def look() -> View | None:
            home = self.workspace.homes.get(self.id)
            return home if home is not None and text in str(home.content) else None

        return (await self.workspace.bell.until(look, lambda: f"{self.name} never saw a home tab {text}")).content

    def _opens(self, tab: str, more: Json) -> None:
        ts, place = self.workspace.new_ts(), {"channel": self.workspace.direct(self.id).id, "tab": tab}
        self.workspace.announce({"type": "app_home_opened", "user": self.id, **place, **more, "event_ts": ts})

    def _say(self, channel: str, text: str, thread: Message | None, more: Json) -> Message:
        workspace = self.workspace
        thread_ts = thread.root if thread is not None else None
        blocks = rich_text(text) if text else []
        message = Message(channel, workspace.new_ts(), spelled(text), self.id, thread_ts, blocks=blocks)
        message.blocks = workspace.with_ids(message.blocks)
        message.more = {"client_msg_id": workspace.new_id("c"), **self._home(), **more}
        workspace.keep(message)
        happenings.said(workspace, message)
        return message

    def _home(self) -> Json:
        """Told at length only of somebody from elsewhere."""
        foreign = self.team != self.workspace.app.team
        return dict.fromkeys(("team", "user_team", "source_team") if foreign else ("team",), self.team)

    def _may_read(self, message: Message, thread: Message | None) -> bool:
        if thread is not None:
            return _is_in(message, thread)
        return self.workspace.channels[message.channel].has(self.id)

    async def _finds(self, wanted: Callable[[Message], bool], what: str, *texts: str, again: bool = False) -> Card:
        messages = self.workspace.messages

        def fits(message: Message) -> bool:
            return message.ours and not message.gone and wanted(message) and all(t in message.words for t in texts)

        def look() -> Message | None:
            new = [message for message in messages if not message.seen and fits(message)]
            old = [message for message in messages if again and message.seen and fits(message)]
            return next(iter([*new, *old]), None)

        def missed() -> str:
            unseen = [message.words for message in messages if message.ours and not message.seen]
            return f"{self.name} never saw {what.strip()}; unseen are {unseen}"

        return Card.of(self.workspace, await self.workspace.bell.until(look, missed))


def _organisation(app: App) -> Json:
    if app.enterprise is None:
        return {"is_enterprise_install": "false"}
    return {"is_enterprise_install": "true", "enterprise_id": app.enterprise, "enterprise_name": "Fake Org"}


def _is_in(message: Message, thread: Message) -> bool:
    return (message.channel, message.root) == (thread.channel, thread.root)
