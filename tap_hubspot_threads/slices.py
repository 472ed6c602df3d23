"""A listing in timestamp order, read in slices of time, several at once.

Cursors are a chain: the next page can only be asked for when the one before is there.
But a listing in timestamp order has a lower bound. So it can be entered anywhere, and
slices of time can be read side by side.

What lies more than a few minutes before HubSpot's now is settled: nothing can move into
it, because a thread that gets a message moves to the end. Slices cover the settled
part. When all of them have been read, one chain of pages reads from there to the end,
and meets whatever has moved meanwhile.

Nothing that was read is left out on account of its timestamp. A slice is over when its
rows prove that its end has been passed (see ``ordering``). What the next slice then
repeats is recognized by ID and timestamp.
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections import deque
from functools import partial

from tap_hubspot_threads import timestamps
from tap_hubspot_threads.errors import HubSpotError
from tap_hubspot_threads.ordering import Frontier, Repeats, rows_per_millisecond
from tap_hubspot_threads.paging import CursorLoop, read_pages, regroup

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Generator, Iterator

    from tap_hubspot_threads.concurrency import WorkerPool
    from tap_hubspot_threads.ordering import Moments
    from tap_hubspot_threads.paging import Fetch, Page

SETTLING = 5 * 60 * 1000
"""Milliseconds. HubSpot's index lags by seconds; its clock and the one in its ``Date``
header may differ by some more."""


@dataclasses.dataclass
class _Slice:
    """What was read of a range of time.

    Attributes:
        start: Its first moment.
        end: The first moment that is not part of it.
        pages: What was read, which may reach beyond the end; with the rows' timestamps.
        reached: Everything before this moment has been read.
        is_complete: Whether the rows prove that the end has been passed.
        is_last: Whether the listing ended before that.
        is_in_order: Whether the rows were sorted.
        error: Why it could not be read further.
    """

    start: str
    end: str
    pages: deque[tuple[Page, Moments]] = dataclasses.field(default_factory=deque)
    reached: str = ""
    is_complete: bool = False
    is_last: bool = False
    is_in_order: bool = True
    error: HubSpotError | None = None

    @property
    def density(self) -> float:
        """Rows in a millisecond; 0 if that is unknown."""
        return rows_per_millisecond(self._moments, self.reached)

    @property
    def oldest(self) -> str | None:
        """The oldest timestamp; None without one."""
        return min((m for m in self._moments if m is not None), default=None)

    @property
    def _moments(self) -> Moments:
        return [moment for _, moments in self.pages for moment in moments]


@dataclasses.dataclass
class _Plan:
    """Where the next slice begins, where the last one ends, and rows a millisecond."""

    position: str
    stop: str
    density: float


class _StopSlicing(Exception):
    """The rest of the listing, from a moment on, has to be read as a chain."""


class TimeListing:
    """One listing in timestamp order, from a moment to its end.

    Attributes:
        settled_before: Rows from this moment on prove nothing about their places: a few
            minutes before HubSpot's time, or before this machine's if that is unknown.
    """

    PAGES = 4
    """Pages of a slice. On average, half of its last page belongs to the next one."""

    FILLED = 0.95
    """How much of its pages a slice is to fill, so that chance rarely adds one."""

    LEAST_ROWS = 4 * Frontier.PROOF
    """Rows of a slice at least: `Frontier.PROOF` rows beyond its end are read, too."""

    WORTH_CUTTING = 16
    """Expected pages from which on slices are worth the requests they waste."""

    def __init__(  # noqa: PLR0913 - all of it is named where it is made
        self,
        fetch: Fetch,
        params: Callable[[str], dict[str, str]],
        *,
        field: str,
        page_size: int,
        hubspot_now: Callable[[], str | None],
        began: str,
        pool: WorkerPool,
        logger: logging.Logger,
        may_be_cut: bool = True,
    ) -> None:
        """Describe the listing.

        Args:
            fetch: Fetches the page for some parameters, in any thread.
            params: Returns the parameters of a listing from a moment on.
            field: The field that the listing is sorted by.
            page_size: Most rows of a page.
            hubspot_now: Returns HubSpot's time; None if it is unknown.
            began: When the run began by this machine's clock.
            pool: Runs the requests.
            logger: Where warnings go.
            may_be_cut: Whether it may be read in slices.
        """
        self._fetch = fetch
        self._params = params
        self._field = field
        self._page_size = page_size
        self._hubspot_now = hubspot_now
        self._pool = pool
        self._may_be_cut = may_be_cut and pool.workers > 1
        self._logger = logger
        self._began = began
        self._knows_time = False
        self._repeats = Repeats()
        self.settled_before = timestamps.shift(began, milliseconds=-SETTLING)

    def pages(self, since: str) -> Iterator[Page]:
        """Yield every row from a moment on, in pages of up to the page size.

        A thread comes twice if it got a message after it was listed, or if HubSpot
        turns out not to sort its rows.

        Raises:
            HubSpotError: If a page cannot be fetched. Every row before it has come by
                then.
        """
        return regroup(self._parts(since), self._page_size)

    def _parts(self, since: str) -> Iterator[Page]:
        plan = yield from self._chain(since, until_worth_cutting=True)
        if plan is None:
            return
        try:
            yield from self._slices(plan, since)
            position = plan.position
        except _StopSlicing as stop:
            [position] = stop.args
        yield from self._chain(position)

    def _chain(
        self, start: str, *, until_worth_cutting: bool = False
    ) -> Generator[Page, None, _Plan | None]:
        """Yield page after page. Return a plan for the rest, None after the end."""
        kept = self._page_size + Frontier.PROOF
        while True:
            frontier = Frontier()
            latest: Moments = []
            self._repeats.enter()
            pages = read_pages(self._fetch, self._params(start))
            try:
                for page in self._pool.prefetch(pages):
                    moments = self._moments(page)
                    self._note_time()
                    frontier.add_page(moments, settled_before=self.settled_before)
                    yield self._repeats.drop(page, moments, frontier.reached)
                    if until_worth_cutting and frontier.is_in_order:
                        latest = [*latest, *moments][-kept:]
                        plan = self._plan(frontier.reached, latest)
                        if plan is not None:
                            return plan
            except CursorLoop:
                if not frontier.is_in_order or frontier.reached <= start:
                    raise
                start = frontier.reached
                self._logger.warning(
                    "HubSpot's cursor repeated on a page with rows; listing again from "
                    "%s",
                    start,
                )
            else:
                return None

    def _note_time(self) -> None:
        now = self._hubspot_now()
        if now is not None and not self._knows_time:
            self._knows_time = True
            # The earlier of two clocks, in case an intermediary's Date is wrong.
            self.settled_before = timestamps.shift(
                min(now, self._began), milliseconds=-SETTLING
            )

    def _plan(self, reached: str, moments: Moments) -> _Plan | None:
        """Return how to cut the rest of the listing; None if that is not worth it."""
        density = rows_per_millisecond(moments, reached)
        may_be_cut = self._may_be_cut and self._knows_time
        if not may_be_cut or not density or reached >= self.settled_before:
            return None
        page = int(self._page_size / density)
        to_come = timestamps.milliseconds_between(reached, self.settled_before)
        if to_come < page * self.WORTH_CUTTING:
            return None
        # One page before the settled part ends, so that the last slice has rows behind
        # it that prove its end.
        stop = timestamps.shift(self.settled_before, milliseconds=-page)
        return _Plan(reached, stop, density)

    def _slices(self, plan: _Plan, since: str) -> Iterator[Page]:
        """Yield what the slices of a plan bring, and move the plan to its end."""
        ahead = self._pool.workers + 1
        for piece in self._pool.in_order(self._cut(plan), ahead=ahead):
            if not piece.is_in_order:
                self._logger.warning(
                    "HubSpot's rows are not sorted by `%s`, so they cannot be read in "
                    "parallel; reading them again from %s, one page after the other",
                    self._field,
                    since,
                )
                raise _StopSlicing(since)
            density, oldest = piece.density or plan.density, piece.oldest
            self._repeats.enter()
            following = piece.end if piece.is_complete else piece.reached or piece.start
            while piece.pages:
                yield self._repeats.drop(*piece.pages.popleft(), following)
            if piece.error is not None:
                raise piece.error
            if piece.is_last:
                # Either there are no later rows, or the listing ended too early.
                raise _StopSlicing(following)
            if not piece.is_complete:
                yield from self._slices(_Plan(piece.reached, piece.end, density), since)
                continue
            plan.density = density
            if oldest is not None and oldest >= piece.end:
                plan.position = max(plan.position, oldest)  # a gap

    def _cut(self, plan: _Plan) -> Iterator[Callable[[], _Slice]]:
        while (start := plan.position) < plan.stop:
            width = max(1, int(self._rows_of_a_slice / plan.density))
            rest = timestamps.milliseconds_between(start, plan.stop)
            plan.position = timestamps.shift(start, milliseconds=min(width, rest))
            yield partial(self._read_slice, start, plan.position)

    @property
    def _rows_of_a_slice(self) -> float:
        return max(self.PAGES * self.FILLED * self._page_size, self.LEAST_ROWS)

    def _read_slice(self, start: str, end: str) -> _Slice:
        """Read a slice to its end, or to a moment from where it is to be cut again."""
        piece = _Slice(start, end)
        frontier, rows = Frontier(), 0
        try:
            for page in read_pages(self._fetch, self._params(start)):
                moments = self._moments(page)
                piece.pages.append((page, moments))
                frontier.add_page(moments, settled_before=self.settled_before)
                piece.is_complete = frontier.reached >= end
                rows += len(page.rows)
                is_long = rows > 2 * self._rows_of_a_slice + Frontier.PROOF
                may_be_cut = is_long and frontier.reached > start
                if piece.is_complete or may_be_cut or not frontier.is_in_order:
                    break
            else:
                piece.is_last = True
        except CursorLoop as error:
            if frontier.reached <= start:
                piece.error = error
        except HubSpotError as error:
            piece.error = error
        piece.reached = frontier.reached
        piece.is_in_order = frontier.is_in_order
        return piece

    def _moments(self, page: Page) -> Moments:
        return [timestamps.of(row, self._field) for row in page.rows]
