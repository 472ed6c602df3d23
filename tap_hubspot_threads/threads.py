"""The stream `threads`."""

from __future__ import annotations

import time
import typing as t
from collections import defaultdict
from functools import cached_property

from typing_extensions import override

from tap_hubspot_threads import state, timestamps
from tap_hubspot_threads.filters import TIMESTAMP, Filters, Place
from tap_hubspot_threads.paging import read_pages
from tap_hubspot_threads.schemas import THREAD
from tap_hubspot_threads.seen import SeenIds
from tap_hubspot_threads.slices import TimeListing
from tap_hubspot_threads.state import Bookmark
from tap_hubspot_threads.streams import HubSpotStream

if t.TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from singer_sdk.helpers.types import Record

    from tap_hubspot_threads.paging import Page


class ThreadsStream(HubSpotStream):
    """Conversation threads, from HubSpot's "list threads" endpoint.

    A run reads the threads with a new message, in the order of that message (changes).
    Nothing but a message moves `latestMessageTimestamp`, so when a sweep is due, it
    then reads all others as well, in the order of their IDs (sweep).
    """

    name = "threads"
    endpoint = "threads"
    replication_key: str | None = TIMESTAMP
    schema: t.ClassVar[dict[str, t.Any]] = THREAD
    always_selected = frozenset({"id", TIMESTAMP})

    MOST_ROUNDS = 5
    """How often a sweep is repeated until it misses no thread."""

    _version: int | None = None
    _is_sweeping = False

    @property
    @override
    def partitions(self) -> list[dict[str, t.Any]] | None:
        inboxes = dict.fromkeys(self.config.get("inbox_ids") or ())
        return [{"inboxId": str(inbox)} for inbox in inboxes] or None

    @override
    def passes(self) -> Iterator[tuple[str, Iterator[int]]]:
        due = [inbox for inbox in self._inboxes if self._is_sweep_due(inbox)]
        if due and self.emits_versions:
            due = self._inboxes  # a target deletes in all of them at once
        self._is_sweeping = bool(due)
        self._version = self._next_version()
        self.set_version(self._version)
        if not self.is_full_table:
            for inbox in self._inboxes:
                yield "changes", self._changes(inbox)
        if due:
            yield "sweep", self._sweep(due)
        self.reader.report()
        self._log_end()

    @property
    @override
    def first_params(self) -> dict[str, str]:
        place = Place(self._inboxes[0])
        return self._filters.params(place, since=self._filters.since)

    def _changes(self, inbox: str | None) -> Iterator[int]:
        """Read the threads whose latest message is not older than the bookmark."""
        place = Place(inbox)
        bookmark = Bookmark(
            self._state_of(inbox), key=TIMESTAMP, began=self.began, logger=self.logger
        )
        listing = TimeListing(
            self.fetch,
            lambda since: self._filters.params(place, since=since),
            field=TIMESTAMP,
            page_size=self.config["page_size"],
            hubspot_now=lambda: self.client.now,
            began=self.began,
            pool=self.pool,
            logger=self.logger,
        )
        since = self._since(bookmark)
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
                if self._filters.match(row, record)
            ]
            self._write(wanted, page)
            bookmark.advance(
                [record[TIMESTAMP] for record in records],
                settled_before=listing.settled_before,
                now=self._latest_bookmark,
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
        last = min(state.sweep_began(self._state_of(inbox)) for inbox in inboxes)
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
                self._state_of(inbox), began=self.began, version=self._version
            )
        self.note_actors()
        self.write_state()
        self.logger.info("Sweep complete")

    def _sweep_round(self, places: list[Place]) -> Generator[int, None, int]:
        """Read each place. Return how many threads no earlier listing had brought."""
        missed = 0
        for place in places:
            self.progress.begin_pass(f"Sweep of {place.name}")
            params = self._filters.params(place)
            for page in self.pool.prefetch(read_pages(self.fetch, params)):
                records = [self.reader.read(row) for row in page.rows]
                new = []
                for row, record in zip(page.rows, records, strict=True):
                    if self._filters.match(row, record):
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

    def _since(self, bookmark: Bookmark) -> str:
        """Return where the changes begin: at the bookmark less the overlap."""
        if bookmark.value is None:
            return self._filters.since
        overlap = self.config["lookback_seconds"] * 1000
        begin = timestamps.shift(bookmark.value, milliseconds=-overlap)
        return max(self._filters.since, begin)

    def _is_sweep_due(self, inbox: str | None) -> bool:
        hours = self.config["sweep_interval_hours"]
        if self.is_full_table or (hours and self.actors_are_incomplete):
            return True
        kept = self._state_of(inbox)
        return state.is_sweep_due(kept, interval_hours=hours, now=self.began)

    def _next_version(self) -> int | None:
        """Return the version of the rows: that of the sweep they belong to.

        Rows that come between two sweeps carry the version of the first one, because a
        target never deletes a row without a version.
        """
        if not self.emits_versions:
            return None
        states = [self._state_of(inbox) for inbox in self._inboxes]
        if self._is_sweeping:
            return state.next_version(states, began=self.began)
        return max(map(state.sweep_version, states))

    def _log_end(self) -> None:
        states = [self._state_of(inbox) for inbox in self._inboxes]
        hours = 0 if self.is_full_table else self.config["sweep_interval_hours"]
        due = timestamps.shift(
            min(map(state.sweep_began, states)), milliseconds=int(hours * 3_600_000)
        )
        self.progress.end(
            f"bookmark {', '.join(str(each.get(state.VALUE)) for each in states)}",
            f"next sweep {f'due at {due}' if hours else 'not scheduled'}",
            requests=self.requests_sent,
        )

    @property
    def _inboxes(self) -> list[str | None]:
        return [part["inboxId"] for part in self.partitions or ()] or [None]

    def _state_of(self, inbox: str | None) -> dict[str, t.Any]:
        return self.get_context_state({"inboxId": inbox} if inbox else None)

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

    @cached_property
    def _filters(self) -> Filters:
        wants_tickets = self.is_selected(("properties", "threadAssociations"))
        return Filters(self.config, wants_tickets=wants_tickets)

    @property
    def _latest_bookmark(self) -> str:
        """The start of the run: the end of the second that HubSpot's clock showed.

        Or what this machine's clock showed if that is earlier, in case the ``Date`` is
        an intermediary's and wrong. Later moments may still get messages that HubSpot
        shows with a delay, and `lookback_seconds` is counted from the bookmark.
        """
        began = self.client.began
        end = timestamps.shift(began, milliseconds=999) if began else self.began
        return min(end, self.began)
