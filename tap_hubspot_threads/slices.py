"""How a listing in timestamp order is cut into slices that are read side by side.

Nothing here asks or waits: a plan says what to read next and is told of the pages. The
threads and the lock around it are `ahead`'s.
"""

from __future__ import annotations

import dataclasses
import enum
import typing as t
from collections import deque
from itertools import pairwise

from tap_hubspot_threads import timestamps
from tap_hubspot_threads.errors import EndlessListing
from tap_hubspot_threads.pagination import TIMESTAMP

if t.TYPE_CHECKING:
    from collections.abc import Sequence


class Reading(enum.Enum):
    """How far a slice has been read."""

    BEFORE = enum.auto()
    UNDER_WAY = enum.auto()
    DONE = enum.auto()


@dataclasses.dataclass(eq=False, slots=True)
class Slice:
    """A range of ``latestMessageTimestamp``, and what has been read of it.

    Attributes:
        start: Its first moment, fixed width.
        end: The first moment that is not its own; None to the end of the listing.
        density: Threads in a millisecond, as seen next to it; 0 where unknown.
        reading: How far it has been read.
        reached: Timestamp of the last row of its pages.
        newest: The rows that have this timestamp.
        pages: How many pages these were.
        look_again: After as many pages, what is left of it may be cut off.
        ready: Its rows by page, as far as nobody has taken them.
        error: Why it cannot be read on.
    """

    start: str
    end: str | None = None
    density: float = 0.0
    reading: Reading = Reading.BEFORE
    reached: str = ""
    newest: list[t.Any] = dataclasses.field(default_factory=list)
    pages: int = 0
    look_again: int = 1
    ready: deque[list[t.Any]] = dataclasses.field(default_factory=deque)
    error: Exception | None = None


class Plan:
    """The slices of one listing, in order, each of a few pages.

    The listing begins as one slice without an end: the plain chain of cursors. When
    its pages let expect many more, the rest is cut off it, and whoever is free gets a
    piece of that. How long a piece is follows from the density next to it:

    - Of a piece that turns out denser, what is left is cut off again.
    - A page that reaches beyond its piece, as at a gap, takes what it covers from the
      rest behind it, unless that is being read already.

    What is read of a slice lies before the moment at which it is read. So a thread can
    only move to where nobody looks again if the end of the listing was read before
    some other slice. From that end on the listing is then read once more (`tail`).

    Attributes:
        contradicted: Whether a page was not one of a listing in order. Rows may then
            be missing from slices, and all since `cut_at` has to be listed again.
        cut_at: The moment up to which it was read before it was cut; None if it is
            uncut.
        tail: From where to read once more at the end; None for nowhere.
    """

    PAGES = (4, 6)
    """Least and most of a slice. Half of its last page, on average, is in vain."""

    FILLED = 0.96
    """How far a slice is meant to fill its pages, so that chance seldom adds one."""

    WORTH_CUTTING = 16
    """Pages to come that make a chain worth cutting. For fewer, the requests in vain
    would be more than a quarter of all."""

    AT_ONCE = 4
    """Slices that are read side by side from the first on. More are only when some
    pages have shown that the account is as dense as expected."""

    def __init__(
        self,
        since: str,
        *,
        before: str | None = None,
        until: str | None,
        page_size: int,
        readers: int,
    ) -> None:
        """Begin with all of it in one slice.

        Args:
            since: Lower bound of the listing, fixed width.
            before: Rows from this moment on are of no use, and nothing is read once
                more. None where the listing is wanted to its end.
            until: About where it ends: the moment the run began. A later timestamp
                says nothing of a row's place: its thread may have got a message while
                the page was rendered. None for a listing that is not to be cut.
            page_size: Most rows of a page.
            readers: How many may read at a time.
        """
        self._first = Slice(since, before)
        self._is_bounded = before is not None
        self._slices = [self._first]
        self._until = until
        self._page_size = page_size
        self._readers = readers
        self._window = readers + 2
        self._most_waiting = self.PAGES[1] * readers
        self._pages_read = 0
        self.contradicted = False
        self.cut_at: str | None = None
        self.tail: str | None = None
        self._at_tail: set[tuple[str, str]] = set()
        self._late: set[tuple[str, str]] = set()

    @property
    def head(self) -> Slice | None:
        """The first slice that has not been dropped, None after the last."""
        return self._slices[0] if self._slices else None

    def begins_with(self, piece: Slice) -> bool:
        """Say whether a slice is the one that the plan began with."""
        return piece is self._first

    def drop_head(self) -> None:
        """Forget the first slice, whose rows have all been taken."""
        del self._slices[0]

    def holds(self, piece: Slice) -> bool:
        """Say whether a slice is still of use to anybody."""
        return not self.contradicted and piece in self._slices

    @property
    def is_read(self) -> bool:
        """Whether nothing is left to be given out, now or later."""
        return all(piece.reading is Reading.DONE for piece in self._slices)

    def take(self) -> Slice | None:
        """Give out the next piece; None if there is none at present.

        Only what is near the head is given out, and little while much waits to be
        taken, so that memory is bounded by the number of readers.
        """
        under_way = sum(s.reading is Reading.UNDER_WAY for s in self._slices)
        if under_way >= max(self.AT_ONCE, self._pages_read // 3):
            return None
        waiting = sum(len(piece.ready) for piece in self._slices)
        reach = self._window if waiting <= self._most_waiting else 1
        for at, piece in enumerate(self._slices[:reach]):
            if piece.reading is Reading.BEFORE:
                piece.reading = Reading.UNDER_WAY
                if piece.density:
                    pages = self._pages_of_a_slice(piece)
                    if self._pages_to_come(piece, piece.start) > 1.5 * pages:
                        self._cut(at, piece.start, pages)
                    piece.look_again = pages + 1
                return piece
        return None

    def others_are_read(self, piece: Slice) -> bool:
        """Say whether there is no other slice left to be read to its end."""
        return all(
            other.reading is Reading.DONE
            for other in self._slices
            if other is not piece
        )

    def took(  # noqa: PLR0913 - all of it belongs to a page
        self,
        piece: Slice,
        rows: list[t.Any],
        moments: Sequence[str] | None,
        *,
        after: str,
        is_last: bool,
        others_were_read: bool,
    ) -> None:
        """Take in a page of a slice, and say in its `reading` whether that was all.

        Args:
            piece: The slice.
            rows: The rows of the page.
            moments: Their timestamps, fixed width; None if one of them has none.
            after: In a listing in order, no row of this page is older.
            is_last: Whether the listing ends with this page.
            others_were_read: What `others_are_read` said when the page was asked for.
        """
        piece.pages += 1
        self._pages_read += 1
        if self._until is not None and not self._is_in_order(moments, after):
            if self.cut_at is not None:
                self.contradicted = True
                return
            self._until = None  # not a listing to be cut
        if self._until is None or moments is None:
            piece.ready.append(rows)
            if is_last:
                piece.reading = Reading.DONE
            return
        placed = [moment for moment in moments if moment < self._until]
        before = piece.reached
        self._measure(piece, placed)
        if piece.reached != before:
            piece.newest.clear()
        piece.newest += [
            row
            for row, moment in zip(rows, moments, strict=True)
            if moment == piece.reached
        ]
        at = self._slices.index(piece)
        self._spread(at, is_last=is_last)
        if is_last and (piece.end is None or piece.reached < piece.end):
            self._end(at, others_were_read=others_were_read)
        elif piece.end is not None and piece.reached >= piece.end:
            piece.reading = Reading.DONE
        elif piece.pages >= piece.look_again:
            self._cut_off_rest(at)
        begin, stop = self._own(piece, moments)
        piece.ready.append(rows[begin:stop])
        self._late |= {
            (_id(row), moment)
            for row, moment in zip(rows[begin:stop], moments[begin:stop], strict=True)
            if moment >= self._until
        }

    def fail(self, piece: Slice, error: Exception) -> None:
        """Take note that a slice cannot be read on: what is behind it is of no use."""
        if self.cut_at is not None and isinstance(error, EndlessListing):
            self.contradicted = True  # the chain may know a way
            return
        piece.error = error
        piece.reading = Reading.DONE
        del self._slices[self._slices.index(piece) + 1 :]

    def has_read(self, row: t.Any) -> bool:  # noqa: ANN401
        """Say whether a row at the beginning of the tail has been read before it."""
        moments = moments_of([row])
        if moments is None or self.tail is None:
            return False
        known = (_id(row), moments[0])
        return moments[0] < self.tail or known in self._at_tail or known in self._late

    def _measure(self, piece: Slice, placed: Sequence[str]) -> None:
        """Take in how far a page gets, and its density."""
        if not placed:
            return
        # A short page says little, so what was before it counts, too.
        begin = placed[0]
        if len(placed) < self._page_size / 2 and piece.reached:
            begin = piece.reached
        piece.reached = placed[-1]
        span = timestamps.milliseconds_between(begin, piece.reached)
        if span > 0:
            piece.density = len(placed) / span

    def _is_in_order(self, moments: Sequence[str] | None, after: str) -> bool:
        if moments is None:
            return False
        placed = [moment for moment in moments if moment < (self._until or "")]
        return not placed or (
            placed[0] >= after and all(a <= b for a, b in pairwise(placed))
        )

    def _own(self, piece: Slice, moments: Sequence[str]) -> tuple[int, int]:
        """Say which rows of a page belong to the slice: from where up to where."""
        begin = 0
        if piece is not self._first:  # its listing began a little earlier
            while begin < len(moments) and moments[begin] < piece.start:
                begin += 1
        end, until = piece.end, self._until or ""
        if end is None:
            return begin, len(moments)
        stop = next(
            (at for at, moment in enumerate(moments) if end <= moment < until),
            len(moments),
        )
        return begin, stop

    def _spread(self, at: int, *, is_last: bool) -> None:
        """Extend a slice over what its page covers of the rest behind it."""
        piece, following = self._slices[at], self._slices[at + 1 :]
        unread = (each for each in following if each.reading is Reading.BEFORE)
        rest = next(unread, None)
        if rest is None:
            return
        is_next = rest is following[0]
        if is_next or piece.reached >= rest.start:
            rest.density = piece.density or rest.density
        if not is_next:
            return
        if is_last or (rest.end is not None and piece.reached >= rest.end):
            piece.end = rest.end
            del self._slices[at + 1]
        elif piece.reached > rest.start:
            piece.end = rest.start = piece.reached

    def _end(self, at: int, *, others_were_read: bool) -> None:
        """Take note of where the listing ends at present."""
        piece = self._slices[at]
        piece.reading = Reading.DONE
        if at + 1 == len(self._slices) and (others_were_read or self._is_bounded):
            return
        end = piece.reached or piece.start
        if self.tail is None or end < self.tail:
            self.tail = end
            self._at_tail = {(_id(row), end) for row in piece.newest}
        del self._slices[at + 1 :]

    def _cut_off_rest(self, at: int) -> None:
        piece = self._slices[at]
        to_come = self._pages_to_come(piece, piece.reached)
        pages = self._pages_of_a_slice(piece)
        least = self.WORTH_CUTTING if self.cut_at is None else 1.5 * pages
        piece.look_again = piece.pages + 1
        if piece.reached and to_come >= least and self._cut(at, piece.reached, pages):
            piece.look_again += pages
            self.cut_at = self.cut_at or piece.reached

    def _cut(self, at: int, begin: str, pages: int) -> bool:
        """End a slice after some pages from a moment on, and leave the rest behind."""
        piece = self._slices[at]
        rows = pages * self.FILLED * self._page_size
        width = int(rows / piece.density)
        if width < 1:
            return False
        end = timestamps.shift(begin, milliseconds=width)
        self._slices.insert(at + 1, Slice(end, piece.end, piece.density))
        piece.end = end
        return True

    def _pages_to_come(self, piece: Slice, begin: str) -> float:
        end = min(piece.end or "9", self._until or "")
        if not piece.density or begin >= end:  # also of a listing not to be cut
            return 0.0
        span = timestamps.milliseconds_between(begin, end)
        return span * piece.density / self._page_size

    def _pages_of_a_slice(self, piece: Slice) -> int:
        """Return smaller slices towards the end, so that all readers end together."""
        least, most = self.PAGES
        to_come = self._pages_to_come(piece, piece.reached or piece.start)
        return max(least, min(most, int(to_come / self._readers)))


def moments_of(rows: list[t.Any]) -> list[str] | None:
    """Return the timestamps of a page, None if one of its rows has none."""
    try:
        return [timestamps.normalize(row[TIMESTAMP]) for row in rows]
    except (KeyError, TypeError, ValueError):
        return None


def _id(row: dict[str, t.Any]) -> str:
    return str(row.get("id"))
