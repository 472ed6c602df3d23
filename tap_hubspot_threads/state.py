"""What one run leaves for the next: the bookmark, and when the last sweep began.

State of a stream, or of each of its partitions:

    replication_key        latestMessageTimestamp
    replication_key_value  the bookmark
    sweep_began_at         when the last complete sweep began, by this machine's clock
    sweep_version          the version of the rows that it wrote
"""

from __future__ import annotations

import typing as t

from tap_hubspot_threads import timestamps
from tap_hubspot_threads.ordering import Frontier

if t.TYPE_CHECKING:
    import logging

    from tap_hubspot_threads.ordering import Moments

    State: t.TypeAlias = dict[str, t.Any]

KEY = "replication_key"
VALUE = "replication_key_value"
SWEEP_BEGAN = "sweep_began_at"
SWEEP_VERSION = "sweep_version"

_MILLISECONDS_PER_HOUR = 3_600_000


class Bookmark:
    """How far a stream has been read: nothing older than this is still to come.

    While a listing is read, the bookmark follows its frontier (see ``ordering``). At
    the end of the listing it becomes the newest timestamp that is not in the future. It
    never decreases.
    """

    FURTHEST_AHEAD = 24 * 60 * 60 * 1000
    """Milliseconds that a bookmark may be ahead of this machine's clock, which may be
    wrong by some minutes. One that is further ahead was not written by this tap, and
    would hide every thread until then."""

    def __init__(
        self, state: State, *, key: str, began: str, logger: logging.Logger
    ) -> None:
        """Continue the bookmark in a state.

        Args:
            state: The state of the stream or of one of its partitions. Written to.
            key: The replication key.
            began: When the run began by this machine's clock.
            logger: Where it is reported that a bookmark cannot be used.
        """
        self._state = state
        self._key = key
        self._logger = logger
        self._value = self._usable(began)
        self._newest = ""
        self._frontier = Frontier()

    @property
    def value(self) -> str | None:
        """Everything before this moment has been read; None for nothing."""
        return self._value or None

    def advance(self, moments: Moments, *, settled_before: str, now: str) -> None:
        """Follow a page whose rows have been written.

        Args:
            moments: The timestamps of the rows, in the order of the listing.
            settled_before: Rows from this moment on prove nothing about the order.
            now: Rows from after this moment are in the future.
        """
        past = [m for m in moments if m is not None and m <= now]
        self._newest = max([self._newest, *past])
        was_in_order = self._frontier.is_in_order
        self._frontier.add_page(moments, settled_before=settled_before)
        if self._frontier.is_in_order:
            self._move(self._frontier.reached)
        elif was_in_order:
            self._logger.warning(
                "HubSpot's rows are out of the order of `%s`; they are written, and "
                "the bookmark waits for the end of the listing",
                self._key,
            )

    def finish(self) -> None:
        """Follow a listing that has been read to its end."""
        self._move(self._newest)

    def _usable(self, began: str) -> str:
        raw = self._state.get(VALUE)
        if raw is None or self._state.get(KEY, self._key) != self._key:
            return ""
        value = timestamps.of(self._state, VALUE)
        if value is None:
            self._logger.warning("Ignoring the bookmark in the state: not a date-time")
            return ""
        if value > timestamps.shift(began, milliseconds=self.FURTHEST_AHEAD):
            self._logger.warning("Ignoring the bookmark in the state: in the future")
            return ""
        return value

    def _move(self, timestamp: str) -> None:
        if timestamp > self._value:
            self._value = timestamp
            self._state[KEY] = self._key
            self._state[VALUE] = timestamp


def is_sweep_due(state: State, *, interval_hours: float, now: str) -> bool:
    """Return whether the last complete sweep is older than the interval; 0 is never."""
    if not interval_hours:
        return False
    age = timestamps.milliseconds_between(sweep_began(state), now)
    # A moment ahead of the clock would put off the next sweep for as long.
    return age < 0 or age >= interval_hours * _MILLISECONDS_PER_HOUR


def sweep_began(state: State) -> str:
    """Return when the last complete sweep began, the epoch if there was none."""
    return timestamps.of(state, SWEEP_BEGAN) or timestamps.EPOCH


def sweep_version(state: State) -> int:
    """Return the version that the last complete sweep gave its rows, 0 without one."""
    version = state.get(SWEEP_VERSION)
    if isinstance(version, int) and not isinstance(version, bool):
        return version
    # Written before this key existed, when the version was the moment itself.
    return timestamps.seconds(sweep_began(state))


def next_version(states: list[State], *, began: str) -> int:
    """Return a version for new rows. It never decreases, even if the clock does."""
    return max(timestamps.seconds(began), *(sweep_version(s) + 1 for s in states))


def note_sweep(state: State, *, began: str, version: int | None) -> None:
    """Note that a sweep is complete, and the version of its rows if they have one."""
    state[SWEEP_BEGAN] = began
    if version is not None:
        state[SWEEP_VERSION] = version


def readable(state: object, logger: logging.Logger) -> State:
    """Return the part of a state that the SDK can read.

    States are edited by hand and written by other versions. The state of a stream that
    does not have the right form is ignored, with a warning; the stream then begins at
    the beginning, and loses nothing.
    """
    if not state:
        return {}
    bookmarks = state.get("bookmarks") if isinstance(state, dict) else None
    if not isinstance(bookmarks, dict):
        logger.warning("Ignoring the state: it has no `bookmarks`")
        return {}
    kept: State = {}
    for stream, bookmark in bookmarks.items():
        if _is_readable(bookmark):
            kept[stream] = bookmark
        else:
            logger.warning("Ignoring the state of `%s`: it is malformed", stream)
    return {"bookmarks": kept}


def _is_readable(bookmark: object) -> bool:
    if not isinstance(bookmark, dict):
        return False
    partitions = bookmark.get("partitions", [])
    if not isinstance(partitions, list):
        return False
    entries = [bookmark, *partitions]
    if not all(
        isinstance(entry, dict) and isinstance(entry.get("progress_markers", {}), dict)
        for entry in entries
    ):
        return False
    contexts = [entry.get("context") for entry in partitions]
    return all(
        isinstance(context, dict) and contexts.count(context) == 1
        for context in contexts
    )
