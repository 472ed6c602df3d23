"""The one format in which date-times are compared, written and sent."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_hubspot_threads import timestamps


@pytest.mark.parametrize(
    ("given_text", "written"),
    [
        ("2024-03-11T15:06:22.889Z", "2024-03-11T15:06:22.889Z"),
        ("2024-03-11T15:06:22Z", "2024-03-11T15:06:22.000Z"),
        ("2024-03-11T15:06:22.889999Z", "2024-03-11T15:06:22.889Z"),
        ("2024-03-11T15:06:22.889123456Z", "2024-03-11T15:06:22.889Z"),
        ("2024-03-11T17:06:22.889+02:00", "2024-03-11T15:06:22.889Z"),
        ("2024-03-11 15:06:22", "2024-03-11T15:06:22.000Z"),
        ("2024-03-11", "2024-03-11T00:00:00.000Z"),
        ("2024-W11-1T15:06:22.889Z", "2024-03-11T15:06:22.889Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
    ],
)
def test_every_form_becomes_the_fixed_one(given_text: str, written: str) -> None:
    """Precision, offset and a missing time zone do not change the output format."""
    assert timestamps.normalize(given_text) == written


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2024-13-01T00:00:00.000Z",
        "2024-02-30T00:00:00.000Z",
        "2024-03-11T25:06:22.889Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "1710169582889",
    ],
)
def test_what_is_no_date_time_is_refused(text: str) -> None:
    """Text that is not a moment in the years 1 to 9999 raises ValueError."""
    with pytest.raises(ValueError, match=r".+"):
        timestamps.normalize(text)


moments = st.datetimes(min_value=datetime(1970, 1, 2), timezones=st.just(UTC))  # noqa: DTZ001


@given(moments, moments)
def test_text_order_is_time_order(one: datetime, other: datetime) -> None:
    """The SDK compares bookmarks as text, so text must sort like time."""
    first, second = (timestamps.normalize(x.isoformat()) for x in (one, other))
    distance = timestamps.milliseconds_between(first, second)
    assert (first < second) == (distance > 0)
    assert (first == second) == (distance == 0)


@given(moments, st.integers(-(10**10), 10**10))
def test_shifting_is_exact_and_stops_at_the_epoch(
    moment: datetime, distance: int
) -> None:
    """A bound moves by whole milliseconds, and never to before 1970."""
    start = timestamps.normalize(moment.isoformat())
    try:
        shifted = timestamps.shift(start, milliseconds=distance)
    except OverflowError:
        assert distance > 0
        return
    assert shifted >= timestamps.EPOCH
    if shifted > timestamps.EPOCH:
        assert timestamps.milliseconds_between(start, shifted) == distance
