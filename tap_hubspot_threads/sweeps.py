"""The sweep of the stream `messages`: which histories it reads, and how far it is.

It takes a request for each of them, so it can last for hours, or need more requests
than the account has in a day. So the next run continues a sweep that was cut short.

State, in addition to what `state` describes:

    closed_since  a sweep reads the threads that were closed from then on
    sweep         the sweep that is not complete: when it began (`began_at`, by this
                  machine's clock), the `closed_since` of the one after it, the number
                  of its `part`, and the last threads that it has read there (`after`)
"""

from __future__ import annotations

import typing as t

from tap_hubspot_threads import state, timestamps
from tap_hubspot_threads.filters import TIMESTAMP

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_hubspot_threads.state import State

    Row: t.TypeAlias = dict[str, t.Any]

CLOSED_SINCE = "closed_since"

_SWEEP = "sweep"
_BEGAN = "began_at"
_PART = "part"
_AFTER = "after"


class MessageSweep:
    """A sweep of the messages of all threads, or of those in one inbox."""

    PARTS = (True, False, True)
    """Whether each part reads the trash. It is read again at the end, for the threads
    that are archived meanwhile."""

    REMEMBERED = 10
    """The threads by which the next run finds its place in the list. One would do, but
    it may be deleted or moved before that."""

    def __init__(
        self, kept: State, *, began: str, settled: str, includes_trash: bool
    ) -> None:
        """Continue the sweep in a state, or begin one.

        Args:
            kept: The state of the inbox. Written to.
            began: When the run began by this machine's clock.
            settled: What was closed before this moment, the run can see.
            includes_trash: Whether archived threads are read.
        """
        self._kept = kept
        self._includes_trash = includes_trash
        self._closed_since = timestamps.of(kept, CLOSED_SINCE) or ""
        self._is_first = not kept.get(state.SWEEP_BEGAN)
        self._now = _usable(kept.get(_SWEEP), began, settled) or {
            _BEGAN: began,
            CLOSED_SINCE: settled,
            _PART: 0,
            _AFTER: [],
        }

    def parts(self) -> Iterator[bool]:
        """Yield whether each part that is left reads the trash."""
        for part in range(self._now[_PART], len(self.PARTS)):
            if part != self._now[_PART]:
                self._now |= {_PART: part, _AFTER: []}
            if self._includes_trash or not self.PARTS[part]:
                yield self.PARTS[part]

    def rest(self, threads: Callable[[], Iterator[Row]]) -> Iterator[Row]:
        """Yield the threads of this part that no earlier run has read.

        Their order must be the same in all runs, but nothing else is assumed of it.

        Args:
            threads: Lists the threads of this part from the beginning.
        """
        after = set(self._now[_AFTER])
        if after:
            rest = threads()
            if any(str(thread["id"]) in after for thread in rest):
                yield from rest
                return
        yield from threads()

    def may_have_changed(self, thread: Row) -> bool:
        """Return whether something may have happened in a thread without a message."""
        if thread.get("status") != "CLOSED":
            return True
        has_message = timestamps.of(thread, TIMESTAMP) is not None
        if self._is_first and (thread.get("archived") or not has_message):
            return True  # it was not among the changes
        # A thread that was in the trash for a while is not among the changes.
        moments = (timestamps.of(thread, name) for name in ("closedAt", TIMESTAMP))
        return max(moment or "" for moment in moments) >= self._closed_since

    def note(self, thread: Row) -> None:
        """Note that the history of a thread has been written."""
        read = [*self._now[_AFTER], str(thread["id"])]
        self._now[_AFTER] = read[-self.REMEMBERED :]
        self._kept[_SWEEP] = self._now

    def finish(self) -> None:
        """Note that the sweep is complete."""
        self._kept.pop(_SWEEP, None)
        self._kept[CLOSED_SINCE] = self._now[CLOSED_SINCE]
        state.note_sweep(self._kept, began=self._now[_BEGAN], version=None)


def _usable(now: object, began: str, settled: str) -> State | None:
    """Return the sweep in a state, which may have been edited, or None."""
    if not isinstance(now, dict):
        return None
    began_at, closed_since = (
        timestamps.of(now, _BEGAN),
        timestamps.of(now, CLOSED_SINCE),
    )
    part, after = now.get(_PART), now.get(_AFTER)
    if (
        began_at is None
        or closed_since is None
        or not isinstance(part, int)
        or part not in range(len(MessageSweep.PARTS))
        or not isinstance(after, list)
        or not all(isinstance(identity, str) for identity in after)
    ):
        return None
    return {
        # The clock may have been ahead.
        _BEGAN: min(began_at, began),
        CLOSED_SINCE: min(closed_since, settled),
        _PART: int(part),
        _AFTER: after,
    }
