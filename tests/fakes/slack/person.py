"""Somebody in a story: what they do, and what they wait to see."""

from collections.abc import Callable
from typing import Any

from tests.fakes.slack import events, view_methods
from tests.fakes.slack.actor import Actor
from tests.fakes.slack.app import App
from tests.fakes.slack.bot_request import BotResponse
from tests.fakes.slack.card import Card
from tests.fakes.slack.message import Json, Message
from tests.fakes.slack.modal import Modal
from tests.fakes.slack.rich_text import encode_text, rich_text_blocks
from tests.fakes.slack.view import View
from tests.fakes.slack.workspace import Channel


class Person(Actor):
    """What they say reaches the bot by itself; nobody waits for it."""

    async def mention_bot(self, text: str, *, channel: str, thread: Message | None = None) -> Message:
        """Call the bot: Slack tells this twice."""
        return await self.post_message(f"<@{self.workspace.app.user}> {text}", channel=channel, thread=thread)

    async def post_message(
        self, text: str, *, channel: str, thread: Message | None = None, **extra_fields: Any
    ) -> Message:
        """Say something that is not meant for the bot, or not only; `more` are fields like `subtype` and `files`."""
        self.workspace.channels.setdefault(channel, Channel(channel, name=channel.lower()))
        return self._post(channel, text, thread, extra_fields)

    async def reply(self, thread: Message, text: str) -> Message:
        """Answer in a thread."""
        return self._post(thread.channel, text, thread, {})

    async def send_direct_message(self, text: str, *, thread: Message | None = None) -> Message:
        """Say something to the bot alone, in a direct message."""
        return self._post(self.workspace.get_direct_channel(self.id).id, text, thread, {})

    async def forward(
        self, message: Message, text: str = "", *, channel: str, thread: Message | None = None
    ) -> Message:
        """Slack's own "Forward message": the words travel in an attachment; `text` is what they add."""
        self.workspace.channels.setdefault(channel, Channel(channel, name=channel.lower()))
        return self._post(
            channel, text, thread, {"attachments": [events.forwarded_attachment(self.workspace, message)]}
        )

    async def forward_to_bot(self, message: Message, text: str = "") -> Message:
        """The same in a direct message."""
        return await self.forward(message, text, channel=self.workspace.get_direct_channel(self.id).id)

    async def edit_message(self, message: Message, text: str) -> None:
        before = message.to_payload()
        message.text = encode_text(text)
        message.blocks = self.workspace.add_block_ids(rich_text_blocks(text))
        message.extra_fields = {**message.extra_fields, "edited": {"user": self.id, "ts": self.workspace.new_ts()}}
        events.announce_change(self.workspace, message, before)

    async def delete_message(self, message: Message) -> None:
        """What has replies leaves a stone, which Slack tells as a change."""
        thread = self.workspace.thread_messages(message.channel, message.ts)
        if thread and thread != [message]:
            before = message.to_payload()
            message.user, message.text, message.blocks = "USLACKBOT", "This message was deleted.", []
            message.extra_fields, message.thread_ts = {"subtype": "tombstone", "hidden": True}, message.ts
            events.announce_change(self.workspace, message, before)
            return
        message.is_deleted = True
        events.announce_deletion(self.workspace, message)

    async def run_slash_command(self, line: str, *, channel: str) -> Any:
        """A slash command, like `/handrail status`; what the bot answers at once. Raises NotTaken."""
        command, _, text = line.partition(" ")
        app, where = self.workspace.app, self.workspace.channels.setdefault(channel, Channel(channel))
        form = {
            "token": "verification-token", "team_id": app.team, "team_domain": "fake", "channel_id": where.id,
            "channel_name": where.name, "user_id": self.id, "user_name": self.name, "command": command, "text": text,
            "api_app_id": app.id, **_enterprise_fields(app), "response_url": self.response_urls.new(self.id, where.id),
            "trigger_id": self.workspace.new_trigger(self.id),
        }  # fmt: skip
        return (await self.send_interaction("slash_commands", form)).body

    async def use_shortcut(self, callback_id: str, *, on: Message) -> BotResponse:
        """From the menu of a message, of whomever and wherever; the bot's answer. Raises NotTaken."""
        workspace, channel = self.workspace, self.workspace.channels[on.channel]
        where = {"channel": {"id": channel.id, "name": channel.name}, "message_ts": on.ts, "message": on.to_payload()}
        payload = {**self.interaction_payload("message_action"), **where, "callback_id": callback_id}
        payload |= {"action_ts": workspace.new_ts(), "response_url": self.response_urls.new(self.id, channel.id)}
        return await self.send_interaction("interactive", payload)

    async def press_stop(self, thread: Message) -> None:
        """The button Slack shows while the bot streams, or its session is processing; Slack ends the streams."""
        workspace, place = self.workspace, (thread.channel, thread.root_ts)
        streams = [message for message in workspace.thread_messages(*place) if message.is_streaming]
        assert streams or workspace.sessions.get(place) == "processing", "there is no stop button"
        for message in streams:
            if message.stream is not None:
                message.stream.state = "stopped"
        told = {"channel": thread.channel, "thread_ts": thread.root_ts, "streaming_message_ts": [m.ts for m in streams]}
        event = {"type": "agent_session_stopped", "user": self.id, **told, "event_ts": workspace.new_ts()}
        workspace.send_event(event)

    async def open_home_tab(self) -> None:
        """Look at the bot's home tab."""
        home = self.workspace.home_views.get(self.id)
        self._send_tab_opened("home", {"view": view_methods.view_payload(self.workspace, home)} if home else {})

    async def open_messages_tab(self) -> None:
        """Look at the conversation with the bot."""
        self._send_tab_opened("messages", {})

    async def wait_for_prompts(self, title: str = "") -> list[Json]:
        """What they are offered to say there, once one of them has this title."""

        def look() -> list[Json] | None:
            offered = self.workspace.prompts.get(self.workspace.get_direct_channel(self.id).id, [])
            return offered if any(title in prompt["title"] for prompt in offered) else None

        return await self.workspace.condition.wait_until(look, f"{self.name} was never offered to say {title}".strip)

    async def wait_for_stream(self, thread: Message, text: str = "") -> Card:
        """What the bot writes there bit by bit, for them or in a direct message, once it contains the text."""

        def wanted(message: Message) -> bool:
            return (
                message.stream is not None
                and message.stream.recipient in (None, self.id)
                and _is_in_thread(message, thread)
            )

        return await self._wait_for_message(wanted, f"a stream {text}", text)

    async def wait_for_card(self, thread: Message | None = None, text: str = "", *, approval: str = "") -> Card:
        """A card with buttons that contains both, in the thread or wherever they may look; new ones come first."""

        def wanted(message: Message) -> bool:
            return bool(message.controls) and message.ephemeral_to is None and self._may_read(message, thread)

        return await self._wait_for_message(wanted, f"a card {text} {approval}", text, approval, may_be_seen=True)

    async def wait_for_reply(self, thread: Message | None = None, text: str = "") -> Card:
        """The first thing the bot has said to the end, that nobody has looked at and that contains the text."""

        def wanted(message: Message) -> bool:
            return not message.is_streaming and message.ephemeral_to is None and self._may_read(message, thread)

        return await self._wait_for_message(wanted, f"words {text}", text)

    async def wait_for_ephemeral(self, text: str = "") -> Card:
        """What only they can see."""
        return await self._wait_for_message(
            lambda message: message.ephemeral_to == self.id, f"a private note {text}", text
        )

    async def wait_for_modal(self, title: str = "") -> Modal:
        """The modal that stands before them."""

        def look() -> View | None:
            views = [view for view in self.workspace.views.values() if view.user == self.id and view.is_open]
            return next((view for view in views if title in view.title), None)

        view = await self.workspace.condition.wait_until(look, lambda: f"{self.name} never saw a modal {title}")
        view.is_seen = True
        return Modal(view, self)

    async def wait_for_home_tab(self, text: str = "") -> Json:
        """Their home tab, once it contains the text."""

        def look() -> View | None:
            home = self.workspace.home_views.get(self.id)
            return home if home is not None and text in str(home.content) else None

        return (
            await self.workspace.condition.wait_until(look, lambda: f"{self.name} never saw a home tab {text}")
        ).content

    def _send_tab_opened(self, tab: str, extra_fields: Json) -> None:
        ts, place = self.workspace.new_ts(), {"channel": self.workspace.get_direct_channel(self.id).id, "tab": tab}
        self.workspace.send_event({"type": "app_home_opened", "user": self.id, **place, **extra_fields, "event_ts": ts})

    def _post(self, channel: str, text: str, thread: Message | None, extra_fields: Json) -> Message:
        workspace = self.workspace
        thread_ts = thread.root_ts if thread is not None else None
        blocks = rich_text_blocks(text) if text else []
        message = Message(channel, workspace.new_ts(), encode_text(text), self.id, thread_ts, blocks=blocks)
        message.blocks = workspace.add_block_ids(message.blocks)
        message.extra_fields = {"client_msg_id": workspace.new_id("c"), **self._team_fields(), **extra_fields}
        workspace.add_message(message)
        events.announce_message(workspace, message)
        return message

    def _team_fields(self) -> Json:
        """Told at length only of somebody from elsewhere."""
        foreign = self.team != self.workspace.app.team
        return dict.fromkeys(("team", "user_team", "source_team") if foreign else ("team",), self.team)

    def _may_read(self, message: Message, thread: Message | None) -> bool:
        if thread is not None:
            return _is_in_thread(message, thread)
        return self.workspace.channels[message.channel].is_visible_to(self.id)

    async def _wait_for_message(
        self, predicate: Callable[[Message], bool], description: str, *texts: str, may_be_seen: bool = False
    ) -> Card:
        messages = self.workspace.messages

        def fits(message: Message) -> bool:
            return (
                message.is_from_bot
                and not message.is_deleted
                and predicate(message)
                and all(t in message.visible_text for t in texts)
            )

        def look() -> Message | None:
            new = [message for message in messages if not message.is_seen and fits(message)]
            old = [message for message in messages if may_be_seen and message.is_seen and fits(message)]
            return next(iter([*new, *old]), None)

        def missed() -> str:
            unseen = [message.visible_text for message in messages if message.is_from_bot and not message.is_seen]
            return f"{self.name} never saw {description.strip()}; unseen are {unseen}"

        return Card.from_message(self.workspace, await self.workspace.condition.wait_until(look, missed))


def _enterprise_fields(app: App) -> Json:
    if app.enterprise is None:
        return {"is_enterprise_install": "false"}
    return {"is_enterprise_install": "true", "enterprise_id": app.enterprise, "enterprise_name": "Fake Org"}


def _is_in_thread(message: Message, thread: Message) -> bool:
    return (message.channel, message.root_ts) == (thread.channel, thread.root_ts)
