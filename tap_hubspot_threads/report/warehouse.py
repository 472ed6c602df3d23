"""What reads the DuckDB file. It is opened for reading only."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import duckdb

from tap_hubspot_threads.report.metrics import LeftOut, Metric, Result

if t.TYPE_CHECKING:
    import datetime as dt

SCHEMA = "hubspot"
NAMES = ("inboxes", "channels", "actors")
"""The tables that give names to IDs. Without them, the report shows the IDs."""

IN_USE = re.compile(r"lock.*\(PID (\d+)\)", re.DOTALL)
NEEDED = {
    "threads": (
        *("id", "status", "createdAt", "closedAt", "assignedTo"),
        *("inboxId", "originalChannelId", "spam", "archived"),
    ),
    "messages": (
        *("id", "conversationsThreadId", "type", "direction"),
        *("createdAt", "createdBy", "newStatus"),
    ),
}
"""The columns that metrics read, which a user can deselect."""


class NothingToReport(Exception):
    """There is no file or no table, or it cannot be read."""


class Warehouse:
    """The tables of the tap in a schema of a DuckDB file."""

    def __init__(self, path: str, schema: str = SCHEMA) -> None:
        """Open the DuckDB file for reading.

        Args:
            path: The file, or a MotherDuck URI.
            schema: The schema of the tables.

        Raises:
            NothingToReport: There is no such file, or it has no table of threads.
        """
        self.name = Path(path).name
        self.schema = schema
        self._connection = _connect(path)
        self._tables: dict[str, dict[str, str]] = {}
        """The type of each column, by its table and its name in lower case."""
        for table, column, kind in self.all(
            "SELECT table_name, lower(column_name), data_type "
            "FROM information_schema.columns "
            "WHERE table_schema = ? AND table_catalog = current_database()",
            schema,
        ):
            self._tables.setdefault(table, {})[column] = kind
        if "threads" not in self._tables:
            raise NothingToReport(self._without_threads(path))
        self._connection.execute(f"SET search_path = {_text(_name(schema))}")
        # In case the columns have a time zone. The report says UTC.
        self._connection.execute("SET TimeZone = 'UTC'")
        for table in NAMES:
            self._give_names(table)

    def __enter__(self) -> t.Self:
        """Return this."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._connection.close()

    def _without_threads(self, path: str) -> str:
        found = self.all(
            "SELECT DISTINCT table_schema FROM information_schema.tables "
            "WHERE table_name = 'threads' ORDER BY 1"
        )
        if not found:
            remedy = "Is the stream selected, and has the job loaded it? See its log"
        else:
            names = ", ".join(name for (name,) in found)
            remedy = f"There is one in {names}: choose it with --schema"
        return f"There is no table {self.schema}.threads to read in {path}. {remedy}"

    def _give_names(self, table: str) -> None:
        """Complete a table of names that lacks a column, or is missing altogether."""
        null = "CAST(NULL AS VARCHAR)"
        query = f"SELECT {null} AS id, {null} AS name WHERE false"
        if self.has("id", table=table):
            name = "name" if self.has("name", table=table) else null
            query = f"SELECT id, {name} AS name FROM {self.qualified(table)}"  # noqa: S608
        self._connection.execute(f"CREATE TEMP VIEW {table} AS {query}")

    def qualified(self, table: str) -> str:
        """Return the name of a table with its schema, for SQL."""
        return f"{_name(self.schema)}.{_name(table)}"

    def has(self, *columns: str, table: str = "threads") -> bool:
        """Return whether a table has all of these columns, in any case of letters."""
        found = self._tables.get(table, {})
        return all(column.lower() in found for column in columns)

    def all(self, query: str, *values: str) -> list[tuple[t.Any, ...]]:
        """Return the rows of a query, whose question marks stand for values."""
        rows: list[tuple[t.Any, ...]]
        rows = self._connection.execute(query, values).fetchall()
        return rows

    def measure(self, metric: Metric, now: dt.datetime) -> Result | LeftOut:
        """Return the rows of a metric, or why it has none.

        Args:
            metric: The metric.
            now: The moment that waits last until.
        """
        moment = f"TIMESTAMPTZ '{now.isoformat()}'"
        query = metric.sql.replace("CURRENT_TIMESTAMP", moment)
        try:
            found = self._connection.execute(query)
            names = [column[0] for column in found.description or ()]
            rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
        except duckdb.Error as error:
            return LeftOut(metric, self._reason(metric, str(error)))
        is_empty = metric.name == "messages_by_hour" and not any(
            row["received"] or row["sent"] for row in rows
        )
        if is_empty or not rows:
            return LeftOut(metric, "there is nothing to count yet")
        return Result(metric, rows)

    def _reason(self, metric: Metric, error: str) -> str:
        """Say what is missing. DuckDB's own words for that are not always right."""
        if "messages" not in self._tables and "messages" in metric.sql:
            return "there is no table messages; it needs include_messages: true"
        words = set(re.findall(r"\w+", metric.sql))
        for table, columns in NEEDED.items():
            for column in columns:
                if column not in words:
                    continue
                if not self.has(column, table=table):
                    return f"there is no column {table}.{column}; is it deselected?"
                kind = self._tables[table][column.lower()]
                if column.endswith("At") and not kind.startswith("TIMESTAMP"):
                    return f"{table}.{column} is {kind} instead of TIMESTAMP"
        return error.splitlines()[0]

    def newest(self, now: dt.datetime) -> dt.datetime | None:
        """Return the time of the newest message, in UTC, or None if it is unknown.

        Mail that is dated after the present moment is not considered.
        """
        if not self.has("latestMessageTimestamp"):
            return None
        [[newest]] = self.all(
            "SELECT max(moment) "
            'FROM (SELECT CAST("latestMessageTimestamp" AS TIMESTAMP) FROM threads) '
            "AS moments (moment) WHERE moment <= CAST(? AS TIMESTAMPTZ)",
            now.isoformat(),
        )
        return t.cast("dt.datetime | None", newest)


def _connect(path: str) -> duckdb.DuckDBPyConnection:
    try:
        connection = duckdb.connect(path, read_only=True)
        # It would be printed between the lines of the report.
        connection.execute("SET enable_progress_bar = false")
    except duckdb.Error as error:
        cause = str(error)
        if in_use := IN_USE.search(cause):
            remedy = f"The process {in_use[1]} has it open. Wait until it has ended"
        elif "does not exist" in cause:
            remedy = "There is no such file. Load something first, or check the path"
        else:
            remedy = cause.splitlines()[0]
        raise NothingToReport(f"Cannot read {path}. {remedy}") from None
    return connection


def _name(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
