"""Migrations run up, down and up again, and match the declared tables."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import IntegrityError
from sqlmodel import SQLModel

from agents.core.errors import ConfigurationError
from storage.database.database import create_database_engine
from storage.database.schema import HEAD_REVISION, MIGRATIONS, check_revision, migrate, read_revision

_THREAD = text(
    "INSERT INTO thread (id, agent, status, version, unfinished, created_at, updated_at, state) "
    "VALUES ('thr_1', 'ship', 'done', 3, false, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP, '{}')"
)
_EVENT = text(
    "INSERT INTO event (thread_id, seq, type, v, at, actor, data) "
    "VALUES ('thr_1', :seq, 'TimerFired', 1, CURRENT_TIMESTAMP, 'system:engine', :data)"
)
_EVENTS = text("SELECT * FROM event ORDER BY seq")


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    opened = create_database_engine(database_url)
    yield opened
    opened.dispose()


def is_declared(name: str | None, kind: str, _parents: object) -> bool:
    """Return whether to compare a table: those of Procrastinate are not declared."""
    return kind != "table" or not str(name).startswith("procrastinate_")


def test_migrated_database_equals_the_declared_tables(engine: Engine) -> None:
    with engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True, "include_name": is_declared}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, SQLModel.metadata) == []


def test_revisions_downgrade_and_upgrade_again(engine: Engine) -> None:
    def columns_by_table() -> dict[str, list[str]]:
        found = inspect(engine)
        return {name: sorted(c["name"] for c in found.get_columns(name)) for name in found.get_table_names()}

    before = columns_by_table()
    assert migrate(engine, "base") == "base"
    assert set(columns_by_table()) <= {"alembic_version"}
    assert migrate(engine) == HEAD_REVISION
    assert columns_by_table() == before


def test_events_survive_the_copy_of_their_table(engine: Engine) -> None:
    migrate(engine, "0004")
    with engine.begin() as connection:
        connection.execute(_THREAD)
        for seq in (2, 1, 3):
            connection.execute(_EVENT, {"seq": seq, "data": f"{{{seq}}}"})
        before = connection.execute(_EVENTS).all()
    assert migrate(engine) == HEAD_REVISION
    with engine.connect() as connection:
        assert connection.execute(_EVENTS).all() == before
        assert [row.seq for row in before] == [1, 2, 3]
        with pytest.raises(IntegrityError):
            connection.execute(_EVENT, {"seq": 2, "data": "taken"})


def test_event_row_has_little_space_overhead(tmp_path: Path) -> None:
    engine = create_database_engine(f"sqlite:///{tmp_path / 'x.db'}")
    migrate(engine)
    with engine.connect() as connection:
        empty = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.execute(_THREAD)
        for seq in range(400):
            connection.execute(_EVENT, {"seq": seq, "data": "x" * 1200})
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one() - empty
        connection.rollback()
    engine.dispose()
    assert pages * 4096 / 400 < 1600


def test_migrating_twice_changes_nothing(engine: Engine) -> None:
    assert migrate(engine) == migrate(engine) == HEAD_REVISION
    check_revision(engine)


def test_head_revision_is_alembics_head() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD_REVISION


def test_newer_database_is_not_migrated(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigurationError, match="newer Handrail"):
        migrate(engine)
    assert read_revision(engine) == "9999"


def test_durability_settings_are_in_force(tmp_path: Path) -> None:
    engine = create_database_engine(f"sqlite:///{tmp_path / 'x.db'}")
    with engine.connect() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    engine.dispose()
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}
