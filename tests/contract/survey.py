"""What is read of an account: a few pages of each list, and some histories.

Everything is read once, when a probe first needs it, and kept in memory only.
"""

from __future__ import annotations

import datetime as dt
import typing as t
from functools import cached_property
from urllib.parse import quote

from tap_hubspot_threads import timestamps
from tap_hubspot_threads.histories import actors_of
from tap_hubspot_threads.streams import endpoint_path
from tests.contract.listings import Listing, distinct
from tests.contract.readings import CannotTell

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.contract.client import ReadOnlyClient, Reply
    from tests.contract.listings import Row

VERSION = "2026-09-beta"
LATEST = "latestMessageTimestamp"
NO_THREAD, NO_ACTOR = "1", "A-1"
"""IDs that no thread and no actor is expected to have."""

_ARCHIVED: dict[str, t.Any] = {"archived": "true"}
_HOURS = (1, 6, 24, 4 * 24, 16 * 24, 64 * 24, 256 * 24)
_TRIES = 6


class History(t.NamedTuple):
    """The messages of a thread, oldest first.

    Attributes:
        thread: The thread's row, read before the messages.
        listing: Its messages.
    """

    thread: Row
    listing: Listing

    @property
    def rows(self) -> list[Row]:
        """The messages and events."""
        return self.listing.rows


class Survey:
    """An account, as far as the probes read it."""

    def __init__(self, client: ReadOnlyClient) -> None:
        """Take the client. Nothing is requested yet."""
        self.client = client

    def ask(self, endpoint: str, **params: str | list[str]) -> Reply:
        """Send one request to an endpoint."""
        return self.client.ask(endpoint_path(VERSION, endpoint), params)

    def read(
        self, endpoint: str, *, most: int = 1, want: int = 1_000_000, **params: str
    ) -> Listing:
        """Read a listing of an endpoint."""
        path = endpoint_path(VERSION, endpoint)
        return Listing(self.client, path, params, most=most, want=want)

    def by_time(
        self, since: str, *, limit: int, most: int, want: int = 1_000_000
    ) -> Listing:
        """Read threads in the order of the latest message."""
        params: dict[str, t.Any] = {"sort": LATEST, f"{LATEST}After": since}
        params["limit"] = str(limit)
        return self.read("threads", most=most, want=want, **params)

    def messages(
        self, thread: str, *, most: int = 1, want: int = 1_000_000, **params: str
    ) -> Listing:
        """Read messages of a thread, 100 in a page."""
        endpoint = f"threads/{quote(thread, safe='')}/messages"
        params = {"limit": "100"} | params
        return self.read(endpoint, most=most, want=want, **params)

    def original(self, thread: str, message: str) -> Reply:
        """Ask for the original content of a message."""
        ids = (quote(thread, safe=""), quote(message, safe=""))
        return self.ask("threads/{}/messages/{}/original-content".format(*ids))

    # Threads.

    @property
    def now(self) -> str:
        """HubSpot's time, or this machine's if HubSpot does not tell it."""
        here = timestamps.normalize(dt.datetime.now(dt.UTC).isoformat())
        return self.client.now or here

    @cached_property
    def by_id(self) -> Listing:
        """The first threads in the order of IDs, with their tickets."""
        return self.read(
            "threads", most=3, sort="id", limit="500", association="TICKET"
        )

    @cached_property
    def without_tickets(self) -> Listing:
        """The first page of the same, without asking for tickets."""
        return self.read("threads", sort="id", limit="500")

    @cached_property
    def small_pages(self) -> Listing:
        """The first threads in the order of IDs, in small pages."""
        return self.read("threads", most=10, sort="id", limit="7")

    @cached_property
    def oldest(self) -> Listing:
        """The threads whose latest messages are the oldest."""
        return self.by_time(timestamps.EPOCH, limit=500, most=2)

    @cached_property
    def newest(self) -> Listing:
        """The threads with the newest messages, to the end of the listing."""
        found, reached = None, self.now
        begin, end = timestamps.EPOCH, self.now
        for hours in (*_HOURS, None):
            if hours is None:
                reached = timestamps.EPOCH
            else:
                reached = timestamps.shift(end, milliseconds=-hours * 3_600_000)
            listing = self.by_time(reached, limit=100, most=4)
            if not listing.is_complete:
                begin = reached
                break
            found = listing
            if len(listing.rows) > 10 or hours is None:
                break
        tries = 0 if found is not None and found.rows else _TRIES
        for _ in range(tries):
            half = timestamps.milliseconds_between(begin, reached) // 2
            middle = timestamps.shift(begin, milliseconds=half)
            listing = self.by_time(middle, limit=100, most=4)
            if listing.is_complete and listing.rows:
                return listing
            begin, reached = (
                (begin, middle) if listing.is_complete else (middle, reached)
            )
        if found is None:
            msg = "the end of the list was not found"
            raise CannotTell(msg)
        return found

    @cached_property
    def trash(self) -> Listing:
        """Archived threads."""
        return self.read(
            "threads", most=6, want=20, sort="id", limit="500", **_ARCHIVED
        )

    @property
    def threads(self) -> list[Row]:
        """The live threads in all of these."""
        listings = (self.by_id, self.oldest, self.newest)
        return distinct(row for listing in listings for row in listing.rows)

    # Messages.

    @cached_property
    def histories(self) -> list[History]:
        """The messages of some threads: neighbors, busy ones, long ones, new ones."""
        chosen = distinct(
            [
                *self.by_id.rows[:8],
                *[row for row in self.threads if is_later_than_messages(row)][:4],
                *sorted(self.by_id.rows, key=_lifetime)[-4:],
                *self.newest.rows[-4:],
                *self.by_id.rows[8:12],
            ]
        )
        return [
            History(row, self.messages(str(row["id"]), most=5, sort="createdAt"))
            for row in chosen[:20]
        ]

    @property
    def message_rows(self) -> list[Row]:
        """The messages and events of these threads."""
        return [row for history in self.histories for row in history.rows]

    # Names.

    @cached_property
    def actor_ids(self) -> list[str]:
        """The actors whom threads and messages mention, kinds in turn."""
        by_kind: dict[str, dict[str, None]] = {}
        for identity in self._mentioned():
            kind, dash, _ = identity.partition("-")
            if dash:
                by_kind.setdefault(kind, {})[identity] = None
        most = max(map(len, by_kind.values()), default=0)
        kinds = [list(ids) for ids in by_kind.values()]
        return [ids[n] for n in range(most) for ids in kinds if n < len(ids)]

    def _mentioned(self) -> Iterator[str]:
        identities = [row.get("assignedTo") for row in self.threads]
        identities += [each for row in self.message_rows for each in actors_of(row)]
        yield from (each for each in identities if isinstance(each, str))

    @cached_property
    def names(self) -> dict[str, Listing]:
        """The other lists, of live rows."""
        lists = ("inboxes", "channels", "channel-accounts")
        return {each: self.read(each, most=6, limit="100") for each in lists}

    @cached_property
    def archived_names(self) -> dict[str, Listing]:
        """The lists that have archived rows, of these."""
        lists = ("inboxes", "channel-accounts")
        return {
            each: self.read(each, most=6, limit="100", **_ARCHIVED) for each in lists
        }

    @cached_property
    def names_in_small_pages(self) -> Listing:
        """The channels, in small pages: HubSpot has a handful for every account."""
        return self.read("channels", most=8, limit="3")


def is_later_than_messages(row: Row) -> bool:
    """Whether a thread's latest message is later than those sent and received."""
    ends = ("Sent", "Received")
    moments = [timestamps.of(row, f"latestMessage{end}Timestamp") for end in ends]
    latest = timestamps.of(row, LATEST)
    return latest is not None and latest > max(m or "" for m in moments)


def _lifetime(row: Row) -> int:
    created, latest = timestamps.of(row, "createdAt"), timestamps.of(row, LATEST)
    return timestamps.milliseconds_between(created, latest) if created and latest else 0
