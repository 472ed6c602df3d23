"""The sweep of the stream `messages`: which histories it reads, and how far it is.

It takes a request for each of them, so it can last for hours, or need more requests
than the account has in a day. So the next run continues a sweep that was cut short.

State, in addition to what `state` describes:

    closed_since  the next sweep reads the threads that were closed from then on
    known_id      and those with a greater ID
    archived      whether the sweep before the last one has read the trash
    last_sweep    all three, as of the last complete sweep, for the sweep after the next
                  one. So each sweep looks for everything a second time: one look at a
                  list may miss a thread, or see it before HubSpot's index does
    sweep         the sweep that is not complete: when it began (`began_at`, by this
                  machine's clock), the number of its `part`, the last threads that it
                  has read there (`after`), and what will go into `last_sweep`
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
KNOWN_ID = "known_id"

_LAST = "last_sweep"
_ARCHIVED = "archived"
_SWEEP = "sweep"
_BEGAN = "began_at"
_PART = "part"
_AFTER = "after"

_MOST_DIGITS = 19


class MessageSweep:
    """A sweep of the messages of all threads, or of those in one inbox."""

    PARTS = (False, True)
    """Whether each part reads the trash. It comes last, for the threads that are
    archived meanwhile."""

    REMEMBERED = 10
    """The threads by which the next run finds its place in the list. One would do, but
    it may be deleted or moved before that."""

    def __init__(
        self,
        kept: State,
        *,
        began: str,
        settled: str,
        includes_trash: bool,
        follows_all: bool,
    ) -> None:
        """Continue the sweep in a state, or begin one.

        Args:
            kept: The state of the inbox. Written to.
            began: When the run began by this machine's clock.
            settled: What was closed before this moment, the run can see.
            includes_trash: Whether archived threads are read.
            follows_all: Whether the changes of this run began at the beginning.
        """
        self._kept = kept
        self._includes_trash = includes_trash
        last = kept.get(_LAST)
        self._last: State = last if isinstance(last, dict) else {}
        self._is_first = not kept.get(state.SWEEP_BEGAN)
        self._is_trash_new = not (kept.get(_ARCHIVED) and self._last.get(_ARCHIVED))
        self._reads_all = self._is_first and follows_all
        self._closed_since = timestamps.of(kept, CLOSED_SINCE) or ""
        self._known_id = number_of(kept.get(KNOWN_ID))
        self._now = _usable(kept.get(_SWEEP), began, settled) or {
            _BEGAN: began,
            CLOSED_SINCE: settled,
            KNOWN_ID: 0,
            _PART: 0,
            _AFTER: [],
        }
        self._greatest_id: int = self._now[KNOWN_ID]

    def parts(self) -> Iterator[bool]:
        """Yield whether each part that is left reads the trash."""
        for part in range(self._now[_PART], len(self.PARTS)):
            if part != self._now[_PART]:
                self._now |= {_PART: part, _AFTER: [], KNOWN_ID: self._greatest_id}
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
            rest = map(self._meet, threads())
            if any(str(thread["id"]) in after for thread in rest):
                yield from rest
                return
        yield from map(self._meet, threads())

    def _meet(self, thread: Row) -> Row:
        self._greatest_id = max(self._greatest_id, number_of(thread["id"]) or 0)
        return thread

    def may_have_changed(self, thread: Row) -> bool:
        """Return whether something may have happened in a thread without a message.

        Or whether it may not have been among the changes.
        """
        if thread.get("status") != "CLOSED" or self._reads_all:
            return True
        if (
            self._known_id is not None
            and (number_of(thread["id"]) or 0) > self._known_id
        ):
            return True  # listed late, or imported with an old date
        if self._is_trash_new and thread.get("archived"):
            return True
        closed_at = timestamps.of(thread, "closedAt")
        latest = timestamps.of(thread, TIMESTAMP)
        if closed_at is None or (latest is None and self._is_first):
            return True
        # A thread that was in the trash for a while is not among the changes.
        return max(closed_at, latest or "") >= self._closed_since

    def note(self, thread: Row) -> None:
        """Note that the history of a thread has been written."""
        read = [*self._now[_AFTER], str(thread["id"])]
        self._now[_AFTER] = read[-self.REMEMBERED :]
        self._kept[_SWEEP] = self._now

    def finish(self) -> None:
        """Note that the sweep is complete."""
        now = {
            CLOSED_SINCE: self._now[CLOSED_SINCE],
            KNOWN_ID: self._greatest_id,
            _ARCHIVED: self._includes_trash,
        }
        # The values of the sweep before this one, if there was one.
        before = now | {_ARCHIVED: False} | self._kept | self._last
        self._kept |= {name: before[name] for name in now}
        self._kept[_LAST] = now
        self._kept.pop(_SWEEP, None)
        state.note_sweep(self._kept, began=self._now[_BEGAN], version=None)


def number_of(identity: object) -> int | None:
    """Return an ID as a number; None if it is none."""
    text = str(identity)
    is_number = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
    return int(text) if is_number else None


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
        KNOWN_ID: number_of(now.get(KNOWN_ID)) or 0,
        _PART: int(part),
        _AFTER: after,
    }
