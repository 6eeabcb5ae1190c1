"""Rename JSON fields of stored events, requests and outbox messages, and reset all thread states.

A reset state is folded again from the log when its thread is next loaded.
Only keys of requests, cards and receipts at their own paths change: never texts, tool arguments or tool results.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_PAGE_SIZE = 500

_Json = dict[str, Any]
_Renames = Mapping[str, str]

_NEW_NAMES = {
    "request": {"held": "is_kept_open", "lost_cards": "undeliverable_cards"},
    "receipt": {"begun": "started"},
    "conversation": {"place": "conversation_key"},
    "card": {"is_cut": "is_truncated", "editable": "is_editable"},
    "effect": {"replacing": "replaces"},
}
_OLD_NAMES = {kind: {new: old for old, new in names.items()} for kind, names in _NEW_NAMES.items()}

_RESET_STATES = {
    "sqlite": "UPDATE thread SET state = json_object('thread_id', id)",
    "postgresql": "UPDATE thread SET state = CAST(json_build_object('thread_id', id) AS text)",
}


def upgrade() -> None:
    """Rename the fields. A thread state with the old names does not load, so an almost empty one replaces it."""
    _rename_fields(_NEW_NAMES)
    op.get_bind().exec_driver_sql(_RESET_STATES[op.get_context().dialect.name])


def downgrade() -> None:
    _rename_fields(_OLD_NAMES)


def _rename_fields(names: Mapping[str, _Renames]) -> None:
    """Rename in both directions: `names` maps a kind of object to the new name of each of its fields."""
    renamer = _Renamer(names)
    events = {
        "RequestOpened": lambda data: _apply_to_part(data, "request", renamer.rename_request),
        "RequestShown": lambda data: _apply_to_part(data, "receipt", renamer.rename_receipt),
        "MessageSent": lambda data: _apply_to_part(data, "receipt", renamer.rename_receipt),
        # A draft is the receipt of the message that showed the reply early.
        "ReplyChosen": lambda data: _apply_to_part(data, "draft", renamer.rename_receipt),
    }
    for event_type, rename in events.items():
        _rewrite("event", ("thread_id", "seq"), "data", rename, event_type)
    _rewrite("request", ("id",), "data", renamer.rename_request)
    _rewrite("outbox", ("thread_id", "key"), "message", renamer.rename_effect)


class _Renamer:
    """Renames the fields of stored objects. Each method returns a copy of its object with the new field names."""

    def __init__(self, names: Mapping[str, _Renames]) -> None:
        self._names = names
        self._started = "started" if "begun" in names["receipt"] else "begun"
        self._replaces = "replaces" if "replacing" in names["effect"] else "replacing"

    def rename_request(self, request: _Json) -> _Json:
        """Rename the fields of a request and of the receipt of each of its cards."""
        return _apply_to_items(_rename_keys(request, self._names["request"]), "cards", self._rename_posted_card)

    def rename_receipt(self, receipt: _Json) -> _Json:
        """Rename the fields of a receipt and of the conversation that its message started."""
        return _apply_to_part(_rename_keys(receipt, self._names["receipt"]), self._started, self._rename_conversation)

    def rename_effect(self, effect: _Json) -> _Json:
        """Rename the fields of a SendMessage effect, of its card, and of the receipt of the message it replaces."""
        renamed = _apply_to_part(_rename_keys(effect, self._names["effect"]), self._replaces, self.rename_receipt)
        return _apply_to_part(renamed, "message", lambda message: _apply_to_part(message, "card", self._rename_card))

    def _rename_posted_card(self, posted: _Json) -> _Json:
        return _apply_to_part(posted, "receipt", self.rename_receipt)

    def _rename_conversation(self, conversation: _Json) -> _Json:
        return _rename_keys(conversation, self._names["conversation"])

    def _rename_card(self, card: _Json) -> _Json:
        return _rename_keys(card, self._names["card"])


def _rename_keys(value: _Json, names: _Renames) -> _Json:
    return {names.get(key, key): item for key, item in value.items()}


def _apply_to_part(value: _Json, key: str, rename: Callable[[_Json], _Json]) -> _Json:
    part = value.get(key)
    return {**value, key: rename(part)} if isinstance(part, dict) else value


def _apply_to_items(value: _Json, key: str, rename: Callable[[_Json], _Json]) -> _Json:
    items = value.get(key)
    if not isinstance(items, list):
        return value
    return {**value, key: [rename(item) if isinstance(item, dict) else item for item in items]}


def _rewrite(
    table: str, key: tuple[str, ...], column: str, rename: Callable[[_Json], _Json], event_type: str | None = None
) -> None:
    """Rewrite the JSON column of a table's rows page by page, in the order of the primary key `key`."""
    rows = sa.table(table, *(sa.column(name) for name in {*key, column, "type"}))
    position = sa.tuple_(*(rows.c[name] for name in key))
    query = sa.select(*(rows.c[name] for name in (*key, column))).order_by(*position).limit(_PAGE_SIZE)
    if event_type is not None:
        query = query.where(rows.c.type == event_type)
    update = (
        sa.update(rows)
        .where(*(rows.c[name] == sa.bindparam(f"key_{name}") for name in key))
        .values({column: sa.bindparam("rewritten")})
    )
    bind, last = op.get_bind(), None
    while page := bind.execute(query if last is None else query.where(position > sa.tuple_(*last))).all():
        last = page[-1][:-1]
        changes = [
            {"rewritten": text, **{f"key_{name}": row[index] for index, name in enumerate(key)}}
            for row in page
            if (text := _rewrite_json(row[-1], rename)) != row[-1]
        ]
        if changes:
            bind.execute(update, changes)


def _rewrite_json(text: str, rename: Callable[[_Json], _Json]) -> str:
    """Return the JSON text with renamed fields; a text that is not a JSON object is returned unchanged."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    renamed = rename(value) if isinstance(value, dict) else value
    return text if renamed == value else json.dumps(renamed, ensure_ascii=False, separators=(",", ":"))
