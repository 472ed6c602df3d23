"""Listings, their pages, and the way from one page to the next.

What is known of HubSpot's pages, and how surely, is in the README under
"How pages are followed". In short: the cursor in ``paging.next.after`` is opaque,
may arrive percent-encoded, may lead to an empty page in mid-listing, and has been
seen to repeat, at the end of a listing and within one.
"""

from __future__ import annotations

import dataclasses
import typing as t
from urllib.parse import unquote

import msgspec
from singer_sdk.pagination import BaseAPIPaginator
from typing_extensions import override

from tap_hubspot_threads import timestamps
from tap_hubspot_threads.errors import (
    EndlessListing,
    PassingFault,
    UnreadableAnswer,
)

if t.TYPE_CHECKING:
    import logging

    import requests

TIMESTAMP = "latestMessageTimestamp"


@dataclasses.dataclass(frozen=True, slots=True)
class Listing:
    """One query to the endpoint: which threads, in which order.

    Attributes:
        since: Lower bound of ``latestMessageTimestamp``, fixed width. With it the
            rows come in the order of that field and lack the threads that never
            had a message; without it they come in the order of ``id``.
        filters: Further query parameters.
    """

    since: str | None = None
    filters: tuple[tuple[str, str], ...] = ()

    @property
    def params(self) -> dict[str, str]:
        """The query parameters, without the cursor and the page size.

        HubSpot ignores the bound without the sort and refuses the sort without
        the bound. Whether the bound is inclusive is unclear (the reference says
        "after", a client measured "from"), so it is sent one millisecond early.
        """
        order = {"sort": "id"}
        if self.since is not None:
            order = {
                "sort": TIMESTAMP,
                f"{TIMESTAMP}After": timestamps.shift(self.since, milliseconds=-1),
            }
        return order | dict(self.filters)


class PageToken(t.NamedTuple):
    """What asks for one page: a listing and the cursor in it, None at its start."""

    listing: Listing
    after: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Page:
    """An answer of the endpoint: its rows as they came, and the cursor, decoded."""

    rows: list[t.Any]
    after: str | None

    @classmethod
    def of(cls, response: requests.Response) -> Page:
        """Read a page from an answer with status 200.

        Raises:
            PassingFault: If the body is not JSON, as when a proxy answers, or the
                connection was cut without a sign of it.
            UnreadableAnswer: If it is JSON but no page of threads. An answer without
                `results` is never taken for "no threads".
        """
        try:
            body = msgspec.json.decode(response.content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            msg = "HubSpot answered 200 with a body that is not JSON"
            raise PassingFault(msg, kind="not JSON") from error
        if not isinstance(body, dict) or not isinstance(body.get("results"), list):
            msg = (
                "HubSpot answered 200 with JSON that has no list of `results`; check "
                "the settings `api_url` and `api_version`"
            )
            raise UnreadableAnswer(msg)
        return cls(rows=body["results"], after=_cursor(body.get("paging")))


def _cursor(paging: object) -> str | None:
    """Find the next cursor: absent, null and empty all mean the last page."""
    for name in ("next", "after"):
        if paging is None:
            return None
        if not isinstance(paging, dict):
            msg = "HubSpot answered with a `paging` that is not an object"
            raise UnreadableAnswer(msg)
        paging = paging.get(name)
    if paging is None or paging == "":
        return None
    if isinstance(paging, bool) or not isinstance(paging, (str, int)):
        msg = "HubSpot answered with a `paging.next.after` that is not text"
        raise UnreadableAnswer(msg)
    return unquote(str(paging))


class ThreadsPaginator(BaseAPIPaginator[PageToken]):
    """Follows ``paging.next.after`` to the end of a listing.

    Short pages and empty ones are part of a listing as long as the cursor changes.
    An empty page that repeats the cursor just sent is its end. A page with rows that
    repeats a cursor is a loop: a listing in timestamp order is then begun again at
    the newest timestamp it had reached, once for each place; one in id order ends
    with an error, as does one whose ids do not ascend.
    """

    MOST_EMPTY_PAGES = 100
    """Empty pages in a row, after which a listing counts as endless."""

    def __init__(self, listing: Listing, logger: logging.Logger) -> None:
        """Start at the first page of a listing."""
        super().__init__(PageToken(listing))
        self._token = PageToken(listing)
        self._at_end = False
        self._pages = 0
        self._logger = logger
        self._sent: set[str] = set()
        self._empty_pages = 0
        self._highest_id = -1

    @property
    @override
    def current_value(self) -> PageToken:
        return self._token

    @property
    @override
    def finished(self) -> bool:
        return self._at_end

    @property
    @override
    def count(self) -> int:
        return self._pages

    @override
    def advance(self, response: requests.Response | Page) -> None:
        """Take in a page and move to the next one, or finish.

        Raises:
            EndlessListing: If the pages do not get anywhere.
        """
        page = response if isinstance(response, Page) else Page.of(response)
        self._pages += 1
        self._count_empty(page)
        if page.after is None or (not page.rows and page.after == self._token.after):
            self._at_end = True
            return
        if self._token.listing.since is None:
            self._check_ids(page)
        if page.after in self._sent:
            self._token = self._restart(page)
        else:
            self._sent.add(page.after)
            self._token = self._token._replace(after=page.after)

    @override
    def continue_if_empty(
        self,
        response: requests.Response,
    ) -> bool:
        """Go on past an empty page: ``advance`` decides whether it was the last."""
        return True

    @override
    def get_next(self, response: requests.Response) -> PageToken | None:
        """Return what asks for the page after this one, None after the last."""
        after = Page.of(response).after
        return None if after is None else self._token._replace(after=after)

    def _count_empty(self, page: Page) -> None:
        self._empty_pages = 0 if page.rows else self._empty_pages + 1
        if page.after is not None and self._empty_pages > self.MOST_EMPTY_PAGES:
            msg = (
                f"HubSpot sent {self._empty_pages} empty pages in a row, each with "
                "a cursor to a next one. Run again; the run goes on where it "
                "stopped"
            )
            raise EndlessListing(msg)

    def _check_ids(self, page: Page) -> None:
        if not page.rows:
            return
        highest = max((_number(row) for row in page.rows), default=-1)
        if highest <= self._highest_id:
            msg = (
                "HubSpot's listing in id order sent a page that does not get past the "
                f"thread before it (id {self._highest_id}), so it would never end. "
                "Run again, and report it to HubSpot if it stays"
            )
            raise EndlessListing(msg)
        self._highest_id = highest

    def _restart(self, page: Page) -> PageToken:
        listing = self._token.listing
        reached = max((_timestamp(row) for row in page.rows), default="")
        if listing.since is None or reached <= listing.since:
            msg = (
                "HubSpot's pages go round in a circle: a page with threads led back "
                "to a cursor that had been followed already"
            )
            if listing.since is not None:
                msg += f", and starting again from {listing.since} did not get past it"
            raise EndlessListing(f"{msg}. Run again, and report it to HubSpot")
        self._logger.warning(
            "HubSpot's cursor repeated on a page with threads; listing again from %s",
            reached,
        )
        self._sent.clear()
        return PageToken(dataclasses.replace(listing, since=reached))


def _number(row: object) -> int:
    """Return the id for comparison; -1 where there is none to compare."""
    try:
        return int(row["id"])  # type: ignore[index]
    except (TypeError, KeyError, ValueError):
        return -1


def _timestamp(row: object) -> str:
    try:
        return timestamps.normalize(row[TIMESTAMP])  # type: ignore[index]
    except (TypeError, KeyError, ValueError):
        return ""
