"""Everything Slack keeps: who is there, what was said, and where."""

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
    """Open to everybody, unless it has members; `joined` is whether our bot is in it."""

    id: str
    name: str = ""
    members: frozenset[str] = frozenset()
    has_bot: bool = True
    is_archived: bool = False

    @property
    def kind(self) -> str:
        """As events call it."""
        return "im" if self.id.startswith("D") else "channel"

    def is_visible_to(self, person: str) -> bool:
        return not self.members or person in self.members


@dataclass
class Upload:
    """A file that was announced; it has `data` once it was uploaded, and is shared once people see it."""

    id: str
    name: str
    length: int
    title: str = ""
    data: bytes | None = None
    is_shared: bool = False

    def shape(self) -> Json:
        """As it stands in a message."""
        kinds = {"mimetype": "text/plain", "filetype": "text", "pretty_type": "Plain Text", "mode": "snippet"}
        return {"id": self.id, "name": self.name, "title": self.title, "size": self.length, **kinds}


@dataclass
class Workspace:
    """What happens in it is announced to the bot, and rings the bell."""

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
    """What the bot is doing, for each channel and thread."""
    sessions: dict[tuple[str, str], str] = field(default_factory=dict)
    prompts: dict[str, list[Json]] = field(default_factory=dict)
    """What people are offered to say, for each direct message."""
    _last_ts: int = 0
    _numbers: Counter[str] = field(default_factory=Counter)
    _triggers: dict[str, tuple[str, float]] = field(default_factory=dict)
    _used_triggers: set[str] = field(default_factory=set)

    def new_ts(self) -> str:
        """Later than every one before, and as late as the clock says."""
        self._last_ts = max(self._last_ts, int(self.clock.now().timestamp()) * 1_000_000) + 100
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def new_id(self, prefix: str) -> str:
        self._numbers[prefix] += 1
        return f"{prefix}{self._numbers[prefix]:08d}"

    def new_trigger(self, person: str) -> str:
        """Something for which the person may be shown one view, within three seconds."""
        trigger = self.new_id("13345224609.")
        self._triggers[trigger] = (person, self.clock.monotonic() + _TRIGGER_LIFETIME_SECONDS)
        return trigger

    def use_trigger(self, trigger: str | None) -> str:
        """Whom to show a view. Raises Refused when none may be shown for it, or no longer."""
        if trigger in self._used_triggers:
            raise ApiError("exchanged_trigger_id")
        if trigger not in self._triggers:
            raise ApiError("invalid_trigger_id")
        person, until = self._triggers[trigger]
        if self.clock.monotonic() > until:
            raise ApiError("expired_trigger_id")
        self._used_triggers.add(trigger)
        return person

    def get_accessible_channel(self, channel: str | None) -> Channel:
        """One the bot may write to or read. Raises Refused."""
        if channel not in self.channels:
            raise ApiError("channel_not_found")
        if self.channels[channel].is_archived:
            raise ApiError("is_archived")
        if not self.channels[channel].has_bot:
            raise ApiError("not_in_channel")
        return self.channels[channel]

    def get_direct_channel(self, person: str) -> Channel:
        """The conversation of the bot with one person."""
        members = frozenset({person})
        return self.channels.setdefault(f"D{person[1:]}", Channel(f"D{person[1:]}", members=members))

    def find_message(self, channel: str, ts: str | None) -> Message | None:
        """A message that is still there; ephemeral ones cannot be found."""
        for message in self.channel_messages(channel):
            if message.ts == ts:
                return message
        return None

    def channel_messages(self, channel: str) -> list[Message]:
        """In the order in which they were said."""
        return [m for m in self.messages if m.channel == channel and not m.is_deleted and m.ephemeral_to is None]

    def thread_messages(self, channel: str, root_ts: str) -> list[Message]:
        return [message for message in self.channel_messages(channel) if message.root_ts == root_ts]

    def add_message(self, message: Message) -> Message:
        self.messages.append(message)
        self.condition.notify_all()
        return message

    def add_block_ids(self, blocks: Iterable[Json]) -> list[Json]:
        """Blocks as Slack keeps them: each has an id, and so has everything one can press."""
        return [self._add_ids(block) for block in blocks]

    def send_event(self, event: Json) -> None:
        """Send the event to the bot, under an id of its own."""
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
        named = {"block_id": self.new_id("b"), **block}
        if "elements" in block and block["type"] == "actions":
            named["elements"] = [{"action_id": self.new_id("a"), **element} for element in block["elements"]]
        return named
