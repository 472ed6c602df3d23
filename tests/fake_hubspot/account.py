"""A HubSpot account: its threads, what happens to them, and the truth about them."""

from __future__ import annotations

from heapq import merge
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from . import moments
from .bodies import original_of
from .directory import Directory
from .entry import (
    Entry,
    Row,
    Selection,
    latest_of,
    moment_of,
    number_of,
    present,
)
from .items import Item
from .profiles import actors, inboxes
from .shape import Shape
from .storage import Storage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

_CHUNK = 1_000
_LIVE = Selection()
_ARCHIVED = Selection(archived=True)
_PRESENT = "2026-01-01T00:00:00.000Z"


class Account(Storage):
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
        super().__init__(
            size, seed, now, years, shape or Shape(), keep=size <= rows_kept
        )
        self.directory = Directory(
            self.shape, self.clock, self.lock, self._seeded.since
        )
        """Its inboxes, channels, channel accounts and actors."""

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

    def messages(self) -> Iterator[Row]:
        """Give the history of every thread, live and archived, in `id` order."""
        for thread in self.threads():
            yield from self.history(thread["id"])

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

    def history(self, thread_id: str) -> list[Row]:
        """Give the history of a thread in createdAt order; KeyError if gone."""
        with self.lock:
            self._empty_trash()
            return self._histories.rows(self._get(thread_id).row)

    def original(self, thread_id: str, message_id: str) -> Row:
        """Give the original content of a message; KeyError if there is none."""
        with self.lock:
            self._empty_trash()
            row = self._get(thread_id).row
            return original_of(self._histories.find(row, message_id))

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
            self.add(present(row | fields))
            return str(number)

    def add(self, row: Mapping[str, Any]) -> None:
        """Put in a whole row as it is; one with the same id is replaced."""
        with self.lock:
            row = dict(row)
            number = int(row["id"])
            row.setdefault("archived", False)
            old = self.find(number)
            self._next_id = max(self._next_id, number)
            latest = latest_of(row)
            archived_at = self.clock.us if row["archived"] else None
            new = Entry(row, latest, latest, archived_at)
            if old is None:
                self._before[number] = None
            self._replace(number, old, new)
            self._histories.begin(row)

    def message(
        self,
        thread_id: str,
        at: str | datetime | None = None,
        *,
        sent: bool | None = None,
        indexed: bool = True,
        **fields: Any,
    ) -> str:
        """Send or receive a message, now or at a given moment, and give its id.

        HubSpot's index may lag behind the row. With `indexed` off the row shows the
        message, but the thread keeps its place in timestamp order, until its next
        message or `reindex`. The bound and key cursors go by the place. `fields` are
        those of the message; None leaves one out.
        """
        with self.lock:
            old = self._get(thread_id)
            us = self.clock.tick() if at is None else moments.moment(at)
            if sent is None:
                sent = self._random.random() < 0.5
            text = at if isinstance(at, str) else self._text(us)
            self._record(old, us, text, sent=sent, indexed=indexed)
            item = Item(us, "MESSAGE", text=text, sent=sent, fields=fields)
            return self._histories.append(old.row, item)

    def late_mail(self, thread_id: str, seconds: float, **fields: Any) -> str:
        """Receive a mail that was sent some seconds ago, and give its id.

        Its createdAt is then, in whole seconds. Its updatedAt and the thread's
        latestMessageTimestamp are now.
        """
        with self.lock:
            old = self._get(thread_id)
            us = self.clock.tick()
            text = self._text(us)
            self._record(old, us, text, sent=False)
            created = us - int(seconds * moments.SECOND)
            item = Item(us, "MESSAGE", text=text, created=created, fields=fields)
            return self._histories.append(old.row, item)

    def comment(self, thread_id: str, **fields: Any) -> str:
        """Write a comment, and give its id.

        The thread's row changes only where the shape has `comments_count`.
        """
        with self.lock:
            old = self._get(thread_id)
            us = self.clock.tick()
            text = self.shape.text(us, us)
            if self.shape.comments_count:
                self._record(old, us, text, sent=None)
            item = Item(us, "COMMENT", text=text, fields=fields)
            return self._histories.append(old.row, item)

    def set_message_status(
        self,
        thread_id: str,
        message_id: str,
        status: Literal["SENT", "RECEIVED", "READ", "FAILED"],
    ) -> None:
        """Change the status of a message, which moves its updatedAt."""
        with self.lock:
            row = self._get(thread_id).row
            now = self.clock.tick()
            text = self.shape.text(now, now)
            self._histories.set_status(row, message_id, status, text)

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
            row = present(old.row | fields)
            new = old._replace(row=row)
            if "latestMessageTimestamp" in fields:
                latest = latest_of(row)
                new = new._replace(latest=latest, indexed=latest)
            self._replace(int(thread_id), old, new)
            self._histories.note(old.row, row, self.clock.us)

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
