"""Pages, and the way from one page to the next.

What is known of HubSpot's pages: the cursor in ``paging.next.after`` is opaque, may
arrive percent-encoded, and may lead to a short or an empty page in the middle of a
listing. It has been seen to repeat, both at the end of a listing and within one.
``paging.next.link`` has been seen pointing elsewhere and is never followed.
"""

from __future__ import annotations

import typing as t
from urllib.parse import unquote

from singer_sdk.pagination import BaseAPIPaginator
from typing_extensions import override

from tap_hubspot_threads.errors import EndlessListing, InvalidResponse

if t.TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator

    from tap_hubspot_threads.responses import Answer

    Fetch: t.TypeAlias = Callable[[dict[str, str]], "Page"]

_ID = (str, int)  # `str | int` would be made anew for every row


class Page(t.NamedTuple):
    """Some rows of a listing, in its order.

    Attributes:
        rows: As HubSpot sent them. A row may be any JSON value.
        after: The cursor to the next page, decoded; None on the last page.
        fetched_at: When the rows arrived, by this machine's clock.
        total: How many rows the listing has, as HubSpot says; 0 if it does not.
        ends_group: Whether STATE is due after it.
    """

    rows: list[t.Any]
    after: str | None
    fetched_at: dt.datetime
    total: int = 0
    ends_group: bool = True

    @classmethod
    def of(cls, answer: Answer) -> Page:
        """Read a page.

        Raises:
            InvalidResponse: If the answer is not a page. An answer without `results` is
                never taken for an empty one.
        """
        rows = answer.body.get("results")
        if not isinstance(rows, list):
            msg = (
                "HubSpot answered 200 with JSON that has no list of `results`; check "
                "the settings `api_url` and `api_version`"
            )
            raise InvalidResponse(msg)
        total = answer.body.get("total")
        return cls(
            rows,
            _cursor(answer.body.get("paging")),
            answer.fetched_at,
            total if isinstance(total, int) else 0,
        )


class CursorLoop(EndlessListing):
    """A page with rows led back to a cursor that was followed before."""


class CursorPaginator(BaseAPIPaginator[str | None]):
    """Follows ``paging.next.after``.

    A short or empty page is part of the listing as long as the cursor changes. An empty
    page that repeats the cursor just sent is the end.
    """

    MOST_IDLE_PAGES = 100
    """Pages in a row that bring nothing, after which a listing counts as endless: they
    are empty, or have the same IDs as a page before."""

    def __init__(self) -> None:
        """Start at the first page."""
        super().__init__(None)
        self._sent: set[str] = set()
        self._pages: set[int] = set()
        self._idle_pages = 0

    @override
    def get_next(self, response: Page) -> str | None:  # type: ignore[override]
        """Return the cursor to the next page; None after the last one.

        Raises:
            CursorLoop: If the cursor repeats on a page with rows.
            EndlessListing: If too many pages in a row bring nothing.
        """
        after = response.after
        ids = hash(tuple(map(identity, response.rows)))
        is_idle = not response.rows or ids in self._pages
        self._idle_pages = self._idle_pages + 1 if is_idle else 0
        self._pages.add(ids)
        if after is None or (not response.rows and after == self.current_value):
            return None
        if self._idle_pages > self.MOST_IDLE_PAGES:
            msg = (
                f"HubSpot sent {self._idle_pages} pages in a row that were empty or "
                "the same as before, each with a cursor to a next one. Run again, and "
                "report it to HubSpot if it persists"
            )
            raise EndlessListing(msg)
        if after in self._sent:
            msg = (
                "HubSpot's pages go round in a circle: a page with rows led back to a "
                "cursor that had been followed before. Run again, and report it to "
                "HubSpot if it persists"
            )
            raise CursorLoop(msg)
        self._sent.add(after)
        return after


def read_pages(fetch: Fetch, params: dict[str, str]) -> Iterator[Page]:
    """Yield the pages of a listing.

    Args:
        fetch: Fetches the page for some parameters.
        params: The parameters of the listing, without a cursor.

    Raises:
        HubSpotError: If a page cannot be fetched, after every page before it.
    """
    paginator = CursorPaginator()
    while not paginator.finished:
        cursor = paginator.current_value
        page = fetch(params if cursor is None else params | {"after": cursor})
        yield page
        paginator.advance(page)  # type: ignore[arg-type]


def identity(row: object) -> object:
    """Return the ID of a row, or something that equals nothing else."""
    if isinstance(row, dict) and isinstance(row.get("id"), _ID):
        return row["id"]
    return object()  # an error, which must not be taken for a repetition


def regroup(pages: Iterator[Page], size: int) -> Iterator[Page]:
    """Divide pages of any size so that a group of them ends every `size` rows."""
    room = size
    for page in pages:
        rows = page.rows
        while rows:
            part, rows = rows[:room], rows[room:]
            room -= len(part)
            yield page._replace(rows=part, ends_group=room == 0)
            room = room or size


def _cursor(paging: object) -> str | None:
    """Find the next cursor. Absent, null and empty all mean the last page."""
    for name in ("next", "after"):
        if paging is None:
            return None
        if not isinstance(paging, dict):
            msg = "HubSpot answered with a `paging` that is not an object"
            raise InvalidResponse(msg)
        paging = paging.get(name)
    if paging is None or paging == "":
        return None
    if isinstance(paging, bool) or not isinstance(paging, (str, int)):
        msg = "HubSpot answered with a `paging.next.after` that is not text"
        raise InvalidResponse(msg)
    return unquote(str(paging))
