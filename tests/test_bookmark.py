"""What the bookmark may be told by the rows, whatever order they come in."""

from __future__ import annotations

import logging
import typing as t

from hypothesis import given
from hypothesis import strategies as st

from tap_hubspot_threads import timestamps
from tap_hubspot_threads.bookmark import Bookmark

KEY = "latestMessageTimestamp"


def bookmark(state: dict[str, t.Any], not_after: int = 10**7) -> Bookmark:
    """Return a bookmark in a state, for a run that began at that many milliseconds."""
    return Bookmark(
        state,
        key=KEY,
        not_after=timestamps.from_milliseconds(not_after),
        logger=logging.getLogger(__name__),
    )


def value(state: dict[str, t.Any]) -> str:
    """Return the bookmark's value in a state, the epoch without one."""
    text: str = state.get("replication_key_value", timestamps.EPOCH)
    return text


def test_a_row_that_is_newer_than_its_place_does_not_take_the_bookmark_along() -> None:
    """HubSpot may render a row after a message came to it: the place counts."""
    state: dict[str, t.Any] = {}
    mark = bookmark(state)
    order = [1_000, 2_000, 3_000, 9_000_000, 4_000, 5_000]
    reached = []
    for moment in order:
        mark.saw([timestamps.from_milliseconds(moment)])
        reached.append(value(state))
    assert max(reached) == timestamps.from_milliseconds(3_000)
    mark.finish()
    assert value(state) == timestamps.from_milliseconds(9_000_000)


@given(st.lists(st.integers(0, 10**6), min_size=1))
def test_a_sorted_listing_can_be_left_at_any_row(moments: list[int]) -> None:
    """No row that is older than the bookmark is still to come."""
    rows = [timestamps.from_milliseconds(moment) for moment in sorted(moments)]
    state: dict[str, t.Any] = {}
    mark = bookmark(state)
    for number, row in enumerate(rows):
        assert not mark.saw([row])
        assert all(later >= value(state) for later in rows[number:])
    mark.finish()
    assert value(state) == rows[-1]


@given(st.lists(st.integers(0, 10**6), min_size=2), st.integers(0, 10**6))
def test_it_never_decreases_nor_passes_the_start_of_the_run(
    moments: list[int], began: int
) -> None:
    """Whatever the rows, the value only grows, up to the moment the run began."""
    state: dict[str, t.Any] = {}
    mark = bookmark(state, not_after=began)
    before = value(state)
    for moment in moments:
        mark.saw([timestamps.from_milliseconds(moment)])
        assert before <= value(state) <= timestamps.from_milliseconds(began)
        before = value(state)
    mark.finish()
    greatest = timestamps.from_milliseconds(min(max(moments), began))
    assert value(state) == greatest


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 500)), min_size=2))
def test_disorder_is_kept_clear_of_once_it_has_been_seen(
    places: list[tuple[int, int]],
) -> None:
    """Behind rows out of order, the bookmark stays as far back as they were."""
    rows = [place + shift for place, shift in sorted(places)]
    state: dict[str, t.Any] = {}
    mark = bookmark(state)
    worst = greatest = 0
    for row in rows:
        before = value(state)
        mark.saw([timestamps.from_milliseconds(row)])
        if value(state) > before:
            clear = timestamps.from_milliseconds(max(greatest - worst, 0))
            assert value(state) <= clear
        worst = max(worst, greatest - row)
        greatest = max(greatest, row)


def test_disorder_is_reported_once() -> None:
    """The first row that is older than one before it is told apart."""
    mark = bookmark({})
    seen = [mark.saw([timestamps.from_milliseconds(n)]) for n in (5, 3, 9, 2, 1)]
    assert seen == [False, True, False, False, False]
