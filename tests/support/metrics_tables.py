"""Tables that a test writes down row by row, and what a metric finds in them.

A moment is `02 09:30`, a day of March 2026 and a time in UTC, or a whole date-time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import decimal
import itertools
import typing as t

import duckdb
import psycopg

from tests.support.bootstrap import ROOT

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.meltano_project import Row

FILES = {
    path.stem: path
    for path in sorted((ROOT / "tap_hubspot_threads/report/metrics").glob("*.sql"))
}
"""The file of each metric."""

SCHEMA = "edges"
PRESENT = "2026-03-20T12:00:00Z"
"""Until when contacts wait, unless a test says otherwise."""

MOMENTS = ("createdAt", "closedAt", "latestMessageTimestamp")
BOOLEANS = ("archived", "spam")
COLUMNS = {
    "threads": (
        *("id", "status", "createdAt", "closedAt", "assignedTo", "inboxId"),
        *("originalChannelId", "archived", "spam", "latestMessageTimestamp"),
    ),
    "messages": (
        *("id", "conversationsThreadId", "type", "direction", "createdAt"),
        *("createdBy", "newStatus"),
    ),
    "inboxes": ("id", "name"),
    "channels": ("id", "name"),
    "actors": ("id", "name"),
}
"""The columns that metrics read, and the newest date in a thread."""

SENDERS = {
    "contact": ("V-1", "INCOMING"),
    "Ann": ("A-1", "OUTGOING"),
    "Bob": ("A-2", "OUTGOING"),
    "Bob's own mailbox": ("A-2", "INCOMING"),
    "bot": ("B-7", "OUTGOING"),
    "AI": ("L-9", "OUTGOING"),
    "application": ("I-3", "OUTGOING"),
    "system": ("S-hubspot", "OUTGOING"),
    "nobody": (None, "OUTGOING"),
    "comment": ("A-1", None),
    "welcome": ("B-7", None),
}
"""Who creates a message, and its direction."""

TYPES = {"comment": "COMMENT", "welcome": "WELCOME_MESSAGE"}
NUMBERS = itertools.count(1)


def at(text: str) -> str:
    """Return a moment as the tap writes it."""
    whole = text if "-" in text else f"2026-03-{text.replace(' ', 'T')}:00Z"
    moment = dt.datetime.fromisoformat(whole).astimezone(dt.UTC).replace(tzinfo=None)
    return f"{moment.isoformat(timespec='milliseconds')}Z"


def thread(
    name: str, created: str | None, closed: str | None = None, **fields: t.Any
) -> Row:
    """Return a thread. Its ID is the name of its inbox, which is not in `inboxes`."""
    row: Row = {"id": name, "inboxId": name, "originalChannelId": "1002"}
    row |= {"status": "CLOSED" if closed else "OPEN", "archived": False, "spam": False}
    row |= {"createdAt": created and at(created), "closedAt": closed and at(closed)}
    return row | fields


def said(name: str, when: str, who: str, **fields: t.Any) -> Row:
    """Return a message of one of `SENDERS` in a thread."""
    sender, direction = SENDERS[who]
    row: Row = {"id": str(next(NUMBERS)), "conversationsThreadId": name}
    row |= {"type": TYPES.get(who, "MESSAGE"), "direction": direction}
    return row | {"createdBy": sender, "createdAt": at(when)} | fields


def became(name: str, when: str, status: str | None) -> Row:
    """Return a change of a thread's status."""
    event = {"type": "THREAD_STATUS_CHANGE", "newStatus": status}
    return said(name, when, "comment") | event


@dataclasses.dataclass
class Tables:
    """The rows of the tables.

    Attributes:
        moments: The type of date-times.
        missing: Tables that do not exist.
    """

    threads: list[Row] = dataclasses.field(default_factory=list)
    messages: list[Row] = dataclasses.field(default_factory=list)
    inboxes: list[Row] = dataclasses.field(default_factory=list)
    channels: list[Row] = dataclasses.field(default_factory=list)
    actors: list[Row] = dataclasses.field(default_factory=list)
    moments: str = "TIMESTAMP"
    missing: tuple[str, ...] = ()

    def statements(self) -> t.Iterator[str]:
        """Return SQL that creates the tables, the same for both databases."""
        types = dict.fromkeys(MOMENTS, self.moments)
        types |= dict.fromkeys(BOOLEANS, "BOOLEAN")
        yield f"CREATE SCHEMA {SCHEMA}"
        yield f"SET search_path = '{SCHEMA}'"
        for table, names in COLUMNS.items():
            if table in self.missing:
                continue
            columns = ", ".join(f'"{x}" {types.get(x, "VARCHAR")}' for x in names)
            yield f"CREATE TABLE {table} ({columns})"
            rows: list[Row] = getattr(self, table)
            assert all(row.keys() <= set(names) for row in rows)
            values = [", ".join(_literal(r.get(name)) for name in names) for r in rows]
            if values:
                yield f"INSERT INTO {table} VALUES ({'), ('.join(values)})"


@dataclasses.dataclass
class Engine:
    """A database, and the time zone of its sessions."""

    name: str
    postgres: str
    zone: str = "UTC"

    def find(
        self,
        metric: str,
        tables: Tables,
        *before: str,
        changes: dict[str, str] | None = None,
    ) -> list[Row]:
        """Return the rows of a metric, after changes of its text.

        Args:
            metric: The metric.
            tables: What it is about.
            before: Statements to execute first. They name the schema `hubspot`.
            changes: Texts in the file, and what replaces them. Unless this contains
                CURRENT_TIMESTAMP, the present is `PRESENT`.
        """
        text = FILES[metric].read_text(encoding="utf-8")
        present = {"CURRENT_TIMESTAMP": f"TIMESTAMPTZ '{PRESENT}'"}
        for old, new in (present | (changes or {})).items():
            assert old in text or old in present, old
            text = text.replace(old, new)
        zone = f"SET TimeZone = '{self.zone}'"
        with self._session() as execute:
            for statement in (zone, *tables.statements(), *before):
                execute(statement.replace("hubspot.", f"{SCHEMA}."))
            return execute(text)

    def values(self, *arguments: t.Any, **more: t.Any) -> list[tuple[t.Any, ...]]:
        """Return the values of each row of a metric; the arguments are those above."""
        return [tuple(row.values()) for row in self.find(*arguments, **more)]

    @contextlib.contextmanager
    def _session(self) -> t.Iterator[Callable[[str], list[Row]]]:
        with contextlib.ExitStack() as stack:
            connection: t.Any
            if self.name == "duckdb":
                connection = stack.enter_context(duckdb.connect())
            else:
                uri = self.postgres.replace("+psycopg", "")
                connection = stack.enter_context(psycopg.connect(uri))
                stack.callback(connection.rollback)

            def execute(statement: str) -> list[Row]:
                result = connection.execute(statement)
                names = [column[0] for column in result.description or ()]
                if self.name != "duckdb" and not names:
                    return []
                return [
                    dict(zip(names, map(_plain, row), strict=True))
                    for row in result.fetchall()
                ]

            yield execute


def _literal(value: str | bool | None) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return "NULL" if value is None else str(value)


def _plain(value: t.Any) -> t.Any:
    if isinstance(value, decimal.Decimal):
        return float(value)
    return str(value) if isinstance(value, dt.date) else value
