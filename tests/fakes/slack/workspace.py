"""State of the fake workspace: users, channels, messages, views and files."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.fakes.clock import Clock
from tests.fakes.slack.api_error import ApiError
from tests.fakes.slack.app import App
from tests.fakes.slack.bot_request import BotRequest
from tests.fakes.slack.condition import Condition
from tests.fakes.slack.delivery import DeliveryService
from tests.fakes.slack.message import Json, Message
from tests.fakes.slack.view import View

_TRIGGER_LIFETIME_SECONDS = 3


@dataclass
class Channel:
    """Channel. It is public unless it has `members`; `has_bot` means that the bot is a member."""

    id: str
    name: str = ""
    members: frozenset[str] = frozenset()
    has_bot: bool = True
    is_archived: bool = False

    @property
    def kind(self) -> str:
        """Channel type as in events."""
        return "im" if self.id.startswith("D") else "channel"

    def is_visible_to(self, person: str) -> bool:
        return not self.members or person in self.members


@dataclass
class Upload:
    """Announced file. It has `data` once it is uploaded; `is_shared` means that it is visible."""

    id: str
    name: str
    length: int
    title: str = ""
    data: bytes | None = None
    is_shared: bool = False

    def to_payload(self) -> Json:
        """Return the file as in a message."""
        kinds = {"mimetype": "text/plain", "filetype": "text", "pretty_type": "Plain Text", "mode": "snippet"}
        return {"id": self.id, "name": self.name, "title": self.title, "size": self.length, **kinds}


@dataclass
class Workspace:
    """Fake workspace. Changes are sent to the bot as events and notify the condition."""

    app: App
    clock: Clock
    condition: Condition
    delivery: DeliveryService
    url: str = ""
    channels: dict[str, Channel] = field(default_factory=dict)
    people: dict[str, Json] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    views: dict[str, View] = field(default_factory=dict)
    home_views: dict[str, View] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)
    statuses: dict[tuple[str, str], str] = field(default_factory=dict)
    """Status line of the bot by channel and thread."""
    sessions: dict[tuple[str, str], str] = field(default_factory=dict)
    prompts: dict[str, list[Json]] = field(default_factory=dict)
    """Suggested prompts by direct message channel."""
    _last_ts: int = 0
    _numbers: Counter[str] = field(default_factory=Counter)
    _triggers: dict[str, tuple[str, float]] = field(default_factory=dict)
    _used_triggers: set[str] = field(default_factory=set)

    def new_ts(self) -> str:
        """Return a ts that is later than all earlier ones and not before the clock's time."""
        self._last_ts = max(self._last_ts, int(self.clock.now().timestamp()) * 1_000_000) + 100
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def new_id(self, prefix: str) -> str:
        self._numbers[prefix] += 1
        return f"{prefix}{self._numbers[prefix]:08d}"

    def new_trigger(self, person: str) -> str:
        """Return a trigger id, with which one view can be opened for the person within three seconds."""
        trigger = self.new_id("13345224609.")
        self._triggers[trigger] = (person, self.clock.monotonic() + _TRIGGER_LIFETIME_SECONDS)
        return trigger

    def use_trigger(self, trigger: str | None) -> str:
        """Use a trigger id and return its person. Raises ApiError if it is invalid, used or expired."""
        if trigger in self._used_triggers:
            raise ApiError("exchanged_trigger_id")
        if trigger not in self._triggers:
            raise ApiError("invalid_trigger_id")
        person, expires_at = self._triggers[trigger]
        if self.clock.monotonic() > expires_at:
            raise ApiError("expired_trigger_id")
        self._used_triggers.add(trigger)
        return person

    def get_accessible_channel(self, channel: str | None) -> Channel:
        """Return a channel that the bot can read and write. Raises ApiError for any other."""
        if channel not in self.channels:
            raise ApiError("channel_not_found")
        if self.channels[channel].is_archived:
            raise ApiError("is_archived")
        if not self.channels[channel].has_bot:
            raise ApiError("not_in_channel")
        return self.channels[channel]

    def get_direct_channel(self, person: str) -> Channel:
        """Return the direct message channel of the bot and one person."""
        members = frozenset({person})
        return self.channels.setdefault(f"D{person[1:]}", Channel(f"D{person[1:]}", members=members))

    def find_message(self, channel: str, ts: str | None) -> Message | None:
        """Return a message that is neither deleted nor ephemeral."""
        for message in self.channel_messages(channel):
            if message.ts == ts:
                return message
        return None

    def channel_messages(self, channel: str) -> list[Message]:
        """Return the channel's messages in order, without deleted and ephemeral ones."""
        return [m for m in self.messages if m.channel == channel and not m.is_deleted and m.ephemeral_to is None]

    def thread_messages(self, channel: str, root_ts: str) -> list[Message]:
        return [message for message in self.channel_messages(channel) if message.root_ts == root_ts]

    def add_message(self, message: Message) -> Message:
        self.messages.append(message)
        self.condition.notify_all()
        return message

    def add_block_ids(self, blocks: Iterable[Json]) -> list[Json]:
        """Return the blocks with ids for those blocks and action elements that have none."""
        return [self._add_ids(block) for block in blocks]

    def send_event(self, event: Json) -> None:
        """Send the event to the bot with a new event id."""
        team, now = self.app.team, int(self.clock.now().timestamp())
        org = self.app.enterprise
        bot = {"enterprise_id": org, "team_id": None if org else team, "user_id": self.app.user, "is_bot": True}
        envelope = {
            "token": "verification-token", "team_id": team, "context_team_id": team, "context_enterprise_id": org,
            "api_app_id": self.app.id, "event": event, "type": "event_callback", "event_id": self.new_id("Ev"),
            "event_time": now, "authorizations": [{**bot, "is_enterprise_install": org is not None}],
            "is_ext_shared_channel": False, "event_context": self.new_id("4-"),
        }  # fmt: skip
        self.delivery.send(BotRequest("events_api", envelope))

    def _add_ids(self, block: Json) -> Json:
        with_ids = {"block_id": self.new_id("b"), **block}
        if "elements" in block and block["type"] == "actions":
            with_ids["elements"] = [{"action_id": self.new_id("a"), **element} for element in block["elements"]]
        return with_ids
