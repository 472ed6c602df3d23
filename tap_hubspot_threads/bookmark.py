"""The bookmark: how far the account has been read, in the state that Singer keeps."""

from __future__ import annotations

import typing as t

from tap_hubspot_threads import timestamps

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Iterable

    State: t.TypeAlias = dict[str, t.Any]

KEY = "replication_key"
VALUE = "replication_key_value"


class Bookmark:
    """Follows a listing in timestamp order and says from where to go on.

    At any moment it holds that no thread older than the bookmark is still to come,
    as far as rows can tell. So it is set to a row's timestamp only once the next row
    is seen not to be older: a row that carries a newer time than its place in the
    order, as when a message arrives while HubSpot renders the page, does not take
    the bookmark with it. Where rows have been seen out of order, the bookmark stays
    behind by as much as they were. At the end it is the greatest timestamp seen.

    It never decreases, whatever the rows or the state say, and is never set to a
    moment after the start of the run.
    """

    FURTHEST_AHEAD = 24 * 60 * 60 * 1000
    """Milliseconds that a bookmark may lie ahead of this machine's clock.

    A clock may be wrong by some minutes. What is further ahead was not written by a
    run of this tap, and believing it would hide every thread until then.
    """

    def __init__(
        self, state: State, *, key: str, not_after: str, logger: logging.Logger
    ) -> None:
        """Continue the bookmark in a state.

        Args:
            state: The state of the stream or of one of its partitions. Written to.
            key: Name of the replication key.
            not_after: The moment the run began.
            logger: Where it is said that a bookmark cannot be used.
        """
        self._state = state
        self._key = key
        self._not_after = not_after
        self._value = self._usable(logger)
        self._newest_in_listing = ""
        self._greatest = ""
        self._disorder = 0

    @property
    def value(self) -> str | None:
        """The timestamp up to which everything has been read, None for nothing."""
        return self._value or None

    @property
    def reached(self) -> str | None:
        """The greatest timestamp that was seen, None without a row."""
        return max(self._greatest, self._newest_in_listing) or None

    def begin_listing(self) -> None:
        """Expect rows from an earlier place on: a listing begins, or begins again."""
        self._greatest = max(self._greatest, self._newest_in_listing)
        self._newest_in_listing = ""

    def saw(self, moments: Iterable[str | None]) -> bool:
        """Take note of rows that have been written, in the order of the listing.

        Returns:
            Whether one of them is the first that is older than one before it.
        """
        was_in_order = self._disorder == 0
        newest, before = self._newest_in_listing, ""
        for moment in moments:
            if moment is None:
                continue
            if moment >= self._not_after:
                # Its thread may have got a message while the page was rendered, so
                # it says nothing of the place that it is in.
                self._greatest = max(self._greatest, moment)
            elif moment >= newest:
                newest, before = moment, newest
            else:
                behind = timestamps.milliseconds_between(moment, newest)
                self._disorder = max(self._disorder, behind)
        if before:
            self._advance(
                timestamps.shift(before, milliseconds=-self._disorder)
                if self._disorder
                else before
            )
        self._newest_in_listing = newest
        return was_in_order and self._disorder > 0

    def finish(self) -> None:
        """Take note that the listing has been read to its end."""
        self.begin_listing()
        self._advance(self._greatest)

    def _usable(self, logger: logging.Logger) -> str:
        raw = self._state.get(VALUE)
        if raw is None or self._state.get(KEY, self._key) != self._key:
            return ""
        try:
            value = timestamps.normalize(raw)
        except (ValueError, TypeError):
            logger.warning("The bookmark in the state is no date-time; left out")
            return ""
        latest = timestamps.shift(self._not_after, milliseconds=self.FURTHEST_AHEAD)
        if value > latest:
            logger.warning("The bookmark in the state is in the future; left out")
            return ""
        return value

    def _advance(self, timestamp: str) -> None:
        timestamp = min(timestamp, self._not_after)
        if timestamp > self._value:
            self._value = timestamp
            self._state[KEY] = self._key
            self._state[VALUE] = timestamp


def readable(state: object, logger: logging.Logger) -> State:
    """Return the part of a state that the SDK can read without a crash.

    States are edited by hand and written by other versions. What does not have the
    form of a bookmark is left out, with a warning; the run then begins earlier and
    loses nothing.
    """
    bookmarks = state.get("bookmarks") if isinstance(state, dict) else None
    if not isinstance(bookmarks, dict):
        if state:
            logger.warning("The state has no `bookmarks`; beginning without a state")
        return {}
    kept: State = {}
    for stream, bookmark in bookmarks.items():
        if not isinstance(bookmark, dict):
            logger.warning("The state of `%s` is not an object; left out", stream)
            continue
        kept[stream] = _readable_bookmark(bookmark)
        if "partitions" in bookmark:
            kept[stream]["partitions"] = _readable_partitions(
                bookmark["partitions"], stream, logger
            )
    return {"bookmarks": kept}


def _readable_bookmark(bookmark: State) -> State:
    # Progress markers are how an unsorted stream of another version keeps what it
    # cannot go on from; the SDK drops them at the start of a run in any case.
    return {k: v for k, v in bookmark.items() if k != "progress_markers"}


def _readable_partitions(
    partitions: object, stream: str, logger: logging.Logger
) -> list[State]:
    kept: list[State] = []
    contexts: list[object] = []
    for partition in partitions if isinstance(partitions, list) else [partitions]:
        if isinstance(partition, dict):
            context = partition.get("context")
            if isinstance(context, dict) and context not in contexts:
                contexts.append(context)
                kept.append(_readable_bookmark(partition))
                continue
        logger.warning("A partition in the state of `%s` is left out", stream)
    return kept
