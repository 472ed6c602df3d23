"""The history of a thread: its messages, comments and events."""

from __future__ import annotations

import typing as t
from http import HTTPStatus
from urllib.parse import quote

from tap_hubspot_threads.errors import (
    EndlessListing,
    HubSpotError,
    InvalidResponse,
    RequestRefused,
    RetriesExhausted,
    TransientError,
)
from tap_hubspot_threads.paging import Page, read_pages
from tap_hubspot_threads.records import is_id

if t.TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from tap_hubspot_threads.client import HubSpotClient
    from tap_hubspot_threads.paging import Fetch

    Row: t.TypeAlias = dict[str, t.Any]


PAGE = "100"
"""Most items of a response. HubSpot documents no maximum; 100 is known to work."""

_ACTOR_FIELDS = ("createdBy", "assignedFrom", "assignedTo")
_ACTOR_LISTS = ("senders", "recipients")


class History(t.NamedTuple):
    """What HubSpot has of a thread.

    Attributes:
        thread: The row of the thread.
        rows: Its messages and events, oldest first; None if HubSpot did not serve them.
        fetched_at: When the last of them arrived, by this machine's clock.
        without_original: How many truncated messages HubSpot has no original of.
        error: Why there are no rows.
    """

    thread: Row
    rows: list[t.Any] | None
    fetched_at: dt.datetime | None = None
    without_original: int = 0
    error: HubSpotError | None = None


class HistoryReader:
    """Reads histories. Safe to use from several threads."""

    def __init__(
        self, client: HubSpotClient, path: str, *, with_originals: bool
    ) -> None:
        """Take the path of the threads, and whether to fetch truncated texts."""
        self._client = client
        self._path = path
        self._with_originals = with_originals

    def read(self, thread: Row) -> History:
        """Return the history of a thread, with an error that may be of this one only.

        Raises:
            HubSpotError: If the error concerns all of them.
        """
        try:
            history = self._read(thread)
            if history.rows and self._with_originals:
                missing = self._add_originals(thread, history.rows)
                history = history._replace(without_original=missing)
        except HubSpotError as error:
            if not _may_be_of_one_thread(error):
                raise
            return History(thread, None, error=error)
        return history

    def _read(self, thread: Row) -> History:
        """Read the history of a thread.

        It is not known whether HubSpot wants `archived=true` for the messages of an
        archived thread, nor what it answers otherwise. And a thread can be archived or
        restored after it was listed. So if there is nothing, the other way is tried.
        """
        is_archived = bool(thread.get("archived"))
        first = self._read_one_way(thread, is_archived=is_archived)
        if first.rows:
            return first
        other = self._read_one_way(thread, is_archived=not is_archived)
        return other if other.rows else first

    def _read_one_way(self, thread: Row, *, is_archived: bool) -> History:
        params = {"sort": "createdAt", "limit": PAGE}
        if is_archived:
            params["archived"] = "true"
        try:
            pages = list(read_pages(self._fetch_of(thread), params))
        except RequestRefused as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return History(thread, None, error=error)
        rows = [row for page in pages for row in page.rows]
        if not all(isinstance(row, dict) and is_id(row.get("id")) for row in rows):
            msg = "HubSpot answered with a message without `id`"
            raise InvalidResponse(msg)
        return History(thread, rows, pages[-1].fetched_at)

    def _fetch_of(self, thread: Row) -> Fetch:
        path = f"{self._path}/{_quoted(thread)}/messages"
        return lambda params: Page.of(self._client.get(path, params))

    def _add_originals(self, thread: Row, rows: list[t.Any]) -> int:
        """Add the whole text of messages that HubSpot lists in part.

        Returns:
            How many texts HubSpot does not have.
        """
        missing = 0
        for row in rows:
            if not isinstance(row, dict) or not _is_truncated(row):
                continue
            messages = f"{self._path}/{_quoted(thread)}/messages"
            path = f"{messages}/{_quoted(row)}/original-content"
            try:
                original = self._client.get(path, {}).body
            except RequestRefused as error:
                if error.status == HTTPStatus.UNAUTHORIZED:
                    raise
                missing += 1
                continue
            row["originalText"] = original.get("text")
            row["originalRichText"] = original.get("richText")
        return missing


def _may_be_of_one_thread(error: HubSpotError) -> bool:
    """Return whether HubSpot may serve other threads all the same."""
    if isinstance(error, RequestRefused):
        return error.status != HTTPStatus.UNAUTHORIZED
    if isinstance(error, RetriesExhausted):
        cause = error.__cause__
        return isinstance(cause, TransientError) and cause.kind in {"5xx", "not JSON"}
    return isinstance(error, EndlessListing | InvalidResponse)


def _quoted(row: Row) -> str:
    return quote(str(row.get("id")), safe="")


def _is_truncated(row: Row) -> bool:
    return row.get("truncationStatus") not in (None, "NOT_TRUNCATED")


def actors_of(row: Row) -> Iterator[object]:
    """Yield whom a message or event mentions, by ID."""
    for name in _ACTOR_FIELDS:
        yield row.get(name)
    for name in _ACTOR_LISTS:
        people = row.get(name)
        for person in people if isinstance(people, list) else ():
            if isinstance(person, dict):
                yield person.get("actorId")
