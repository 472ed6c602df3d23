"""A HubSpot account: its threads, what happens to them, and the truth about them."""

from __future__ import annotations

import random
from bisect import bisect_left, insort
from heapq import merge
from threading import RLock
from typing import TYPE_CHECKING, Any

import msgspec

from . import moments
from .clock import Clock
from .directory import Directory
from .entry import Entry, Row, Selection, moment_of, number_of
from .population import Population
from .profiles import actors, inboxes
from .shape import Shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

TRASH_DAYS = 30
"""Days after which HubSpot deletes an archived thread for good."""

_ORDERS_KEPT = 24
_CHUNK = 1_000
_LIVE = Selection()
_ARCHIVED = Selection(archived=True)
_PRESENT = "2026-01-01T00:00:00.000Z"

EXAMPLES: tuple[Row, ...] = (
    {
        "id": "176347007",
        "createdAt": "2019-11-18T18:47:59.865Z",
        "closedAt": "2019-11-18T18:50:06.872Z",
        "status": "CLOSED",
        "originalChannelId": "1000",
        "originalChannelAccountId": "148662",
        "latestMessageTimestamp": "2019-11-18T18:50:00.279Z",
        "latestMessageSentTimestamp": "2019-11-18T18:48:38.788Z",
        "latestMessageReceivedTimestamp": "2019-11-18T18:50:00.279Z",
        "assignedTo": "A-2620022",
        "spam": False,
        "inboxId": "481939",
        "associatedContactId": "1401",
        "archived": False,
        "threadAssociations": {"associatedTicketId": "57774743"},
    },
    {
        "id": "176350633",
        "createdAt": "2019-11-18T18:53:05.680Z",
        "closedAt": "2019-11-18T18:53:59.783Z",
        "status": "CLOSED",
        "originalChannelId": "1000",
        "originalChannelAccountId": "148662",
        "latestMessageTimestamp": "2019-11-18T18:53:56.694Z",
        "latestMessageSentTimestamp": "2019-11-18T18:53:56.694Z",
        "latestMessageReceivedTimestamp": "2019-11-18T18:53:52.199Z",
        "assignedTo": "A-2620022",
        "spam": False,
        "inboxId": "481939",
        "associatedContactId": "1451",
        "archived": False,
    },
)
"""The two rows that HubSpot publishes as the example of this endpoint's answer."""


class Account:
    """Any number of threads with state; every method may be called while served."""

    def __init__(
        self,
        size: int = 0,
        seed: int = 7,
        now: str | datetime | None = _PRESENT,
        years: float = 3.0,
        shape: Shape | None = None,
        *,
        rows_kept: int = 200_000,
    ) -> None:
        """Describe `size` threads of the `years` before `now`; None is the present.

        Up to `rows_kept` threads, the account keeps the rows that were made, which
        makes later listings three times as fast and takes half a kilobyte for each.
        """
        self.clock = Clock(now)
        self.shape = shape or Shape()
        self.lock = RLock()
        self._random = random.Random(seed)
        keep = size <= rows_kept
        self._seeded = Population(
            size, seed, self.clock.us, years, self.shape, keep=keep
        )
        self.directory = Directory(
            self.shape, self.clock, self.lock, self._seeded.since
        )
        """Its inboxes, channels, channel accounts and actors."""
        self._next_id = self._seeded.last_id
        self._entries: dict[int, Entry | None] = {}
        """Threads that are not as the seed made them; None: deleted."""
        self._before: dict[int, Entry | None] = {}
        """What a thread was before its newest message; None: not there yet."""
        self._orders: dict[Selection, list[int]] = {}
        self._trash: list[tuple[int, int]] | None = None
        self._size = size

    @classmethod
    def of(
        cls,
        rows: Iterable[Mapping[str, Any]],
        now: str | datetime | None = _PRESENT,
        shape: Shape | None = None,
    ) -> Account:
        """Make an account of given rows, which are then answered as they are."""
        account = cls(now=now, shape=shape)
        for row in rows:
            account.add(row)
        return account

    def __len__(self) -> int:
        """Count the threads, live and archived."""
        with self.lock:
            self._empty_trash()
            return self._size

    def __contains__(self, thread_id: object) -> bool:
        """Tell whether there is a thread with an id, live or archived."""
        with self.lock:
            self._empty_trash()
            return (
                isinstance(thread_id, str)
                and thread_id.isdecimal()
                and self.find(int(thread_id)) is not None
            )

    # The truth.

    def thread(self, thread_id: str) -> Row:
        """Give a thread as the API would with its associations; KeyError if gone."""
        with self.lock:
            self._empty_trash()
            return dict(self._get(thread_id).row)

    def threads(self) -> Iterator[Row]:
        """Give every thread, live and archived, in `id` order."""
        with self.lock:
            ids = list(merge(self.order(_LIVE), self.order(_ARCHIVED)))
        for start in range(0, len(ids), _CHUNK):
            with self.lock:
                texts = self.texts(ids[start : start + _CHUNK], tickets=True)
            yield from map(msgspec.json.decode, texts)

    def live_ids(self) -> list[str]:
        """Give the ids of the threads that are not archived, in order."""
        with self.lock:
            return [str(number) for number in self.order(_LIVE)]

    def archived_ids(self) -> list[str]:
        """Give the ids of the threads in the trash, in order."""
        with self.lock:
            return [str(number) for number in self.order(_ARCHIVED)]

    def places(self) -> dict[str, str]:
        """Give the live threads in timestamp order, each with the moment it is at.

        The moment is that of the last message as the index has it. The row of a thread
        that is newer than its place shows a later one.
        """
        with self.lock:
            keys = self.order(Selection(by_message=True))
            return {str(number_of(key)): moments.render(moment_of(key)) for key in keys}

    # What happens in an account.

    def create(self, **fields: Any) -> str:
        """Begin a thread, now and with a message unless `fields` say otherwise.

        Fields have the API's names; None leaves a field out. With
        ``latestMessageTimestamp=None`` the thread has no message.
        """
        with self.lock:
            now = self._text(self.clock.tick())
            number = int(
                fields.get("id", self._next_id + self._random.randrange(1, 37))
            )
            row: Row = {
                "id": str(number),
                "createdAt": now,
                "status": "OPEN",
                "originalChannelId": "1002",
                "originalChannelAccountId": "148662",
                "inboxId": inboxes(self.shape)[0],
                "associatedContactId": str(51 + 50 * self._random.randrange(10**6)),
                "spam": False,
                "archived": False,
            }
            if fields.get("latestMessageTimestamp", now) is not None:
                latest = fields.get(
                    "latestMessageTimestamp", fields.get("createdAt", now)
                )
                row["latestMessageTimestamp"] = latest
                if not fields.keys() & {
                    "latestMessageSentTimestamp",
                    "latestMessageReceivedTimestamp",
                }:
                    row["latestMessageReceivedTimestamp"] = latest
            self.add(_present(row | fields))
            return str(number)

    def add(self, row: Mapping[str, Any]) -> None:
        """Put in a whole row as it is; one with the same id is replaced."""
        with self.lock:
            row = dict(row)
            number = int(row["id"])
            row.setdefault("archived", False)
            old = self.find(number)
            self._next_id = max(self._next_id, number)
            latest = _latest(row)
            archived_at = self.clock.us if row["archived"] else None
            new = Entry(row, latest, latest, archived_at)
            if old is None:
                self._before[number] = None
            self._replace(number, old, new)

    def message(
        self,
        thread_id: str,
        at: str | datetime | None = None,
        *,
        sent: bool | None = None,
        indexed: bool = True,
    ) -> None:
        """Send or receive a message, now or at a given moment.

        HubSpot's index may lag behind the row. With `indexed` off the row shows the
        message, but the thread keeps its place in timestamp order, until its next
        message or `reindex`. The bound and key cursors go by the place.
        """
        with self.lock:
            old = self._get(thread_id)
            us = self.clock.tick() if at is None else moments.moment(at)
            if sent is None:
                sent = self._random.random() < 0.5
            name = "Sent" if sent else "Received"
            text = at if isinstance(at, str) else self._text(us)
            field = f"latestMessage{name}Timestamp"
            changes = {}
            if us >= _moment_or(old.row.get(field), us):
                changes[field] = text
            latest = old.latest
            if latest is None or us >= latest:
                changes["latestMessageTimestamp"] = text
                latest = us
            number = int(thread_id)
            self._before[number] = old
            new = old._replace(
                row=old.row | changes,
                latest=latest,
                indexed=latest if indexed else old.indexed,
            )
            self._replace(number, old, new)

    def reindex(self) -> None:
        """Let the index catch up: every thread moves to the place of its last message.

        This also holds for the seeded threads that are newer than their place.
        """
        with self.lock:
            self._seeded.reindex()
            for number, entry in self._entries.items():
                if entry is not None:
                    self._entries[number] = entry._replace(indexed=entry.latest)
            self._orders.clear()

    def move(self, thread_id: str, inbox: str | int) -> None:
        """Move a thread to another inbox, which no message and no timestamp tells."""
        self.update(thread_id, inboxId=str(inbox))

    def close(self, thread_id: str) -> None:
        """Close a thread."""
        closed_at = self._text(self.clock.tick())
        self.update(thread_id, status="CLOSED", closedAt=closed_at)

    def reopen(self, thread_id: str) -> None:
        """Open a thread again."""
        self.update(thread_id, status="OPEN", closedAt=None)

    def assign(self, thread_id: str, actor: str | None = None) -> None:
        """Assign a thread to an actor, or to nobody."""
        self.update(thread_id, assignedTo=actor)

    def mark_spam(self, thread_id: str, *, spam: bool = True) -> None:
        """Mark a thread as spam, or not."""
        self.update(thread_id, spam=spam)

    def link_ticket(self, thread_id: str, ticket: str | None) -> None:
        """Link a thread to a ticket, or to none."""
        associations = None if ticket is None else {"associatedTicketId": str(ticket)}
        self.update(thread_id, threadAssociations=associations)

    def update(self, thread_id: str, **fields: Any) -> None:
        """Set fields of a thread; None takes a field away."""
        if fields.keys() & {"id", "archived"}:
            message = "a thread keeps its id, and is archived with archive()"
            raise ValueError(message)
        with self.lock:
            old = self._get(thread_id)
            row = _present(old.row | fields)
            new = old._replace(row=row)
            if "latestMessageTimestamp" in fields:
                latest = _latest(row)
                new = new._replace(latest=latest, indexed=latest)
            self._replace(int(thread_id), old, new)

    def archive(self, thread_id: str) -> None:
        """Move a thread to the trash, where it stays for 30 days."""
        with self.lock:
            old = self._get(thread_id)
            if not old.row["archived"]:
                row = old.row | {"archived": True}
                new = old._replace(row=row, archived_at=self.clock.tick())
                self._replace(int(thread_id), old, new)

    def restore(self, thread_id: str) -> None:
        """Take a thread out of the trash."""
        with self.lock:
            old = self._get(thread_id)
            new = old._replace(row=old.row | {"archived": False}, archived_at=None)
            self._replace(int(thread_id), old, new)

    def purge(self, thread_id: str) -> None:
        """Delete a thread for good, without a trace."""
        with self.lock:
            self._replace(int(thread_id), self._get(thread_id), None)
            self._before.pop(int(thread_id), None)

    def random_actor(self) -> str:
        """Choose one of the actors that threads are assigned to."""
        with self.lock:
            return self._random.choice(actors(self.shape))

    # What the endpoint reads, holding the lock.

    def prepare(self) -> None:
        """Make now what the first requests would have to wait for.

        These are the two orders of live threads and, where they are kept, the rows.
        """
        with self.lock:
            ids = self.order(_LIVE)
            self.order(Selection(by_message=True))
            if self._seeded.keeps:
                self.texts(ids, tickets=True)

    def order(self, selection: Selection) -> list[int]:
        """Give the places of a selection's threads, ascending; not to be changed."""
        self._empty_trash()
        keys = self._orders.pop(selection, None)
        if keys is None:
            keys = self._make_order(selection)
            while len(self._orders) >= _ORDERS_KEPT:
                del self._orders[next(iter(self._orders))]
        self._orders[selection] = keys
        return keys

    def texts(self, ids: Iterable[int], *, tickets: bool) -> list[str]:
        """Give the JSON of the rows of some ids, without those gone meanwhile."""
        entries, seeded = self._entries, self._seeded
        texts: list[str] = []
        for number in ids:
            if number not in entries:
                index = seeded.index(number)
                if index is not None:
                    texts.append(seeded.text(index, tickets=tickets))
            elif (entry := entries[number]) is not None:
                texts.append(entry.text(tickets=tickets))
        return texts

    def find(self, number: int) -> Entry | None:
        """Give the thread with an id, if there is one."""
        if number in self._entries:
            return self._entries[number]
        index = self._seeded.index(number)
        return None if index is None else self._seeded.entry(index)

    def lagging(self, seconds: float, share: float) -> dict[int, Entry | None]:
        """Give the threads whose newest message the read side does not show yet.

        With each comes what is shown instead: the thread before that message, or
        None where it was not there. A share of the messages of the last `seconds` is
        late, always the same ones.
        """
        now = self.clock.us
        keys = self.order(Selection(by_message=True))
        since = bisect_left(keys, (now - int(seconds * moments.SECOND)) << 64)
        late: dict[int, Entry | None] = {}
        for key in keys[since:]:
            if random.Random(key).random() < share and (key >> 64) <= now:
                late[number_of(key)] = self._before.get(number_of(key))
        return late

    def _get(self, thread_id: str) -> Entry:
        entry = self.find(int(thread_id))
        if entry is None:
            raise KeyError(thread_id)
        return entry

    def _text(self, us: int) -> str:
        return self.shape.text(us, self._random.randrange(4))

    def _make_order(self, selection: Selection) -> list[int]:
        entries = self._entries
        keys = [
            key for key in self._seeded.keys(selection) if number_of(key) not in entries
        ]
        places = (selection.key(entry) for entry in entries.values() if entry)
        keys += (key for key in places if key is not None)
        keys.sort()
        return keys

    def _replace(self, number: int, old: Entry | None, new: Entry | None) -> None:
        """Put a thread in the place of what it was, in every order that is kept."""
        self._entries[number] = new
        self._size += (new is not None) - (old is not None)
        for selection, keys in self._orders.items():
            before = None if old is None else selection.key(old)
            after = None if new is None else selection.key(new)
            if before != after:
                if before is not None:
                    del keys[bisect_left(keys, before)]
                if after is not None:
                    insort(keys, after)
        if self._trash is not None and new is not None and new.archived_at is not None:
            insort(self._trash, (new.archived_at, number))

    def _empty_trash(self) -> None:
        """Delete what was archived long enough ago."""
        if self._trash is None:
            self._trash = self._make_trash()
        limit = self.clock.us - TRASH_DAYS * moments.DAY
        gone = bisect_left(self._trash, (limit + 1,))
        for archived_at, number in self._trash[:gone]:
            entry = self.find(number)
            if entry is not None and entry.archived_at == archived_at:
                self._replace(number, entry, None)
        del self._trash[:gone]

    def _make_trash(self) -> list[tuple[int, int]]:
        entries = self._entries
        seeded = self._seeded.archivings()
        entries = self._entries
        seeded = self._seeded.archivings()
        trash = [each for each in seeded if each[1] not in entries]
        changed = ((number, entry) for number, entry in entries.items() if entry)
        trash += [
            (entry.archived_at, number)
            for number, entry in changed
            if entry.archived_at is not None
        ]
        return sorted(trash)


def _present(row: Row) -> Row:
    return {name: value for name, value in row.items() if value is not None}


def _moment_or(text: Any, otherwise: int) -> int:
    try:
        return moments.parse(text)
    except (TypeError, ValueError):
        return otherwise


def _latest(row: Row) -> int | None:
    """Read when the last message was; where that is no date-time, take another's."""
    if row.get("latestMessageTimestamp") is None:
        return None
    return _moment_or(
        row["latestMessageTimestamp"], _moment_or(row.get("createdAt"), 0)
    )
