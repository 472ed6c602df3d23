"""The stream `messages`: the history of each thread.

HubSpot has no list of messages, so each thread takes a request of its own.
"""

from __future__ import annotations

import itertools
import typing as t
from functools import cached_property, partial

from typing_extensions import override

from tap_hubspot_threads import schemas, timestamps
from tap_hubspot_threads.filters import TIMESTAMP, Place
from tap_hubspot_threads.histories import HistoryReader, actors_of
from tap_hubspot_threads.listing import ListingStream
from tap_hubspot_threads.paging import read_pages
from tap_hubspot_threads.progress import ThreadProgress
from tap_hubspot_threads.reserve import DailyReserve
from tap_hubspot_threads.seen import SeenIds
from tap_hubspot_threads.slices import SETTLING
from tap_hubspot_threads.sweeps import CLOSED_SINCE, KNOWN_ID, MessageSweep
from tap_hubspot_threads.threadlist import ThreadList
from tap_hubspot_threads.unserved import Unserved

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tap_hubspot_threads.histories import History
    from tap_hubspot_threads.state import Bookmark
    from tap_hubspot_threads.tap import TapHubSpotThreads

    Row: t.TypeAlias = dict[str, t.Any]


class _Changes(t.NamedTuple):
    """The threads of an inbox with a message since its bookmark."""

    inbox: str | None
    bookmark: Bookmark
    threads: ThreadList
    settled_before: str


class MessagesStream(ListingStream):
    """Messages, comments and events of threads.

    A run reads the histories of the threads with a new message, in the order of that
    message (changes), each as a whole. When a sweep is due, it also reads those in
    which something may have happened without a message: the threads that are open, and
    those that were closed since the last sweep.
    """

    name = "messages"
    primary_keys: t.Sequence[str] = ("conversationsThreadId", "id")
    schema: t.ClassVar[dict[str, t.Any]] = schemas.MESSAGE
    always_selected = frozenset({"id", "conversationsThreadId"})

    THREADS_PER_STATE = 10
    """Threads after which STATE is due. At HubSpot's limit, that is every second."""

    AHEAD = 4
    """Histories that are read ahead, for each parallel request."""

    def __init__(self, tap: TapHubSpotThreads) -> None:
        """Start without threads."""
        super().__init__(tap)
        self._read = {False: SeenIds(), True: SeenIds()}
        self._from_the_beginning: set[str | None] = set()
        self._without_original = 0
        self._requests_before = 0

    @property
    @override
    def requests_sent(self) -> int:
        sent = self.client.requests_sent
        names = ("threads", "messages", "original-content")
        return sum(sent[name] for name in names) - self._requests_before

    @override
    def dry_run(self, most: int) -> None:
        pass  # that of `threads` asks for what comes first here as well

    @override
    def passes(self) -> Iterator[tuple[str, Iterator[int]]]:
        self._requests_before = self.requests_sent  # those of `threads`
        due = [inbox for inbox in self.inboxes if self.is_sweep_due(inbox)]
        yield "changes", self._changes()
        is_cut = self._reserve.is_reached
        for inbox in due:
            if not (self.is_refused or self._reserve.is_reached):
                yield "sweep", self._sweep(inbox)
        if self._reserve.is_reached:
            then = "; a sweep is due after that" if is_cut and due else ""
            self._log_reserve(then)
        self._report()

    def _changes(self) -> Iterator[int]:
        """Read the histories of the threads with a message since the bookmark."""
        changes = list(map(self._list_changes, self.inboxes))
        for number, each in enumerate(changes):
            left = sum(len(other.threads) for other in changes[number:])
            self._begin(f"Messages of {Place(each.inbox).name}", left)
            with self.refusal_postponed():
                yield from self._read_changes(each)

    def _list_changes(self, inbox: str | None) -> _Changes:
        bookmark = self.bookmark_of(inbox)
        if bookmark.value is None:
            self._from_the_beginning.add(inbox)
        # A page of it is 500 requests for histories, so it need not be fast.
        listing = self.listing_of(Place(inbox), in_slices=False)
        threads = self._listed(
            itertools.chain(
                self._unserved[inbox].threads,
                self.filters.matching(listing.pages(self.since(bookmark))),
            )
        )
        return _Changes(inbox, bookmark, threads, listing.settled_before)

    def _read_changes(self, changes: _Changes) -> Iterator[int]:
        inbox, bookmark, threads, settled_before = changes
        unserved = self._unserved[inbox]
        is_first_load = inbox in self._from_the_beginning
        if is_first_load and not self._reserve.is_reached:
            # What was there before the first run is read by the changes.
            self.state_of(inbox).setdefault(CLOSED_SINCE, self._settled)
            self.state_of(inbox).setdefault(KNOWN_ID, threads.greatest_id)

        now = self.latest_bookmark

        def move(thread: Row) -> None:
            moments = [timestamps.of(thread, TIMESTAMP)]
            bookmark.advance(moments, settled_before=settled_before, now=now)

        yield from self._read_all(threads, unserved, then=move)
        if not self._reserve.is_reached:
            unserved.finish(is_first_load=is_first_load)
            bookmark.finish()
        self.write_state()

    def _sweep(self, inbox: str | None) -> Iterator[int]:
        """Read the histories in which something may have happened without a message."""
        sweep, unserved = self._sweep_of(inbox), self._unserved[inbox]
        with self.refusal_postponed():
            for is_trash in sweep.parts():
                place = Place(inbox, is_trash)
                threads = self._listed(self._changed(sweep, place))
                self._begin(f"Sweep of the messages of {place.name}", len(threads))
                yield from self._read_all(threads, unserved, then=sweep.note)
                if self._reserve.is_reached:
                    break
                unserved.finish(is_first_load=False)
            else:
                sweep.finish()
        self.write_state()

    def _read_all(
        self, threads: ThreadList, unserved: Unserved, *, then: Callable[[Row], None]
    ) -> Iterator[int]:
        """Read and write histories, and call `then` with each thread that is done."""
        for number, history in enumerate(self._histories(threads), start=1):
            rows = self._write(history)
            unserved.add(history)
            if not unserved.pending:
                then(history.thread)
            self.progress.thread(rows)
            if number % self.THREADS_PER_STATE == 0:
                self.write_state()
            yield rows

    def _listed(self, threads: Iterator[Row]) -> ThreadList:
        """List threads to the end, or until the reserve is reached."""
        return ThreadList(
            itertools.takewhile(lambda _: not self._reserve.is_reached, threads)
        )

    def _begin(self, name: str, threads: int) -> None:
        if not self._reserve.is_reached:  # else the list may not be complete
            self.progress.begin(name, threads)

    def _sweep_of(self, inbox: str | None) -> MessageSweep:
        return MessageSweep(
            self.state_of(inbox),
            began=self.began,
            settled=self._settled,
            includes_trash=self.config["include_archived"],
            follows_all=inbox in self._from_the_beginning,
        )

    def _changed(self, sweep: MessageSweep, place: Place) -> Iterator[Row]:
        """Yield the threads of a place that a sweep has yet to read."""
        params = self.filters.params(place)
        threads = sweep.rest(
            lambda: self.filters.matching(
                self.pool.prefetch(read_pages(self.fetch, params))
            )
        )
        for thread in filter(sweep.may_have_changed, threads):
            # One that was archived since may have changed while it was read.
            is_read = str(thread["id"]) in self._read[place.is_trash]
            if not is_read and thread not in self._unserved[place.inbox]:
                yield thread

    def _histories(self, threads: Iterable[Row]) -> Iterator[History]:
        """Yield the histories of threads, in their order, read side by side."""

        def calls() -> Iterator[Callable[[], History]]:
            for thread in threads:
                if self._reserve.is_reached:
                    return
                yield partial(self._reader.read, thread)

        return self.pool.in_order(calls(), ahead=self.AHEAD * self.pool.workers)

    def _write(self, history: History) -> int:
        """Write a history, and return the number of its records."""
        if history.rows is None or history.fetched_at is None:
            return 0
        identity = str(history.thread["id"])
        if history.rows:
            self._read[bool(history.thread.get("archived"))].add(identity)
        self._without_original += history.without_original
        records = []
        for row in history.rows:
            if isinstance(row, dict):
                if row.get("conversationsThreadId") is None:
                    row["conversationsThreadId"] = identity
                self.mention(actors_of(row))
            records.append(self.reader.read(row))
        self.write_page(records, history.fetched_at)
        return len(records)

    def _log_reserve(self, then: str) -> None:
        to_come, requests = self.progress.to_come, None
        if to_come is not None:
            requests = to_come * self.requests_sent / self.progress.threads
        self._reserve.log(to_come, requests=requests, then=then)

    def _report(self) -> None:
        """Log what is special, and what the run has done."""
        unserved = self._unserved.values()
        if gone := sum(each.gone for each in unserved):
            self.logger.info(
                "Threads that were deleted before their messages were read: %d", gone
            )
        failed = [error for each in unserved for error in each.failed.values()]
        if failed:
            noun = "thread, which" if len(failed) == 1 else "threads, which"
            words = f"the messages of {len(failed)} {noun} the next run tries again"
            self._hubspot_tap.unread[words] = failed[0]
        if self._without_original:
            self.logger.warning(
                "Truncated messages of which HubSpot gave no original: %d",
                self._without_original,
            )
        self.reader.report()
        self.log_end()

    @property
    @override
    def is_full_table(self) -> bool:
        return False  # it has no replication key, but a bookmark

    @cached_property
    @override
    def progress(self) -> ThreadProgress:
        return ThreadProgress(
            self.logger,
            share_in_use=self.client.limiter.share_in_use,
            requests_sent=lambda: self.requests_sent,
        )

    @cached_property
    def _unserved(self) -> dict[str | None, Unserved]:
        read = self._reader.read
        return {inbox: Unserved(self.state_of(inbox), read) for inbox in self.inboxes}

    @cached_property
    def _reader(self) -> HistoryReader:
        with_originals = bool(self.config["include_original_content"])
        return HistoryReader(self.client, self.path, with_originals=with_originals)

    @property
    def _settled(self) -> str:
        """A few minutes before the run began, by the earlier of two clocks."""
        began = min(self.began, self.client.began or self.began)
        return timestamps.shift(began, milliseconds=-SETTLING)

    @cached_property
    def _reserve(self) -> DailyReserve:
        return DailyReserve(
            self.client,
            self.logger,
            percent=float(self.config["daily_limit_reserve"]),
            # For requests that are on their way, and for actors.
            least=(self.AHEAD + 3) * self.pool.workers,
        )
