"""The histories of threads, made on demand; only changes to them are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from .entry import latest_of, moment_or, written
from .items import EVENTS, Item, seeded_items
from .rows import Writer, status_of

if TYPE_CHECKING:
    from .entry import Row
    from .population import Population
    from .shape import Shape

_KEPT = 10_000
_KEPT_OF_MANY = 64
_FIRST_ADDED = 1 << 16
_SEQ_BITS = 32
_EARLIEST = 1 << 60


class Histories:
    """The history of every thread of an account, in createdAt order."""

    def __init__(self, seeded: Population, shape: Shape, present: int) -> None:
        """Begin without changes."""
        self._seeded = seeded
        self._shape = shape
        self._present = present
        self._bases: dict[int, Row] = {}
        """The first rows of threads that were added."""
        self._added: dict[int, list[Item]] = {}
        """What happened since a thread was seeded or added."""
        self._edits: dict[int, dict[str, Row]] = {}
        """Changed fields of messages, by thread and message."""
        self._kept: dict[int, tuple[list[int], list[str]]] = {}
        self._most = _KEPT if seeded.keeps else _KEPT_OF_MANY

    def begin(self, row: Row) -> None:
        """Start a history that leads to a row, and drop any earlier one."""
        number = int(row["id"])
        self.changed(number)
        self._added.pop(number, None)
        self._edits.pop(number, None)
        self._bases[number] = row

    def changed(self, number: int) -> None:
        """Drop the cached history of a thread whose row has changed."""
        self._kept.pop(number, None)

    def append(self, row: Row, item: Item) -> str:
        """Add an item to a thread's history, and give the id of its row."""
        number = int(row["id"])
        self._kept.pop(number, None)
        items = self._added.setdefault(number, [])
        items.append(item._replace(seq=_FIRST_ADDED + len(items)))
        return self._writer(self._base(number)).message_id(items[-1])

    def note(self, old: Row, new: Row, us: int) -> None:
        """Add the items that explain a change of a thread's row."""
        for kind, field in EVENTS.items():
            before, after = old.get(field), new.get(field)
            again = kind == "THREAD_STATUS_CHANGE" and (
                new.get("closedAt") not in (None, old.get("closedAt"))
            )
            if before != after or again:
                text = written(new, "closedAt") if after == "CLOSED" else None
                at = moment_or(text, us)
                self.append(new, Item(at, kind, text=text, old=before, new=after))
        before, after = latest_of(old), latest_of(new)
        if before == after:
            return
        if after is None or (before is not None and after < before):
            self.begin(new)
        else:
            text = written(new, "latestMessageTimestamp")
            self.append(new, Item(after, "MESSAGE", text=text))

    def set_status(self, row: Row, message: str, status: str, updated: str) -> None:
        """Change the status of a message; KeyError if there is none."""
        found = self.find(row, message)
        if found["type"] != "MESSAGE":
            raise KeyError(message)
        number = int(row["id"])
        self._kept.pop(number, None)
        edits = self._edits.setdefault(number, {})
        edits[message] = {"status": status_of(status), "updatedAt": updated}

    def find(self, row: Row, message: str) -> Row:
        """Give one row of a history; KeyError if there is none."""
        for found in self.rows(row):
            if found["id"] == message:
                return found
        raise KeyError(message)

    def rows(self, row: Row) -> list[Row]:
        """Give the history of a thread whose row is now `row`."""
        return [msgspec.json.decode(text) for text in self.texts(row)[1]]

    def texts(self, row: Row) -> tuple[list[int], list[str]]:
        """Give the places and the JSON of a history, in order."""
        number = int(row["id"])
        kept = self._kept.get(number)
        if kept is None:
            kept = self._make(number, row)
            while len(self._kept) >= self._most:
                del self._kept[next(iter(self._kept))]
            self._kept[number] = kept
        return kept

    def _make(self, number: int, row: Row) -> tuple[list[int], list[str]]:
        base = self._base(number)
        writer = self._writer(base)
        items = seeded_items(base, self._shape, self._present)
        edits = self._edits.get(number, {})
        archived = bool(row["archived"])
        made = []
        for item in (*items, *self._added.get(number, ())):
            place = (writer.created(item) + _EARLIEST) << _SEQ_BITS | item.seq
            written = writer.row(item)
            written["archived"] = archived
            if written["id"] in edits:
                written |= edits[written["id"]]
            made.append((place, msgspec.json.encode(written).decode()))
        made.sort()
        return [place for place, _ in made], [text for _, text in made]

    def _base(self, number: int) -> Row:
        if number in self._bases:
            return self._bases[number]
        index = self._seeded.index(number)
        if index is None:
            raise KeyError(str(number))
        return self._seeded.entry(index).row

    def _writer(self, row: Row) -> Writer:
        return Writer(row, self._shape, self._present)
