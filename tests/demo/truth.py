"""Whether a warehouse matches an account: row by row, field by field."""

from __future__ import annotations

import datetime as dt
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.fake_hubspot import Account

    Row: t.TypeAlias = dict[str, t.Any]

TIMESTAMPS = (
    "createdAt",
    "closedAt",
    "latestMessageTimestamp",
    "latestMessageSentTimestamp",
    "latestMessageReceivedTimestamp",
)
"""The date-times of threads."""

MOMENTS = (*TIMESTAMPS, "updatedAt", "archivedAt")
"""The date-times of all streams."""

OBJECTS = ("threadAssociations", "deliveryIdentifier")
"""The fields of all streams that are JSON objects."""

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
FIELDS_OF = {
    "threads": FIELDS,
    "inboxes": (
        *("id", "name", "type"),
        *("createdAt", "updatedAt", "archived", "archivedAt"),
    ),
    "channels": ("id", "name"),
    "channel_accounts": (
        *("id", "name", "channelId", "inboxId", "active", "authorized"),
        *("archived", "createdAt", "archivedAt", "deliveryIdentifier"),
    ),
    "actors": ("id", "type", "name", "email", "avatar"),
}
"""The fields of each stream."""

NAMES = tuple(stream for stream in FIELDS_OF if stream != "threads")
"""The streams that give names to IDs."""

TYPES = {"A": "AGENT", "B": "BOT", "I": "INTEGRATOR", "L": "LLM", "S": "SYSTEM"}
"""The types of actors that are not customers, by the first letter of their IDs."""

CUSTOMERS = {"E": "EMAIL", "V": "VISITOR"}
"""The types of actors that are customers."""


def rows_of(account: Account, stream: str, *, customers: bool = False) -> list[Row]:
    """Return the rows of a stream in an account.

    The actors are those that threads are assigned to, without customers by default. An
    actor that HubSpot does not know has only an ID and a type.
    """
    directory = account.directory
    if stream == "inboxes":
        return directory.inbox_rows()
    if stream == "channels":
        return directory.channel_rows()
    if stream == "channel_accounts":
        return directory.channel_account_rows()
    if stream == "threads":
        return list(account.threads())
    assigned = {str(thread.get("assignedTo", "")) for thread in account.threads()}
    types = TYPES | CUSTOMERS if customers else TYPES
    actors = []
    for actor in sorted(assigned):
        if actor[:1] in types:
            try:
                actors.append(directory.actor_row(actor))
            except KeyError:
                actors.append({"id": actor, "type": types[actor[0]]})
    return actors


def written(row: Row, stream: str = "threads") -> Row:
    """Return the row that should be written for a row of HubSpot."""
    moments = {
        name: utc(dt.datetime.fromisoformat(row[name]))
        for name in FIELDS_OF[stream]
        if name in MOMENTS and row.get(name)
    }
    return {name: row.get(name) for name in FIELDS_OF[stream]} | moments


def utc(moment: dt.datetime) -> str:
    """Format a moment as the tap does: in UTC, with milliseconds."""
    text = moment.astimezone(dt.UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def differences(
    account: Iterable[Row], table: Iterable[Row], stream: str = "threads"
) -> Iterator[str]:
    """Describe each difference between an account's rows and those of a table."""
    noun = {"inboxes": "inbox"}.get(stream, stream.removesuffix("s").replace("_", " "))
    found: dict[str, Row] = {}
    for row in table:
        if row["id"] in found:
            yield f"{noun} {row['id']} is in the table more than once"
        found[row["id"]] = row
    for original in account:
        wanted = written(original, stream)
        row = found.pop(wanted["id"], {})
        if not row:
            yield f"{noun} {wanted['id']} is missing"
        for name in row:
            if row[name] != wanted.get(name):
                yield (
                    f"{noun} {wanted['id']}, {name}: {row[name]!r} in the table, "
                    f"{wanted.get(name)!r} in the account"
                )
        for name in wanted.keys() - row.keys() if row else ():
            yield f"{noun} {wanted['id']}, {name}: not in the table"
    for identity in found:
        yield f"{noun} {identity} is not in the account"
