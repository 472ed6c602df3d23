"""The metrics: their SQL, their titles, and what their columns hold."""

from __future__ import annotations

import dataclasses
import typing as t
from importlib import resources

GROUPS: dict[str, tuple[str, ...]] = {
    "Response": (
        "first_response_by_inbox",
        "first_response_business_hours",
        "first_response_by_channel",
        "first_response_by_week",
        "answered_by_machine_first",
        "never_answered",
    ),
    "Resolution": ("time_to_resolution", "reopen_rate"),
    "Work": ("waiting_now", "backlog_by_day", "load_by_agent", "messages_by_hour"),
}
"""The metrics in the order of the report, by the heading they are under."""

NAMES = tuple(name for names in GROUPS.values() for name in names)


@dataclasses.dataclass(frozen=True)
class Column:
    """What a column of a result holds.

    Attributes:
        label: Its heading.
        kind: The key of a function in `formats.FORMATS`.
    """

    label: str
    kind: str

    @property
    def is_number(self) -> bool:
        """Whether its cells are aligned to the right."""
        return self.kind in {"count", "share", "minutes", "hours"}


COLUMNS = {
    "agent": Column("Agent", "text"),
    "assigned_to": Column("Assigned to", "text"),
    "channel": Column("Channel", "text"),
    "closed": Column("Closed", "count"),
    "day": Column("Day", "day"),
    "hour": Column("Hour", "hour"),
    "hours": Column("Waiting", "hours"),
    "inbox": Column("Inbox", "text"),
    "machine_first": Column("Machine first", "count"),
    "median_hours": Column("Median", "hours"),
    "median_minutes": Column("Median", "minutes"),
    "messages_sent": Column("Messages sent", "count"),
    "never_answered": Column("Never answered", "count"),
    "open_threads": Column("Open threads", "count"),
    "p90_hours": Column("90% within", "hours"),
    "p90_minutes": Column("90% within", "minutes"),
    "rate": Column("Share", "share"),
    "received": Column("Received", "count"),
    "reopened": Column("Reopened", "count"),
    "resolved": Column("Resolved", "count"),
    "sent": Column("Sent", "count"),
    "share": Column("Share", "share"),
    "thread": Column("Thread", "text"),
    "threads": Column("Threads", "count"),
    "threads_answered": Column("Threads answered", "count"),
    "unanswered": Column("Unanswered", "count"),
    "waiting_since": Column("Waiting since (UTC)", "moment"),
    "week": Column("Week of", "day"),
    "weekday": Column("Weekday", "weekday"),
}


@dataclasses.dataclass(frozen=True)
class Metric:
    """A query with its documentation.

    Attributes:
        name: The name of its file, without the extension.
        title: The first line of its comment.
        explanation: The rest of its comment, as one paragraph.
        sql: The whole file.
    """

    name: str
    title: str
    explanation: str
    sql: str

    @classmethod
    def load(cls, name: str) -> Metric:
        """Read the file of a metric."""
        file = resources.files(__package__) / "metrics" / f"{name}.sql"
        sql = file.read_text(encoding="utf-8")
        header = []
        for line in sql.splitlines():
            if not line.startswith("--"):
                break
            header.append(line.removeprefix("--").strip())
        title, *explanation = header
        return cls(name, title, " ".join(explanation), sql)


@dataclasses.dataclass(frozen=True)
class Result:
    """The rows of a metric.

    Attributes:
        metric: The metric.
        rows: A dictionary for each row, from a column's name to its value.
    """

    metric: Metric
    rows: list[dict[str, t.Any]]

    @property
    def columns(self) -> dict[str, Column]:
        """Return its columns in order."""
        return {name: COLUMNS[name] for name in self.rows[0]}

    def total(self, column: str) -> int:
        """Return the sum of a column."""
        return sum(row[column] for row in self.rows)


@dataclasses.dataclass(frozen=True)
class LeftOut:
    """A metric that cannot be shown.

    Attributes:
        metric: The metric.
        reason: Why, as part of a sentence.
    """

    metric: Metric
    reason: str
