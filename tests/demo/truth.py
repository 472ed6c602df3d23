"""Whether a warehouse matches an account: row by row, field by field."""

from __future__ import annotations

import datetime as dt
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    Row: t.TypeAlias = dict[str, t.Any]

TIMESTAMPS = (
    "createdAt",
    "closedAt",
    "latestMessageTimestamp",
    "latestMessageSentTimestamp",
    "latestMessageReceivedTimestamp",
)
FIELDS = (
    "id",
    *TIMESTAMPS,
    "archived",
    "assignedTo",
    "associatedContactId",
    "inboxId",
    "originalChannelAccountId",
    "originalChannelId",
    "spam",
    "status",
    "threadAssociations",
)


def written(thread: Row) -> Row:
    """Return the row that should be written for a HubSpot thread."""
    moments = {
        name: utc(dt.datetime.fromisoformat(thread[name]))
        for name in TIMESTAMPS
        if thread.get(name)
    }
    return {name: thread.get(name) for name in FIELDS} | moments


def utc(moment: dt.datetime) -> str:
    """Format a moment as the tap does: in UTC, with milliseconds."""
    text = moment.astimezone(dt.UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def differences(account: Iterable[Row], table: Iterable[Row]) -> Iterator[str]:
    """Describe each difference between an account's threads and a table's rows."""
    found: dict[str, Row] = {}
    for row in table:
        if row["id"] in found:
            yield f"thread {row['id']} is in the table more than once"
        found[row["id"]] = row
    for thread in account:
        wanted = written(thread)
        row = found.pop(wanted["id"], {})
        if not row:
            yield f"thread {wanted['id']} is missing"
        for name in row:
            if row[name] != wanted.get(name):
                yield (
                    f"thread {wanted['id']}, {name}: {row[name]!r} in the table, "
                    f"{wanted.get(name)!r} in the account"
                )
        for name in wanted.keys() - row.keys() if row else ():
            yield f"thread {wanted['id']}, {name}: not in the table"
    for identity in found:
        yield f"thread {identity} is not in the account"
