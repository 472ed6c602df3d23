"""Which threads are asked for, and which rows match."""

from __future__ import annotations

import typing as t

from tap_hubspot_threads import timestamps
from tap_hubspot_threads.errors import InvalidResponse
from tap_hubspot_threads.timestamps import EPOCH

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tap_hubspot_threads.paging import Page

TIMESTAMP = "latestMessageTimestamp"


class Place(t.NamedTuple):
    """Where a thread is listed. It is in one place at any time.

    Attributes:
        inbox: ID of the inbox; None for all. HubSpot takes one in a request.
        is_trash: Whether these are the archived threads.
    """

    inbox: str | None
    is_trash: bool = False

    @property
    def name(self) -> str:
        """What a person calls it."""
        kind = "archived" if self.is_trash else "live"
        return f"{kind} threads{f' of inbox {self.inbox}' if self.inbox else ''}"


class Filters:
    """The filters of a configuration.

    Attributes:
        since: Where a listing in timestamp order begins that has no bookmark.
    """

    def __init__(self, config: Mapping[str, t.Any], *, wants_tickets: bool) -> None:
        """Take the settings, and whether HubSpot is to send the tickets of threads."""
        start = config.get("start_date")
        self._start_date = timestamps.normalize(start) if start else None
        self.since = max(EPOCH, self._start_date or EPOCH)
        self._status = config.get("thread_status")
        self._params = {
            "limit": config["page_size"],
            "associatedContactId": config.get("associated_contact_id"),
            "associatedTicketId": config.get("associated_ticket_id"),
            "threadStatus": self._status,
            "association": "TICKET" if wants_tickets else None,
        }

    def params(self, place: Place, *, since: str | None = None) -> dict[str, str]:
        """Return the parameters of a listing, in timestamp order if it has a start.

        HubSpot ignores the bound without the sort and refuses the sort without the
        bound. Whether the bound is inclusive is unclear (the reference says "after", a
        client measured "from"), so it is sent a millisecond early.
        """
        order = {"sort": "id"}
        if since is not None:
            bound = timestamps.shift(since, milliseconds=-1)
            order = {"sort": TIMESTAMP, f"{TIMESTAMP}After": bound}
        where = {"inboxId": place.inbox, "archived": "true" if place.is_trash else None}
        rest = self._params | where
        return order | {k: str(v) for k, v in rest.items() if v is not None}

    def match(self, row: dict[str, t.Any], record: dict[str, t.Any]) -> bool:
        """Return whether a row and its record match the start date and the status.

        HubSpot has no start date in the order of IDs, and has been reported to ignore
        `threadStatus` without a contact.
        """
        if self._status is not None and row.get("status") != self._status:
            return False
        if self._start_date is None:
            return True
        moment = record[TIMESTAMP] or timestamps.of(row, "createdAt")
        return moment is None or moment >= self._start_date

    def matching(self, pages: Iterable[Page]) -> Iterator[dict[str, t.Any]]:
        """Yield the rows of a listing that match.

        Raises:
            InvalidResponse: If a row has no ID.
        """
        for row in (row for page in pages for row in page.rows):
            if not isinstance(row, dict) or not isinstance(row.get("id"), str | int):
                msg = (
                    "HubSpot answered with a thread without `id`. Run again, and "
                    "report it to HubSpot if it persists"
                )
                raise InvalidResponse(msg)
            if self.match(row, {TIMESTAMP: timestamps.of(row, TIMESTAMP)}):
                yield row
