"""When the whole account is read again, and what a run remembers of its rows."""

from __future__ import annotations

import typing as t
from array import array
from bisect import bisect_left

from tap_hubspot_threads import timestamps

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_hubspot_threads.bookmark import State

BEGAN = "sweep_began_at"
"""Key in a bookmark: when the last sweep that was completed had begun."""

_MILLISECONDS_PER_HOUR = 3_600_000


def is_due(states: Iterable[State], *, interval_hours: float, now: str) -> bool:
    """Say whether one of these states lacks a sweep that is younger than the interval.

    Partitions are swept together: what a target deletes at the end of a sweep, it
    deletes in all of them.

    Args:
        states: The state of the stream, or of each partition.
        interval_hours: 0 for never.
        now: The moment the run began.
    """
    if not interval_hours:
        return False
    ages = [timestamps.milliseconds_between(began(state), now) for state in states]
    # A moment ahead of the clock would put the next sweep off for as long.
    return any(a < 0 or a >= interval_hours * _MILLISECONDS_PER_HOUR for a in ages)


def began(state: State) -> str:
    """Return when the last complete sweep began, the epoch if there was none."""
    try:
        return timestamps.normalize(state[BEGAN])
    except (KeyError, TypeError, ValueError):
        return timestamps.EPOCH


class IdSet:
    """A set of thread ids at four to five bytes each, where a `set` takes some 80.

    Ids from 4.4 million million on take eight to nine. A run remembers the threads it
    has written; an account may hold millions.
    """

    _SHARDS = 1024
    """How many arrays share the ids, as inserting into a long one takes long."""

    def __init__(self) -> None:
        """Start empty."""
        self._short = [array("I") for _ in range(self._SHARDS)]
        self._long = [array("q") for _ in range(self._SHARDS)]
        self._others: set[str] = set()

    def add(self, identity: str) -> bool:
        """Remember an id, and say whether it is a new one."""
        shard, number = self._place(identity)
        if shard is None:
            known = identity in self._others
            self._others.add(identity)
            return not known
        at = bisect_left(shard, number)
        if at < len(shard) and shard[at] == number:
            return False
        shard.insert(at, number)
        return True

    def __contains__(self, identity: str) -> bool:
        """Say whether an id is remembered."""
        shard, number = self._place(identity)
        if shard is None:
            return identity in self._others
        at = bisect_left(shard, number)
        return at < len(shard) and shard[at] == number

    def _place(self, identity: str) -> tuple[array[int] | None, int]:
        # Ids are documented as digits. One that is not the text of its own number,
        # or too long for eight bytes, is kept as text.
        if identity.isdigit() and len(identity) <= _MOST_DIGITS:
            number = int(identity)
            if str(number) == identity:
                # Which array it is in says the rest of the number.
                quotient, rest = divmod(number, self._SHARDS)
                bank = self._short if quotient < _FOUR_BYTES else self._long
                return bank[rest], quotient
        return None, 0


_MOST_DIGITS = 18
_FOUR_BYTES = 1 << 32
