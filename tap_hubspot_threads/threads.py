"""The stream `threads`."""

from __future__ import annotations

import time
import typing as t
from collections import defaultdict
from functools import cached_property

from typing_extensions import override

from tap_hubspot_threads import state, timestamps
from tap_hubspot_threads.filters import TIMESTAMP, Place
from tap_hubspot_threads.listing import ListingStream
from tap_hubspot_threads.paging import read_pages
from tap_hubspot_threads.schemas import THREAD
from tap_hubspot_threads.seen import SeenIds

if t.TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from singer_sdk.helpers.types import Record

    from tap_hubspot_threads.paging import Page


class ThreadsStream(ListingStream):
    """Conversation threads, from HubSpot's "list threads" endpoint.

    A run reads the threads with a new message, in the order of that message (changes).
    Nothing but a message moves `latestMessageTimestamp`, so when a sweep is due, it
    then reads all others as well, in the order of their IDs (sweep).
    """

    name = "threads"
    replication_key: str | None = TIMESTAMP
    schema: t.ClassVar[dict[str, t.Any]] = THREAD
    always_selected = frozenset({"id", TIMESTAMP})

    MOST_ROUNDS = 5
    """How often a sweep is repeated until it misses no thread."""

    _version: int | None = None
    _is_sweeping = False

    @override
    def passes(self) -> Iterator[tuple[str, Iterator[int]]]:
        due = [inbox for inbox in self.inboxes if self.is_sweep_due(inbox)]
        if due and self.emits_versions:
            due = self.inboxes  # a target deletes in all of them at once
        self._is_sweeping = bool(due)
        self._version = self._next_version()
        self.set_version(self._version)
        if not self.is_full_table:
            for inbox in self.inboxes:
                yield "changes", self._changes(inbox)
        if due:
            yield "sweep", self._sweep(due)
        self.reader.report()
        self.log_end()

    def _changes(self, inbox: str | None) -> Iterator[int]:
        """Read the threads whose latest message is not older than the bookmark."""
        place = Place(inbox)
        bookmark, listing = self.bookmark_of(inbox), self.listing_of(place)
        since = self.since(bookmark)
        self.progress.begin_pass(f"Changes in {place.name}")
        self.logger.info(
            "Reading changes in %s %s",
            place.name,
            f"since {since}" if since > timestamps.EPOCH else "from the beginning",
        )
        for page in listing.pages(since):
            records = [self.reader.read(row) for row in page.rows]
            wanted = [
                (row, record)
                for row, record in zip(page.rows, records, strict=True)
                if self.filters.match(row, record)
            ]
            self._write(wanted, page)
            bookmark.advance(
                [record[TIMESTAMP] for record in records],
                settled_before=listing.settled_before,
                now=self.latest_bookmark,
            )
            if page.ends_group:
                self.write_state()
            if self._is_sweeping:
                ids = [record["id"] for _, record in wanted]
                self._seen[place].update(ids)
                self._changed.update(ids)
            self.progress.page(records, len(wanted), order=TIMESTAMP)
            yield len(wanted)
        bookmark.finish()
        self.write_state()

    def _sweep(self, inboxes: list[str | None]) -> Iterator[int]:
        """Read all threads, and write those that this run has not written yet.

        A thread can move while it is looked for: into the trash, out of it, or into
        another inbox. So ACTIVATE_VERSION, at which a target deletes what it has not
        received, is emitted only after a whole round that missed nothing. A listing may
        also be incomplete, so the sweep must have found every thread of the changes.
        """
        trash = (False, True) if self.config["include_archived"] else (False,)
        places = [Place(inbox, is_trash) for inbox in inboxes for is_trash in trash]
        last = min(state.sweep_began(self.state_of(inbox)) for inbox in inboxes)
        reason = f"the last complete one began at {last}"
        if last == timestamps.EPOCH:
            reason = "there has been no complete one yet"
        elif self.actors_are_incomplete:
            reason = "to find the actors of all threads"
        self.logger.info("Sweep begins: %s", reason)
        missed = yield from self._sweep_round(places)
        if self.emits_versions:
            for _ in range(self.MOST_ROUNDS):
                self.logger.info("Reading all threads again before any is deleted")
                time.sleep(self.PAUSE)
                missed = yield from self._sweep_round(places)
                if not missed:
                    break
            if missed or not self._found or not self._changed <= self._found:
                self.logger.warning(
                    "Threads moved while they were read, or a listing was incomplete, "
                    "so no thread is deleted; the next sweep tries again"
                )
            else:
                self.write_activate_version()
        for inbox in inboxes:
            state.note_sweep(
                self.state_of(inbox), began=self.began, version=self._version
            )
        self.note_actors()
        self.write_state()
        self.logger.info("Sweep complete")

    def _sweep_round(self, places: list[Place]) -> Generator[int, None, int]:
        """Read each place. Return how many threads no earlier listing had brought."""
        missed = 0
        for place in places:
            self.progress.begin_pass(f"Sweep of {place.name}")
            params = self.filters.params(place)
            for page in self.pool.prefetch(read_pages(self.fetch, params)):
                records = [self.reader.read(row) for row in page.rows]
                new = []
                for row, record in zip(page.rows, records, strict=True):
                    if self.filters.match(row, record):
                        missed += self._is_missed(row, record["id"])
                        if self._seen[place].add(record["id"]):
                            new.append((row, record))
                self._found.update(record["id"] for record in records)
                self._write(new, page)
                self.write_state()
                self.progress.page(records, len(new), order="id")
                yield len(new)
        return missed

    def _write(self, found: list[tuple[Record, Record]], page: Page) -> None:
        """Write the records of some rows, and note who the threads are assigned to."""
        self.write_page([record for _, record in found], page.fetched_at)
        self.mention(row.get("assignedTo") for row, _ in found)

    def _is_missed(self, row: dict[str, t.Any], identity: str) -> bool:
        """Return whether a target may hold a thread that this run has not written.

        It cannot hold one that was created after the run began.
        """
        if any(identity in seen for seen in self._seen.values()):
            return False
        created, began = timestamps.of(row, "createdAt"), self.client.began
        return created is None or began is None or created < began

    @override
    def is_sweep_due(self, inbox: str | None) -> bool:
        hours = self.config["sweep_interval_hours"]
        if self.is_full_table or (hours and self.actors_are_incomplete):
            return True
        return super().is_sweep_due(inbox)

    def _next_version(self) -> int | None:
        """Return the version of the rows: that of the sweep they belong to.

        Rows that come between two sweeps carry the version of the first one, because a
        target never deletes a row without a version.
        """
        if not self.emits_versions:
            return None
        states = [self.state_of(inbox) for inbox in self.inboxes]
        if self._is_sweeping:
            return state.next_version(states, began=self.began)
        return max(map(state.sweep_version, states))

    @cached_property
    def _seen(self) -> defaultdict[Place, SeenIds]:
        """The threads that have been written, by where they were found."""
        return defaultdict(SeenIds)

    @cached_property
    def _changed(self) -> SeenIds:
        """The threads that the changes have brought."""
        return SeenIds()

    @cached_property
    def _found(self) -> SeenIds:
        """The threads that the sweep has found, written or not."""
        return SeenIds()
