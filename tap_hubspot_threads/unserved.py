"""Threads whose histories HubSpot did not serve.

State, in addition to what `state` describes:

    unread  threads whose histories HubSpot did not serve; later runs ask for them again
"""

from __future__ import annotations

import typing as t
from http import HTTPStatus

from tap_hubspot_threads.errors import HubSpotError, RequestRefused
from tap_hubspot_threads.filters import TIMESTAMP

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from tap_hubspot_threads.histories import History
    from tap_hubspot_threads.state import State

    Row: t.TypeAlias = dict[str, t.Any]

_UNREAD = "unread"


class Unserved:
    """What becomes of threads without a history.

    A thread is noted, the rest is read, and the next run asks for it again. If HubSpot
    does not find it (404) then, it was deleted.

    But if the endpoint itself is missing or broken, all threads have the same error. So
    nothing is concluded from an error until another thread has been served. If that
    takes long, the last one that was served is asked for again.

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

    def __init__(self, kept: State, read: Callable[[Row], History]) -> None:
        """Take the state of the stream, or of a partition, and what reads a history.

        The state is written to.
        """
        self._kept = kept
        self._read = read
        self._pending: list[tuple[Row, HubSpotError]] = []
        self._served: Row | None = None
        self.gone = 0
        self.failed: dict[str, HubSpotError] = {}

    @property
    def threads(self) -> list[Row]:
        """The threads that are noted."""
        return [{"id": identity} for identity in self._unread]

    def __contains__(self, thread: Row) -> bool:
        """Return whether a thread is noted."""
        return str(thread["id"]) in self._unread

    @property
    def pending(self) -> int:
        """How many threads had an error since the last one that was served."""
        return len(self._pending)

    def add(self, history: History) -> None:
        """Take the next history, in order.

        Raises:
            HubSpotError: The error of the history, if it is that of all histories.
        """
        thread, error = history.thread, history.error
        if error is None:
            self._note(thread, is_unread=self._is_doubtful(history))
            if history.rows:
                self._served = thread
                self._conclude()
            return
        self._pending.append((thread, error))
        if not _is_gone(error):
            self.failed[str(thread["id"])] = error
        failed = sum(not _is_gone(error) for error in self._new)
        if len(self._new) >= self.MOST_GONE or failed >= self.MOST_FAILED:
            self._ask_again(error)

    def finish(self, *, is_first_load: bool) -> None:
        """Take the end of the threads.

        Raises:
            HubSpotError: The error of the last history, if it is that of all histories.
        """
        is_in_doubt = self._new if is_first_load else self._served
        if self._pending and is_in_doubt:
            self._ask_again(self._pending[-1][1])
        self._conclude(is_certain=False)

    @property
    def _new(self) -> list[HubSpotError]:
        """The errors of threads that are not noted yet. The others prove nothing."""
        return [error for thread, error in self._pending if thread not in self]

    def _ask_again(self, error: HubSpotError) -> None:
        if self._served is None or not self._read(self._served).rows:
            raise error
        self._conclude()

    def _conclude(self, *, is_certain: bool = True) -> None:
        for thread, error in self._pending:
            is_second_look = thread in self
            is_trash = bool(thread.get("archived")) and not self._has_room
            is_gone = is_certain and _is_gone(error) and (is_second_look or is_trash)
            self.gone += is_gone
            self._note(thread, is_unread=not is_gone)
            if len(self._unread) > self.MOST_UNREAD:
                raise error
        self._pending.clear()

    def _is_doubtful(self, history: History) -> bool:
        """Return whether an empty history deserves a second look."""
        has_message = history.thread.get(TIMESTAMP) is not None
        return has_message and not history.rows and self._has_room

    @property
    def _has_room(self) -> bool:
        """Whether a thread may be noted that is probably gone or empty.

        There may be many of them, and the others need room.
        """
        return len(self._unread) < self.MOST_UNREAD / 2

    def _note(self, thread: Row, *, is_unread: bool) -> None:
        identity = str(thread["id"])
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
