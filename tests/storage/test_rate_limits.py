"""Rate limits: the latest time counts."""

from datetime import UTC, datetime, timedelta

from storage.database.database import Database
from storage.schedule import block_until, blocked_until

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


async def test_latest_of_several_times_counts(database: Database) -> None:
    for seconds in (30, 60, 45):
        await database.transaction(
            lambda connection, seconds=seconds: block_until(connection, "gpt", NOON + timedelta(seconds=seconds))
        )
    assert await database.read(lambda connection: blocked_until(connection, "gpt")) == NOON + timedelta(seconds=60)


async def test_rate_limit_applies_to_its_name_only(database: Database) -> None:
    await database.transaction(lambda connection: block_until(connection, "gpt", NOON))
    assert await database.read(lambda connection: blocked_until(connection, "another")) is None
