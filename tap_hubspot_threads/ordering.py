"""What the rows of a listing in timestamp order prove about their order."""

from __future__ import annotations

import typing as t

from tap_hubspot_threads import timestamps
from tap_hubspot_threads.paging import identity

if t.TYPE_CHECKING:
    from tap_hubspot_threads.paging import Page

    Moments: t.TypeAlias = list[str | None]
    """The timestamps of a page's rows, fixed width; None for a row without one."""
    Key: t.TypeAlias = tuple[object, str | None]


class Frontier:
    """The moment before which a listing has nothing more to bring.

    A row may show a newer time than its place in the order: HubSpot's index can lag
    behind its rows, and a message can arrive while a page is rendered. So one row
    proves nothing. The frontier is the oldest of the last `PROOF` rows: it would be
    wrong only if all of them were newer than their places.

    A row from the last few minutes proves nothing either, because then its thread may
    have moved while it was listed.

    Attributes:
        reached: The frontier, a fixed-width timestamp; "" while there is none.
        is_in_order: False once a row was older than the frontier before it. Then the
            listing is not sorted, and the frontier means nothing.
    """

    PROOF = 10

    def __init__(self) -> None:
        """Start without a frontier."""
        self.reached = ""
        self.is_in_order = True
        self._latest: list[str] = []

    def add_page(self, moments: Moments, *, settled_before: str) -> None:
        """Take the timestamps of a page. From `settled_before` on, none is proof."""
        settled = [m for m in moments if m is not None and m < settled_before]
        if settled and min(settled) < self.reached:
            self.is_in_order = False
        self._latest = [*self._latest, *settled][-self.PROOF :]
        if len(self._latest) == self.PROOF:
            self.reached = max(self.reached, min(self._latest))


class Repeats:
    """Recognizes the rows that come again where a listing is entered anew."""

    def __init__(self) -> None:
        """Start without rows."""
        self._known: set[Key] = set()
        self._may_come_again: set[Key] = set()
        self._bound = ""

    def enter(self) -> None:
        """Begin to read a listing from a moment that has been passed before."""
        self._known = set(self._may_come_again)

    def drop(self, page: Page, moments: Moments, following: str) -> Page:
        """Return a page without the rows that came before, by ID and timestamp.

        Args:
            page: A page.
            moments: The timestamps of its rows.
            following: The listing may be entered anew at this moment; "" if it is not
                known yet. The rows that it can repeat are remembered.
        """
        # A listing begins a millisecond early.
        bound = timestamps.shift(following, milliseconds=-1) if following else ""
        if bound != self._bound:
            self._bound = bound
            self._may_come_again = {
                key for key in self._may_come_again if (key[1] or bound) >= bound
            }
        self._may_come_again.update(
            (identity(row), moment)
            for row, moment in zip(page.rows, moments, strict=True)
            if (moment or bound) >= bound
        )
        if not self._known:
            return page
        rows = [
            row
            for row, moment in zip(page.rows, moments, strict=True)
            if (identity(row), moment) not in self._known
        ]
        if rows:
            self._known = set()  # repetitions come first
        return page._replace(rows=rows)


def rows_per_millisecond(moments: Moments, reached: str) -> float:
    """Return the density of the rows before a moment; 0 if it is unknown."""
    settled = [m for m in moments if m is not None and m < reached]
    span = timestamps.milliseconds_between(min(settled), reached) if settled else 0
    return len(settled) / span if span > 0 else 0.0
