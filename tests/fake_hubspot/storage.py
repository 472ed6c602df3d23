"""The threads of an account, seeded and changed, and the orders they are listed in."""

from __future__ import annotations

import random
from bisect import bisect_left, insort
from threading import RLock
from typing import TYPE_CHECKING

from . import moments
from .clock import Clock
from .entry import Entry, Selection, moment_or, number_of
from .histories import Histories
from .population import Population

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from .shape import Shape

TRASH_DAYS = 30
"""Days after which HubSpot deletes an archived thread for good."""

_ORDERS_KEPT = 24
_LIVE = Selection()


class Storage:
    """Threads by id and in every order that is asked for."""

    def __init__(
        self,
        size: int,
        seed: int,
        now: str | datetime | None,
        years: float,
        shape: Shape,
        *,
        keep: bool,
    ) -> None:
        """Describe `size` seeded threads; with `keep` the JSON of rows is kept."""
        self.clock = Clock(now)
        self.shape = shape
        self.lock = RLock()
        self._random = random.Random(seed)
        self._seeded = Population(size, seed, self.clock.us, years, shape, keep=keep)
        self._histories = Histories(self._seeded, shape, self.clock.us)
        self._next_id = self._seeded.last_id
        self._entries: dict[int, Entry | None] = {}
        """Threads that are not as the seed made them; None: deleted."""
        self._before: dict[int, Entry | None] = {}
        """What a thread was before its newest message; None: not there yet."""
        self._orders: dict[Selection, list[int]] = {}
        self._trash: list[tuple[int, int]] | None = None
        self._size = size

    # What the endpoints read, holding the lock.

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

    def present(self, number: int) -> Entry | None:
        """Give the thread with an id, unless its days in the trash are over."""
        self._empty_trash()
        return self.find(number)

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

    def history_texts(self, entry: Entry) -> tuple[list[int], list[str]]:
        """Give the places and the JSON of the rows of a history, in order."""
        return self._histories.texts(entry.row)

    def _get(self, thread_id: str) -> Entry:
        entry = self.find(int(thread_id))
        if entry is None:
            raise KeyError(thread_id)
        return entry

    def _record(
        self, old: Entry, us: int, text: str, *, sent: bool | None, indexed: bool = True
    ) -> None:
        """Update a thread's row for a message or, if `sent` is None, for a comment."""
        changes = {}
        if sent is not None:
            field = f"latestMessage{'Sent' if sent else 'Received'}Timestamp"
            if us >= moment_or(old.row.get(field), us):
                changes[field] = text
        latest = old.latest
        if latest is None or us >= latest:
            changes["latestMessageTimestamp"] = text
            latest = us
        self._before[old.number] = old
        new = old._replace(
            row=old.row | changes,
            latest=latest,
            indexed=latest if indexed else old.indexed,
        )
        self._replace(old.number, old, new)

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
        self._histories.changed(number)
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
        trash = [each for each in seeded if each[1] not in entries]
        changed = ((number, entry) for number, entry in entries.items() if entry)
        trash += [
            (entry.archived_at, number)
            for number, entry in changed
            if entry.archived_at is not None
        ]
        return sorted(trash)
