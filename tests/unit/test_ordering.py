"""What rows prove about their order, and how the bookmark follows."""

from __future__ import annotations

import datetime as dt
import logging
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_hubspot_threads import timestamps
from tap_hubspot_threads.ordering import Frontier, Repeats
from tap_hubspot_threads.paging import Page
from tap_hubspot_threads.state import Bookmark

KEY = "latestMessageTimestamp"
NOW = timestamps.from_milliseconds(10**7)


def at(*moments: int | None) -> list[str | None]:
    """Return moments in the form that pages have."""
    return [None if m is None else timestamps.from_milliseconds(m) for m in moments]


def value(state: dict[str, t.Any]) -> str:
    """Return the bookmark in a state, or the epoch if there is none."""
    text: str = state.get("replication_key_value", timestamps.EPOCH)
    return text


class Marked:
    """A bookmark in an empty state, with the pages that it follows."""

    def __init__(self, now: str = NOW) -> None:
        self.state: dict[str, t.Any] = {}
        self.now = now
        self.mark = Bookmark(
            self.state, key=KEY, began=NOW, logger=logging.getLogger(__name__)
        )

    def follow(self, *moments: int | None) -> str:
        """Follow a page, and return the bookmark."""
        self.mark.advance(at(*moments), settled_before=self.now, now=self.now)
        return value(self.state)


@given(st.lists(st.integers(0, 10**6), min_size=1), st.integers(1, 30))
def test_a_sorted_listing_can_be_left_at_any_page(
    moments: list[int], size: int
) -> None:
    """No row older than the bookmark follows later."""
    rows = sorted(moments)
    marked = Marked()
    for start in range(0, len(rows), size):
        reached = marked.follow(*rows[start : start + size])
        assert all(later >= reached for later in at(*rows[start + size :]) if later)
    marked.mark.finish()
    assert value(marked.state) == timestamps.from_milliseconds(rows[-1])


@given(
    st.lists(st.integers(0, 10**6), min_size=30, unique=True),
    st.integers(1, 30),
    st.randoms(use_true_random=False),
)
def test_newer_rows_do_not_take_the_bookmark_along(
    moments: list[int], size: int, chance: t.Any
) -> None:
    """A few rows, even the last of a page, can be newer than their places."""
    places = sorted(moments)
    newer = set(range(0, len(places), Frontier.PROOF))
    shown = [
        p + chance.randrange(10**6) if n in newer else p for n, p in enumerate(places)
    ]
    marked = Marked()
    for start in range(0, len(places), size):
        reached = marked.follow(*shown[start : start + size])
        assert all(later >= reached for later in at(*places[start + size :]) if later)


@pytest.mark.parametrize("number", range(Frontier.PROOF))
def test_one_row_less_than_the_proof_proves_nothing(number: int) -> None:
    """The frontier is the oldest of the last rows, however new the others are."""
    shown = [900_000] * Frontier.PROOF
    shown[number] = 5_000
    assert Marked().follow(*shown) == timestamps.from_milliseconds(5_000)
    assert Marked().follow(*shown[1:]) == timestamps.EPOCH


def test_rows_that_are_not_settled_prove_nothing() -> None:
    """Neither do rows without a timestamp. The other rows need not be adjacent."""
    frontier = Frontier()
    for number in range(Frontier.PROOF):
        assert frontier.reached == ""
        settled = timestamps.from_milliseconds(5_000)
        frontier.add_page(at(number, 9_000, None), settled_before=settled)
    assert frontier.reached == timestamps.from_milliseconds(0)


@given(st.lists(st.integers(0, 10**6), min_size=2), st.integers(0, 10**6))
def test_the_bookmark_never_decreases_and_is_never_in_the_future(
    moments: list[int], now: int
) -> None:
    """The bookmark only grows, and ends at the newest row that is not in the future."""
    marked = Marked(timestamps.from_milliseconds(now))
    before = value(marked.state)
    for moment in moments:
        reached = marked.follow(moment)
        assert before <= reached <= marked.now
        before = reached
    marked.mark.finish()
    newest = max([m for m in moments if m <= now], default=0)
    assert value(marked.state) == timestamps.from_milliseconds(newest)


def test_an_unsorted_listing_leaves_the_bookmark_until_its_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A row older than the frontier is reported once."""
    marked = Marked()
    reached = marked.follow(*range(0, 200_000, 10_000))
    assert reached == timestamps.from_milliseconds(100_000)
    assert marked.follow(90_000) == reached
    assert marked.follow(*range(200_000, 400_000, 10_000)) == reached
    assert marked.follow(80_000) == reached
    assert len([r for r in caplog.records if "out of the order" in r.message]) == 1
    marked.mark.finish()
    assert value(marked.state) == timestamps.from_milliseconds(390_000)


def page(*rows: dict[str, t.Any] | None) -> Page:
    """Return a page of rows."""
    return Page(list(rows), None, dt.datetime.now(dt.UTC))


def test_rows_that_come_again_are_dropped() -> None:
    """Rows after the last one older than the point of re-entry are dropped."""
    repeats = Repeats()
    rows = [{"id": str(n)} for n in range(6)]
    moments = at(1_000, 2_000, 9_000, 3_000, 3_001, 3_002)
    following = timestamps.from_milliseconds(3_001)
    repeats.enter()
    assert repeats.drop(page(*rows), moments, following).rows == rows
    repeats.enter()
    again = repeats.drop(
        page(*rows[3:], {"id": "7"}), at(3_000, 3_001, 3_002, 3_002), ""
    )
    assert again.rows == [{"id": "7"}]


def test_a_row_that_changed_its_timestamp_is_not_dropped() -> None:
    """A thread that got a message since, or a row without an ID, is kept."""
    repeats = Repeats()
    rows = [{"id": "1"}, {"id": "2"}, None, {}]
    repeats.drop(page(*rows), at(5_000, 5_000, None, None), "")
    repeats.enter()
    again = repeats.drop(page(*rows), at(5_000, 5_001, None, None), "")
    assert again.rows == [{"id": "2"}, None, {}]
