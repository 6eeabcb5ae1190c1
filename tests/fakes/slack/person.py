"""Person in the fake workspace: their actions, and waits for what they can see."""

from collections.abc import Callable
from typing import Any

from tests.fakes.slack import events, view_methods
from tests.fakes.slack.actor import Actor
from tests.fakes.slack.app import App
from tests.fakes.slack.bot_request import BotResponse
from tests.fakes.slack.card import ShownMessage
from tests.fakes.slack.message import Json, Message
from tests.fakes.slack.modal import Modal
from tests.fakes.slack.rich_text import encode_text, rich_text_blocks
from tests.fakes.slack.view import View
from tests.fakes.slack.workspace import Channel


class Person(Actor):
    """Person whose messages are delivered to the bot in the background."""

    async def mention_bot(self, text: str, *, channel: str, thread: Message | None = None) -> Message:
        """Mention the bot; Slack sends two events for it."""
        return await self.post_message(f"<@{self.workspace.app.user}> {text}", channel=channel, thread=thread)

    async def post_message(
        self, text: str, *, channel: str, thread: Message | None = None, **extra_fields: Any
    ) -> Message:
        """Post a message without adding a mention; `extra_fields` are fields such as `subtype` and `files`."""
        self.workspace.channels.setdefault(channel, Channel(channel, name=channel.lower()))
        return self._post(channel, text, thread, extra_fields)

    async def reply(self, thread: Message, text: str) -> Message:
        """Reply in a thread."""
        return self._post(thread.channel, text, thread, {})

    async def send_direct_message(self, text: str, *, thread: Message | None = None) -> Message:
        """Send a direct message to the bot."""
        return self._post(self.workspace.get_direct_channel(self.id).id, text, thread, {})

    async def forward(
        self, message: Message, text: str = "", *, channel: str, thread: Message | None = None
    ) -> Message:
        """Forward a message: it becomes an attachment; `text` is the person's own text."""
        self.workspace.channels.setdefault(channel, Channel(channel, name=channel.lower()))
        return self._post(
            channel, text, thread, {"attachments": [events.forwarded_attachment(self.workspace, message)]}
        )

    async def forward_to_bot(self, message: Message, text: str = "") -> Message:
        """Forward a message to the bot in a direct message."""
        return await self.forward(message, text, channel=self.workspace.get_direct_channel(self.id).id)

    async def edit_message(self, message: Message, text: str) -> None:
        before = message.to_payload()
        message.text = encode_text(text)
        message.blocks = self.workspace.add_block_ids(rich_text_blocks(text))
        message.extra_fields = {**message.extra_fields, "edited": {"user": self.id, "ts": self.workspace.new_ts()}}
        events.announce_change(self.workspace, message, before)

    async def delete_message(self, message: Message) -> None:
        """Delete a message. One with replies becomes a tombstone, which Slack reports as `message_changed`."""
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
        """Run a slash command such as `/handrail status`; return the body of the response. Raises InteractionFailed."""
        command, _, text = line.partition(" ")
        app, target = self.workspace.app, self.workspace.channels.setdefault(channel, Channel(channel))
        form = {
            "token": "verification-token", "team_id": app.team, "team_domain": "fake", "channel_id": target.id,
            "channel_name": target.name, "user_id": self.id, "user_name": self.name, "command": command, "text": text,
            "api_app_id": app.id, **_enterprise_fields(app), "response_url": self.response_urls.new(self.id, target.id),
            "trigger_id": self.workspace.new_trigger(self.id),
        }  # fmt: skip
        return (await self.send_interaction("slash_commands", form)).body

    async def use_shortcut(self, callback_id: str, *, on: Message) -> BotResponse:
        """Use a message shortcut on any message; return the bot's response. Raises InteractionFailed."""
        workspace, channel = self.workspace, self.workspace.channels[on.channel]
        location = {
            "channel": {"id": channel.id, "name": channel.name},
            "message_ts": on.ts,
            "message": on.to_payload(),
        }
        payload = {**self.interaction_payload("message_action"), **location, "callback_id": callback_id}
        payload |= {"action_ts": workspace.new_ts(), "response_url": self.response_urls.new(self.id, channel.id)}
        return await self.send_interaction("interactive", payload)

    async def press_stop(self, thread: Message) -> None:
        """Press Slack's stop button, which is shown while the bot streams or its session is processing."""
        workspace, thread_key = self.workspace, (thread.channel, thread.root_ts)
        streams = [message for message in workspace.thread_messages(*thread_key) if message.is_streaming]
        assert streams or workspace.sessions.get(thread_key) == "processing", "there is no stop button"
        for message in streams:
            if message.stream is not None:
                message.stream.state = "stopped"
        fields = {
            "channel": thread.channel,
            "thread_ts": thread.root_ts,
            "streaming_message_ts": [m.ts for m in streams],
        }
        event = {"type": "agent_session_stopped", "user": self.id, **fields, "event_ts": workspace.new_ts()}
        workspace.send_event(event)

    async def open_home_tab(self) -> None:
        """Open the bot's Home tab."""
        home = self.workspace.home_views.get(self.id)
        self._send_tab_opened("home", {"view": view_methods.view_payload(self.workspace, home)} if home else {})

    async def open_messages_tab(self) -> None:
        """Open the bot's Messages tab."""
        self._send_tab_opened("messages", {})

    async def wait_for_prompts(self, title: str = "") -> list[Json]:
        """Wait for suggested prompts of which one contains this title; return all of them."""

        def find() -> list[Json] | None:
            prompts = self.workspace.prompts.get(self.workspace.get_direct_channel(self.id).id, [])
            return prompts if any(title in prompt["title"] for prompt in prompts) else None

        failure = f"{self.name} was never offered the prompt {title}"
        return await self.workspace.condition.wait_until(find, failure.strip)

    async def wait_for_stream(self, thread: Message, text: str = "") -> ShownMessage:
        """Wait for a streamed message in the thread that contains the text and is shown to this person."""

        def is_match(message: Message) -> bool:
            return (
                message.stream is not None
                and message.stream.recipient in (None, self.id)
                and _is_in_thread(message, thread)
            )

        return await self._wait_for_message(is_match, f"a stream {text}", text)

    async def wait_for_card(self, thread: Message | None = None, text: str = "", *, approval: str = "") -> ShownMessage:
        """Wait for a card with controls that contains both texts, in the thread or in any channel they can read.

        Unseen cards have precedence over seen ones.
        """

        def is_match(message: Message) -> bool:
            return bool(message.controls) and message.ephemeral_to is None and self._may_read(message, thread)

        return await self._wait_for_message(is_match, f"a card {text} {approval}", text, approval, may_be_seen=True)

    async def wait_for_reply(self, thread: Message | None = None, text: str = "") -> ShownMessage:
        """Wait for the first unseen complete message of the bot that contains the text."""

        def is_match(message: Message) -> bool:
            return not message.is_streaming and message.ephemeral_to is None and self._may_read(message, thread)

        return await self._wait_for_message(is_match, f"a reply {text}", text)

    async def wait_for_ephemeral(self, text: str = "") -> ShownMessage:
        """Wait for an ephemeral message to this person."""
        return await self._wait_for_message(
            lambda message: message.ephemeral_to == self.id, f"an ephemeral message {text}", text
        )

    async def wait_for_modal(self, title: str = "") -> Modal:
        """Wait for an open modal of this person."""

        def find() -> View | None:
            views = [view for view in self.workspace.views.values() if view.user == self.id and view.is_open]
            return next((view for view in views if title in view.title), None)

        view = await self.workspace.condition.wait_until(find, lambda: f"{self.name} never saw a modal {title}")
        view.is_seen = True
        return Modal(view, self)

    async def wait_for_home_tab(self, text: str = "") -> Json:
        """Wait until their Home tab contains the text; return its view."""

        def find() -> View | None:
            home = self.workspace.home_views.get(self.id)
            return home if home is not None and text in str(home.content) else None

        return (
            await self.workspace.condition.wait_until(find, lambda: f"{self.name} never saw a home tab {text}")
        ).content

    def _send_tab_opened(self, tab: str, extra_fields: Json) -> None:
        ts, location = self.workspace.new_ts(), {"channel": self.workspace.get_direct_channel(self.id).id, "tab": tab}
        self.workspace.send_event(
            {"type": "app_home_opened", "user": self.id, **location, **extra_fields, "event_ts": ts}
        )

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
        """Return the team fields of a message; Slack sends all three only for external users."""
        is_external = self.team != self.workspace.app.team
        return dict.fromkeys(("team", "user_team", "source_team") if is_external else ("team",), self.team)

    def _may_read(self, message: Message, thread: Message | None) -> bool:
        if thread is not None:
            return _is_in_thread(message, thread)
        return self.workspace.channels[message.channel].is_visible_to(self.id)

    async def _wait_for_message(
        self, predicate: Callable[[Message], bool], description: str, *texts: str, may_be_seen: bool = False
    ) -> ShownMessage:
        messages = self.workspace.messages

        def is_match_of_bot(message: Message) -> bool:
            return (
                message.is_from_bot
                and not message.is_deleted
                and predicate(message)
                and all(t in message.visible_text for t in texts)
            )

        def find() -> Message | None:
            new = [message for message in messages if not message.is_seen and is_match_of_bot(message)]
            old = [message for message in messages if may_be_seen and message.is_seen and is_match_of_bot(message)]
            return next(iter([*new, *old]), None)

        def describe_failure() -> str:
            unseen = [message.visible_text for message in messages if message.is_from_bot and not message.is_seen]
            return f"{self.name} never saw {description.strip()}; unseen are {unseen}"

        message = await self.workspace.condition.wait_until(find, describe_failure)
        return ShownMessage.from_message(self.workspace, message)


def _enterprise_fields(app: App) -> Json:
    if app.enterprise is None:
        return {"is_enterprise_install": "false"}
    return {"is_enterprise_install": "true", "enterprise_id": app.enterprise, "enterprise_name": "Fake Org"}


def _is_in_thread(message: Message, thread: Message) -> bool:
    return (message.channel, message.root_ts) == (thread.channel, thread.root_ts)
