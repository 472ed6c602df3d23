"""One thread, which rows it answers to, and how rows are ordered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from .moments import parse

Row = dict[str, Any]

_ID_BITS = 64
_ID_MASK = (1 << _ID_BITS) - 1
_ID_DIGITS = len(str(_ID_MASK))
_LAST = (1 << 62) - 1

OPTIONAL_FIELDS = (
    "assignedTo",
    "closedAt",
    "latestMessageTimestamp",
    "latestMessageSentTimestamp",
    "latestMessageReceivedTimestamp",
)


class Entry(NamedTuple):
    """A thread: its row as the API shows it, and what the row alone does not tell."""

    row: Row
    latest: int | None
    """Moment of the last message."""
    indexed: int | None
    """The same as the index has it, which the timestamp order goes by; it may lag."""
    archived_at: int | None = None

    @property
    def number(self) -> int:
        """The id as the number that `id` order compares."""
        return int(self.row["id"])

    @property
    def ticket(self) -> str | None:
        """The ticket that the thread is linked to."""
        associations: dict[str, str] = self.row.get("threadAssociations") or {}
        return associations.get("associatedTicketId")

    def text(self, *, tickets: bool) -> str:
        """Give the JSON of the row, with or without its associations."""
        row = self.row
        if not tickets and "threadAssociations" in row:
            row = {name: row[name] for name in row if name != "threadAssociations"}
        return msgspec.json.encode(row).decode()


@dataclass(frozen=True, slots=True)
class Selection:
    """Which threads a query lists, and in which order."""

    archived: bool = False
    inbox: str | None = None
    contact: str | None = None
    ticket: str | None = None
    status: str | None = None
    by_message: bool = False
    """Order by last message instead of by id."""
    silent_last: bool = False
    """Threads without a message come last in that order, instead of not at all."""
    as_text: bool = False
    """Order by id as text instead of as a number."""

    def key(self, entry: Entry) -> int | None:
        """Give the place of a thread in this order, or None where it is not in it."""
        row = entry.row
        if (
            row["archived"] is not self.archived
            or (self.inbox is not None and row["inboxId"] != self.inbox)
            or (self.contact is not None and row["associatedContactId"] != self.contact)
            or (self.ticket is not None and entry.ticket != self.ticket)
            or (self.status is not None and row["status"] != self.status)
        ):
            return None
        return self.place(entry.number, entry.indexed)

    def place(self, number: int, indexed: int | None) -> int | None:
        """Give the place of a thread that is known to be selected."""
        if not self.by_message:
            return _text_key(number) if self.as_text else number
        if indexed is not None:
            return message_key(indexed, number)
        return message_key(_LAST, number) if self.silent_last else None


def message_key(indexed: int, number: int = 0) -> int:
    """Pack a place in the order of last messages, where ids settle ties."""
    return indexed << _ID_BITS | number


def moment_of(key: int) -> int:
    """Give the moment at a place in the order of last messages."""
    return key >> _ID_BITS


def number_of(key: int) -> int:
    """Give the id at a place of any order."""
    return key & _ID_MASK


def _text_key(number: int) -> int:
    # Zeros on the right compare as the text does; the number settles "1" and "10".
    return int(str(number).ljust(_ID_DIGITS, "0")) << _ID_BITS | number


def present(row: Row) -> Row:
    """Give a row without the fields that have no value."""
    return {name: value for name, value in row.items() if value is not None}


def moment_or(text: Any, otherwise: int) -> int:
    """Read a date-time, or give another moment if it is not one."""
    try:
        return parse(text)
    except (TypeError, ValueError):
        return otherwise


def written(row: Row, field: str) -> str | None:
    """Give the text of a date-time, or None if it is not one."""
    text = row.get(field)
    return text if isinstance(text, str) and moment_or(text, -1) != -1 else None


def latest_of(row: Row) -> int | None:
    """Read when the last message was, or createdAt if that is not a date-time."""
    if row.get("latestMessageTimestamp") is None:
        return None
    return moment_or(row["latestMessageTimestamp"], moment_or(row.get("createdAt"), 0))
