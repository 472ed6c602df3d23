"""Listings, read as the tap reads them, with what their pages looked like."""

from __future__ import annotations

import datetime as dt
import typing as t

from tap_hubspot_threads.paging import CursorLoop, CursorPaginator, Page
from tap_hubspot_threads.responses import Answer
from tests.contract.readings import CannotTell

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tests.contract.client import ReadOnlyClient, Reply

    Row: t.TypeAlias = dict[str, t.Any]

MISSING = object()


class SeenPage(t.NamedTuple):
    """A page of a listing.

    Attributes:
        rows: Its rows.
        after: The cursor to the next page, decoded; None if there is none.
        sent: The cursor that was sent.
        limit: The limit that was sent.
        reply: The response.
    """

    rows: list[Row]
    after: str | None
    sent: str | None
    limit: int
    reply: Reply

    @property
    def paging(self) -> t.Any:
        """What `paging` is; MISSING if it is not there."""
        return self.reply.body.get("paging", MISSING)

    @property
    def following(self) -> t.Any:
        """What `paging.next` is; MISSING if it is not there."""
        paging = self.paging
        return paging.get("next", MISSING) if isinstance(paging, dict) else MISSING


class Listing:
    """The pages of a listing up to some number, or up to some number of rows.

    Attributes:
        pages: The pages.
        is_complete: Whether the last one ended the listing.
        loops: Whether a page with rows repeated a cursor.
        refused: The status of a refusal; 0 if there was none.
    """

    def __init__(
        self,
        client: ReadOnlyClient,
        path: str,
        params: Mapping[str, t.Any],
        *,
        most: int = 1,
        want: int = 1_000_000,
    ) -> None:
        """Read up to `most` pages, until there are `want` rows."""
        self.pages: list[SeenPage] = []
        self.loops = False
        self.refused = 0
        paginator = CursorPaginator()
        while not paginator.finished and len(self.pages) < most:
            if len(self.rows) >= want:
                break
            sent = paginator.current_value
            cursor = {} if sent is None else {"after": sent}
            reply = client.ask(path, {**params, **cursor})
            if reply.status != 200:
                self.refused = reply.status
                break
            page = Page.of(Answer(reply.body, dt.datetime.now(dt.UTC)))
            rows = [row for row in page.rows if isinstance(row, dict)]
            limit = int(params.get("limit", 0))
            self.pages.append(SeenPage(rows, page.after, sent, limit, reply))
            try:
                paginator.advance(page)  # type: ignore[arg-type]
            except CursorLoop:
                self.loops = True
                break
        self.is_complete = paginator.finished

    @property
    def rows(self) -> list[Row]:
        """The rows of all pages."""
        return [row for page in self.pages for row in page.rows]

    @property
    def middle(self) -> Iterator[SeenPage]:
        """The pages that a page with rows follows."""
        with_rows = [n for n, page in enumerate(self.pages) if page.rows]
        return iter(self.pages[: max(with_rows, default=0)])

    def needed(self) -> list[Row]:
        """Return the rows.

        Raises:
            CannotTell: If there are none.
        """
        if self.refused:
            msg = f"the list is refused with {self.refused}"
            raise CannotTell(msg)
        if not self.rows:
            msg = "the list is empty"
            raise CannotTell(msg)
        return self.rows


def end_of(listing: Listing) -> str:
    """Describe how a listing ended."""
    last = listing.pages[-1]
    if listing.loops:
        return "a page with rows repeats a cursor"
    if not last.rows and last.sent is not None and last.after == last.sent:
        return "an empty page repeats the cursor"
    for name, value in (("paging", last.paging), ("paging.next", last.following)):
        if value is None:
            return f"{name} is null"
        if value == {}:
            return f"{name} is {{}}"
        if value is MISSING:
            return "paging is missing" if name == "paging" else "paging has no next"
    return "paging.next.after is empty"


def distinct(rows: Iterable[Row]) -> list[Row]:
    """Return rows without repetitions, by ID."""
    return list({str(row.get("id")): row for row in rows}.values())
