"""Pages read ahead of the rows that are written, by threads that share one client.

The rows come out in the order of the listing, whoever read them first. Only the thread
that asks for them hands them on, so everything behind this module knows one thread.
"""

from __future__ import annotations

import dataclasses
import queue
import threading
import time
import typing as t

from tap_hubspot_threads import timestamps
from tap_hubspot_threads.errors import EndlessListing
from tap_hubspot_threads.pagination import ThreadsPaginator
from tap_hubspot_threads.slices import Plan, Reading, moments_of

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator

    from tap_hubspot_threads.pagination import Listing, Page, PageToken
    from tap_hubspot_threads.slices import Slice

    Fetch: t.TypeAlias = Callable[[PageToken], Page]


class Rows(t.NamedTuple):
    """Some rows of a listing, a page at most, in its order.

    Attributes:
        rows: As they came from HubSpot.
        begins: Whether the listing begins here, or begins again from an earlier place.
    """

    rows: list[t.Any]
    begins: bool


def chain(fetch: Fetch, listing: Listing, logger: logging.Logger) -> Iterator[Rows]:
    """Follow the cursors of a listing, one request after the other.

    Raises:
        HubSpotError: If a page cannot be had.
    """
    paginator = ThreadsPaginator(listing, logger)
    while not paginator.finished:
        token = paginator.current_value
        page = fetch(token)
        yield Rows(page.rows, begins=token.after is None)
        paginator.advance(page)


class ReadAhead:
    """Reads a listing with several threads.

    Without `until` it is a chain whose next page is fetched while the present one is
    written. With it, a listing in timestamp order is cut into slices (`slices.Plan`).
    """

    MOST_WAITING = 2
    """Pages of a chain that are fetched before anybody asks for them."""

    MOST_WAITING_OF_A_SLICE = 2 * Plan.PAGES[1]

    PATIENCE = 0.2
    """Seconds that the threads are waited for at the end. One that waits for HubSpot
    takes longer; it does not keep the process from ending."""

    def __init__(  # noqa: PLR0913 - all of it is named where it is made
        self,
        fetch: Fetch,
        listing: Listing,
        *,
        page_size: int,
        readers: int,
        before: str | None = None,
        until: str | None,
        logger: logging.Logger,
    ) -> None:
        """Take what `Plan` takes, and a function that fetches a page in any thread."""
        self._fetch = fetch
        self._listing = listing
        self._page_size = page_size
        self._logger = logger
        self._plan = Plan(
            listing.since or timestamps.EPOCH,
            before=before,
            until=until,
            page_size=page_size,
            readers=readers,
        )
        self._changed = threading.Condition()
        # What the thread that hands on the rows waits for. Not the condition: the
        # exception of a signal must not meet it half way between two locks.
        self._news: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._is_closed = False
        self._readers = [
            threading.Thread(target=self._work, name=f"reader-{number}", daemon=True)
            for number in range(1 if until is None else readers)
        ]

    def __iter__(self) -> Iterator[Rows]:
        """Yield all rows of the listing, in pages of up to `page_size`.

        Raises:
            HubSpotError: If a page cannot be had. All rows before it have come then.
        """
        try:
            for reader in self._readers:
                reader.start()
            yield from self._in_pages(self._parts())
        finally:
            self._close()
        if self._plan.contradicted:
            since = self._plan.cut_at
            self._logger.warning(
                "HubSpot's threads are not in the order of their latest message, so "
                "they cannot be read in parallel; reading them again from %s, one "
                "page after the other",
                since,
            )
            yield from self._chain_since(since)

    def _in_pages(self, parts: Iterator[list[t.Any]]) -> Iterator[Rows]:
        """Make pages of the parts of slices, as the uncut listing would have them."""
        begins = True
        rest: list[t.Any] = []
        for rows in parts:
            if self._plan.cut_at is None:
                yield Rows(rows, begins)
                begins = False
                continue
            rest += rows
            while len(rest) >= self._page_size:
                yield Rows(rest[: self._page_size], begins)
                begins = False
                del rest[: self._page_size]
        if rest:
            yield Rows(rest, begins)

    def _parts(self) -> Iterator[list[t.Any]]:
        """Yield the rows of the slices in order, each as soon as it is there."""
        while True:
            with self._changed:
                head = self._first_unfinished()
                if head is None:
                    break
                rows = head.ready.popleft() if head.ready else None
                if self._plan.contradicted and (
                    rows is None or not self._plan.begins_with(head)
                ):
                    break  # only what had been read before the cut is still of use
                if rows is None and head.error is not None:
                    raise head.error
                self._changed.notify_all()
            if rows is None:
                self._news.get()
            else:
                yield rows
        if self._plan.tail is not None and not self._plan.contradicted:
            for page in self._chain_since(self._plan.tail):
                yield [row for row in page.rows if not self._plan.has_read(row)]

    def _first_unfinished(self) -> Slice | None:
        while (head := self._plan.head) is not None:
            if head.ready or head.error or head.reading is not Reading.DONE:
                return head
            self._plan.drop_head()
        return None

    def _chain_since(self, since: str | None) -> Iterator[Rows]:
        listing = dataclasses.replace(self._listing, since=since)
        return chain(self._fetch, listing, self._logger)

    def _work(self) -> None:
        """Read one slice after the other, until none is left."""
        while (piece := self._next()) is not None:
            error: Exception | None = None
            try:
                self._read(piece)
            except Exception as caught:  # noqa: BLE001 - raised where its rows are due
                error = caught
            with self._changed:
                if error is not None and self._is_wanted(piece):
                    self._plan.fail(piece, error)
                self._tell()

    def _next(self) -> Slice | None:
        with self._changed:
            while not (self._is_closed or self._plan.is_read):
                piece = self._plan.take()
                if piece is not None:
                    return piece
                self._changed.wait()
        return None

    def _read(self, piece: Slice) -> None:
        listing = self._listing
        if listing.since is not None:
            listing = dataclasses.replace(listing, since=piece.start)
        paginator = ThreadsPaginator(listing, self._logger)
        after = ""
        while not paginator.finished:
            with self._changed:
                while self._is_wanted(piece) and self._has_enough(piece):
                    self._changed.wait()
                if not self._is_wanted(piece):
                    return
                others_were_read = self._plan.others_are_read(piece)
            token = paginator.current_value
            if token.after is None and token.listing.since is not None:
                after = timestamps.shift(token.listing.since, milliseconds=-1)
            page = self._fetch(token)
            moments = moments_of(page.rows)
            is_endless: EndlessListing | None = None
            try:
                paginator.advance(page)
            except EndlessListing as error:
                is_endless = error
            with self._changed:
                if not self._is_wanted(piece):
                    return
                self._plan.took(
                    piece,
                    page.rows,
                    moments,
                    after=max(after, piece.reached) if token.after else after,
                    is_last=paginator.finished,
                    others_were_read=others_were_read,
                )
                self._tell()
                if piece.reading is Reading.DONE:
                    return
            if is_endless is not None:
                raise is_endless

    def _has_enough(self, piece: Slice) -> bool:
        head = self._plan.head
        if head is not None and head.reading is Reading.BEFORE:
            return False  # it waits for a reader, and this may be the next to be free
        most = (
            self.MOST_WAITING
            if self._plan.cut_at is None
            else self.MOST_WAITING_OF_A_SLICE
        )
        return len(piece.ready) >= most

    def _is_wanted(self, piece: Slice) -> bool:
        return not self._is_closed and self._plan.holds(piece)

    def _tell(self) -> None:
        self._changed.notify_all()
        self._news.put(None)

    def _close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        deadline = time.monotonic() + self.PATIENCE
        for reader in self._readers:
            if reader.ident is not None:
                reader.join(max(0.0, deadline - time.monotonic()))
