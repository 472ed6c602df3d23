"""The threads whose histories are to be read."""

from __future__ import annotations

import typing as t
import zlib
from collections import deque

import msgspec

from tap_hubspot_threads.errors import HubSpotError
from tap_hubspot_threads.filters import TIMESTAMP
from tap_hubspot_threads.sweeps import number_of

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    Row: t.TypeAlias = dict[str, t.Any]


class ThreadList:
    """Threads that have been listed, in about ten bytes each.

    Their histories can take hours. A listing that is read as slowly could lose threads:
    its cursors may expire, and may be row numbers that shift when a thread moves.

    Attributes:
        greatest_id: The greatest ID that is a number; 0 without one.
    """

    FIELDS = ("id", "archived", TIMESTAMP)
    PAGE = 500

    def __init__(self, threads: Iterator[Row]) -> None:
        """Read a listing to its end.

        If it fails before, the error is raised behind the threads that it has brought.
        """
        self._pages: deque[bytes] = deque()
        self._count = 0
        self.greatest_id = 0
        self._error: HubSpotError | None = None
        page: list[list[t.Any]] = []
        try:
            for thread in threads:
                self.greatest_id = max(self.greatest_id, number_of(thread["id"]) or 0)
                page.append([thread.get(name) for name in self.FIELDS])
                if len(page) == self.PAGE:
                    self._keep(page)
                    page = []
        except HubSpotError as error:
            self._error = error
        self._keep(page)

    def __len__(self) -> int:
        """Return how many threads are left."""
        return self._count

    def __iter__(self) -> Iterator[Row]:
        """Yield the threads, with the fields that reading needs, and forget them.

        Raises:
            HubSpotError: Why the listing could not be read further.
        """
        while self._pages:
            for values in msgspec.json.decode(zlib.decompress(self._pages.popleft())):
                self._count -= 1
                yield dict(zip(self.FIELDS, values, strict=True))
        if self._error is not None:
            raise self._error

    def _keep(self, page: list[list[t.Any]]) -> None:
        self._count += len(page)
        self._pages.append(zlib.compress(msgspec.json.encode(page)))
