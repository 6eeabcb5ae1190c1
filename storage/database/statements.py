"""SQL of writes, written once for each kind of write.

`{name}` marks a parameter; each database spells it in its own way.
"""

from collections.abc import Mapping
from dataclasses import dataclass

Parameters = Mapping[str, str]
"""The spelling of each parameter, such as `:name` on SQLite and `$1` on PostgreSQL."""


@dataclass(frozen=True, eq=False)
class InsertRow:
    """Insert a row. The parameters have the names of the columns."""

    table: str
    columns: tuple[str, ...]

    def render(self, parameters: Parameters) -> str:
        values = ", ".join(parameters[column] for column in self.columns)
        return f"INSERT INTO {self.table} ({', '.join(self.columns)}) VALUES ({values})"


@dataclass(frozen=True, eq=False)
class UpdateRow:
    """Update the row that meets the condition."""

    table: str
    assignments: str
    condition: str

    def render(self, parameters: Parameters) -> str:
        return f"UPDATE {self.table} SET {self.assignments} WHERE {self.condition}".format_map(parameters)


@dataclass(frozen=True, eq=False)
class DeleteRow:
    """Delete the row that meets the condition."""

    table: str
    condition: str

    def render(self, parameters: Parameters) -> str:
        return f"DELETE FROM {self.table} WHERE {self.condition}".format_map(parameters)


@dataclass(frozen=True, eq=False)
class CallFunction:
    """Call a function of the database, for its effect."""

    call: str

    def render(self, parameters: Parameters) -> str:
        return f"SELECT {self.call}".format_map(parameters)


@dataclass(frozen=True, eq=False)
class CopyRows:
    """Copy rows within a table by an INSERT with a SELECT."""

    table: str
    sql: str

    def render(self, parameters: Parameters) -> str:
        return self.sql.format_map(parameters)


Statement = InsertRow | UpdateRow | DeleteRow | CallFunction | CopyRows
