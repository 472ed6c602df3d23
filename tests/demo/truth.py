"""Whether a warehouse matches an account: row by row, field by field."""

from __future__ import annotations

import datetime as dt
import statistics
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

OBJECTS = {
    "threads": ("threadAssociations",),
    "channel_accounts": ("deliveryIdentifier",),
    "messages": ("client", "senders", "recipients", "attachments", "status"),
}
"""The fields of each stream that are JSON objects or arrays."""

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
"""The fields of each stream that is not optional."""

NAMES = tuple(stream for stream in FIELDS_OF if stream != "threads")
"""The streams that give names to IDs."""

MESSAGE_FIELDS = (
    *("id", "conversationsThreadId", "type", "createdAt", "updatedAt", "createdBy"),
    *("client", "senders", "recipients", "archived", "text", "richText"),
    *("attachments", "subject", "direction", "channelId", "channelAccountId"),
    *("truncationStatus", "inReplyToId", "status", "assignedFrom", "assignedTo"),
    *("newStatus", "fromInboxId", "toInboxId", "originalText", "originalRichText"),
)
FIELDS_OF_ALL = FIELDS_OF | {"messages": MESSAGE_FIELDS}
"""The fields of each stream."""

TYPES = {"A": "AGENT", "B": "BOT", "I": "INTEGRATOR", "L": "LLM", "S": "SYSTEM"}
"""The types of actors that are not customers, by the first letter of their IDs."""

CUSTOMERS = {"E": "EMAIL", "V": "VISITOR"}
"""The types of actors that are customers."""


def rows_of(
    account: Account, stream: str, *, customers: bool = False, messages: bool = False
) -> list[Row]:
    """Return the rows of a stream in an account.

    The actors are those that threads are assigned to, without customers by default. An
    actor that HubSpot does not know has only an ID and a type. With
    `messages`, the actors that messages mention are among them.
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
    if stream == "messages":
        threads = account.threads()
        return [row for thread in threads for row in account.history(thread["id"])]
    mentioned = {str(thread.get("assignedTo", "")) for thread in account.threads()}
    if messages:
        mentioned.update(*map(_actors_of, rows_of(account, "messages")))
    types = TYPES | CUSTOMERS if customers else TYPES
    actors = []
    for actor in sorted(mentioned):
        if actor[:1] in types:
            try:
                actors.append(directory.actor_row(actor))
            except KeyError:
                actors.append({"id": actor, "type": types[actor[0]]})
    return actors


def _actors_of(message: Row) -> Iterator[str]:
    people = [*message.get("senders", ()), *message.get("recipients", ())]
    yield from (person["actorId"] for person in people if "actorId" in person)
    names = ("createdBy", "assignedFrom", "assignedTo")
    yield from (message[name] for name in names if name in message)


def key_of(row: Row) -> str:
    """Return the key of a row: its ID, after that of the thread if it is a message."""
    thread = row.get("conversationsThreadId")
    return f"{thread}/{row['id']}" if thread else str(row["id"])


def written(row: Row, stream: str = "threads") -> Row:
    """Return the row that should be written for a row of HubSpot."""
    fields = FIELDS_OF_ALL[stream]
    moments = {
        name: utc(dt.datetime.fromisoformat(row[name]))
        for name in fields
        if name in MOMENTS and row.get(name)
    }
    return {name: row.get(name) for name in fields} | moments


def without_empty(rows: Iterable[Row]) -> list[Row]:
    """Return rows without empty texts, for which `target-duckdb` writes null."""
    return [{name: value for name, value in row.items() if value != ""} for row in rows]


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
        key = key_of(row)
        if key in found:
            yield f"{noun} {key} is in the table more than once"
        found[key] = row
    for original in account:
        wanted = written(original, stream)
        key = key_of(wanted)
        row = found.pop(key, {})
        if not row:
            yield f"{noun} {key} is missing"
        for name in row:
            if row[name] != wanted.get(name):
                yield (
                    f"{noun} {key}, {name}: {row[name]!r} in the table, "
                    f"{wanted.get(name)!r} in the account"
                )
        for name in wanted.keys() - row.keys() if row else ():
            yield f"{noun} {key}, {name}: not in the table"
    for key in found:
        yield f"{noun} {key} is not in the account"


def first_responses(account: Account) -> dict[str, float]:
    """Return the median minutes to the first response, by inbox.

    From the first message of the contact to the first one of a person after that.
    """
    minutes: dict[str, list[float]] = {}
    for thread in account.threads():
        asked: dt.datetime | None = None
        for row in account.history(thread["id"]):
            moment = dt.datetime.fromisoformat(row["createdAt"])
            if row["type"] != "MESSAGE" or thread["spam"]:
                continue
            if row["direction"] == "INCOMING":
                asked = asked or moment
            elif asked and moment > asked and row["createdBy"].startswith("A-"):
                wait = (moment - asked).total_seconds() / 60
                minutes.setdefault(thread["inboxId"], []).append(wait)
                break
    return {inbox: statistics.median(waits) for inbox, waits in minutes.items()}
