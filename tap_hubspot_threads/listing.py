"""What `threads` and `messages` share: they list threads, by filters and bookmark."""

from __future__ import annotations

import typing as t
from functools import cached_property

from typing_extensions import override

from tap_hubspot_threads import state, timestamps
from tap_hubspot_threads.filters import TIMESTAMP, Filters, Place
from tap_hubspot_threads.slices import TimeListing
from tap_hubspot_threads.state import Bookmark
from tap_hubspot_threads.streams import HubSpotStream


class ListingStream(HubSpotStream):
    """A stream that lists threads.

    If `inbox_ids` is set, each inbox has its own requests and its own state.
    """

    endpoint = "threads"

    @property
    @override
    def partitions(self) -> list[dict[str, t.Any]] | None:
        inboxes = dict.fromkeys(self.config.get("inbox_ids") or ())
        return [{"inboxId": str(inbox)} for inbox in inboxes] or None

    @property
    @override
    def first_params(self) -> dict[str, str]:
        place = Place(self.inboxes[0])
        return self.filters.params(place, since=self.filters.since)

    @property
    def inboxes(self) -> list[str | None]:
        """The inboxes to extract; one None for all."""
        return [part["inboxId"] for part in self.partitions or ()] or [None]

    def state_of(self, inbox: str | None) -> dict[str, t.Any]:
        """Return the state of an inbox."""
        return self.get_context_state({"inboxId": inbox} if inbox else None)

    @cached_property
    def filters(self) -> Filters:
        """The filters of the configuration."""
        wants_tickets = self.is_selected(("properties", "threadAssociations"))
        return Filters(self.config, wants_tickets=wants_tickets)

    def bookmark_of(self, inbox: str | None) -> Bookmark:
        """Return the bookmark of an inbox."""
        return Bookmark(
            self.state_of(inbox), key=TIMESTAMP, began=self.began, logger=self.logger
        )

    def listing_of(self, place: Place, *, in_slices: bool = True) -> TimeListing:
        """Return the listing of a place in the order of the latest message."""
        return TimeListing(
            self.fetch,
            lambda since: self.filters.params(place, since=since),
            field=TIMESTAMP,
            page_size=self.config["page_size"],
            hubspot_now=lambda: self.client.now,
            began=self.began,
            pool=self.pool,
            logger=self.logger,
            may_be_cut=in_slices,
        )

    def since(self, bookmark: Bookmark) -> str:
        """Return where the changes begin: at the bookmark less the overlap."""
        if bookmark.value is None:
            return self.filters.since
        overlap = self.config["lookback_seconds"] * 1000
        begin = timestamps.shift(bookmark.value, milliseconds=-overlap)
        return max(self.filters.since, begin)

    def is_sweep_due(self, inbox: str | None) -> bool:
        """Return whether an inbox is to be swept in this run."""
        return state.is_sweep_due(
            self.state_of(inbox),
            interval_hours=self.config["sweep_interval_hours"],
            now=self.began,
        )

    @property
    def latest_bookmark(self) -> str:
        """The start of the run: the end of the second that HubSpot's clock showed.

        Or what this machine's clock showed if that is earlier, in case the ``Date`` is
        an intermediary's and wrong. Later moments may still get messages that HubSpot
        shows with a delay, and `lookback_seconds` is counted from the bookmark.
        """
        began = self.client.began
        end = timestamps.shift(began, milliseconds=999) if began else self.began
        return min(end, self.began)

    def log_end(self) -> None:
        """Log what the run has done, and what comes next."""
        states = [self.state_of(inbox) for inbox in self.inboxes]
        hours = 0 if self.is_full_table else self.config["sweep_interval_hours"]
        if not hours:
            due = "not scheduled"
        elif any(map(self.is_sweep_due, self.inboxes)):
            due = "due in the next run"
        else:
            began = min(map(state.sweep_began, states))
            due = f"due at {timestamps.shift(began, milliseconds=int(hours * 3.6e6))}"
        self.progress.end(
            f"bookmark {', '.join(str(each.get(state.VALUE)) for each in states)}",
            f"next sweep {due}",
            requests=self.requests_sent,
        )
