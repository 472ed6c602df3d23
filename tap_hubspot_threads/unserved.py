"""Threads whose histories HubSpot did not serve.

State, in addition to what `state` describes:

    unread  threads that HubSpot could not serve; each run tries them again
"""

from __future__ import annotations

import typing as t
from http import HTTPStatus

from tap_hubspot_threads.errors import HubSpotError, RequestRefused

if t.TYPE_CHECKING:
    from tap_hubspot_threads.histories import History
    from tap_hubspot_threads.state import State

    Row: t.TypeAlias = dict[str, t.Any]

_UNREAD = "unread"


class Unserved:
    """What becomes of threads without a history.

    One that HubSpot does not find (404) was deleted after it was listed. One with any
    other error is noted, and the next run tries it again. But if the endpoint itself
    is missing or broken, all threads have the same error. So nothing is concluded from
    an error until another thread has been served.

    Attributes:
        gone: How many threads were deleted.
        failed: The errors of the threads that could not be served, by their IDs.
    """

    MOST_GONE = 20
    """Threads in a row that HubSpot may not find."""

    MOST_FAILED = 3
    """Threads in a row that may have other errors, each after all of its retries."""

    MOST_UNREAD = 100
    """Threads that may be noted in the state."""

    def __init__(self, kept: State) -> None:
        """Take the state of the stream, or of one of its partitions. Written to."""
        self._kept = kept
        self._pending: list[tuple[str, HubSpotError]] = []
        self._has_served = False
        self.gone = 0
        self.failed: dict[str, HubSpotError] = {}

    @property
    def threads(self) -> list[Row]:
        """The threads that earlier runs could not read."""
        return [{"id": identity} for identity in self._unread]

    @property
    def pending(self) -> int:
        """How many threads had an error since the last one that was served."""
        return len(self._pending)

    def add(self, history: History) -> None:
        """Take the next history, in order.

        Raises:
            HubSpotError: The error of the history, if too many had one in a row.
        """
        identity = str(history.thread["id"])
        if history.error is None:
            self._has_served = True
            self._settle()
            self._note(identity, is_unread=False)
            return
        self._pending.append((identity, history.error))
        if not _is_gone(history.error):
            self.failed[identity] = history.error
        failed = sum(not _is_gone(error) for _, error in self._pending)
        if len(self._pending) >= self.MOST_GONE or failed >= self.MOST_FAILED:
            raise history.error

    def finish(self) -> None:
        """Take the end of a first listing.

        Raises:
            HubSpotError: If none of its threads could be read.
        """
        if self._pending and not self._has_served:
            raise self._pending[-1][1]

    def _settle(self) -> None:
        """Draw the conclusions, now that another thread has been served."""
        for identity, error in self._pending:
            self.gone += _is_gone(error)
            self._note(identity, is_unread=not _is_gone(error))
            if len(self._unread) > self.MOST_UNREAD:
                raise error
        self._pending.clear()

    def _note(self, identity: str, *, is_unread: bool) -> None:
        others = [other for other in self._unread if other != identity]
        unread = [*others, identity] if is_unread else others
        if unread:
            self._kept[_UNREAD] = unread
        else:
            self._kept.pop(_UNREAD, None)

    @property
    def _unread(self) -> list[str]:
        unread = self._kept.get(_UNREAD)
        found = unread if isinstance(unread, list) else []
        return [identity for identity in found if isinstance(identity, str)]


def _is_gone(error: HubSpotError) -> bool:
    return isinstance(error, RequestRefused) and error.status == HTTPStatus.NOT_FOUND
