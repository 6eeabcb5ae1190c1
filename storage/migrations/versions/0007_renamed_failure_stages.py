"""Rename two stages of ToolFailed events, and fold the states of their threads again from the log.

The stored JSON is compact, and quotes in a text are escaped, so `"stage":"look"` is always the field and never a text.
"""

from collections.abc import Mapping

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_NEW_STAGES = {"unbegun": "not_started", "look": "check"}
_OLD_STAGES = {new: old for old, new in _NEW_STAGES.items()}

_EVENT = sa.table("event", *map(sa.column, ("thread_id", "type", "data")))
_THREAD = sa.table("thread", *map(sa.column, ("id", "state")))
_EMPTY_STATE = {
    "sqlite": "json_object('thread_id', id)",
    "postgresql": "CAST(json_build_object('thread_id', id) AS text)",
}


def upgrade() -> None:
    _rename_stages(_NEW_STAGES)


def downgrade() -> None:
    _rename_stages(_OLD_STAGES)


def _rename_stages(stages: Mapping[str, str]) -> None:
    """Rename in both directions: `stages` maps each stage to its new name.

    A thread state with the old stages does not load, so an almost empty one replaces it. The states come first: a
    migration that was interrupted after the events would no longer find their threads.
    """
    renamed: sa.ColumnElement[str] = _EVENT.c.data
    for before, after in stages.items():
        renamed = sa.func.replace(renamed, _stage_field(before), _stage_field(after))
    is_changed = (_EVENT.c.type == "ToolFailed") & (_EVENT.c.data != renamed)
    empty_state: sa.ColumnElement[str] = sa.literal_column(_EMPTY_STATE[op.get_context().dialect.name])
    op.execute(
        sa.update(_THREAD)
        .where(_THREAD.c.id.in_(sa.select(_EVENT.c.thread_id).where(is_changed)))
        .values(state=empty_state)
    )
    op.execute(sa.update(_EVENT).where(is_changed).values(data=renamed))


def _stage_field(stage: str) -> str:
    return f'"stage":"{stage}"'
