"""Date-times in the one form that this tap compares, writes and sends.

That form is UTC with milliseconds, ``2024-03-11T15:06:22.889Z``. It always has 24
characters, so that text order is time order. HubSpot's own values vary in width
(``…56Z`` sorts after ``…56.001Z``), and the SDK compares bookmarks as text.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from email.utils import parsedate_to_datetime

EPOCH = "1970-01-01T00:00:00.000Z"

FIXED_WIDTH = re.compile(
    r"""
    (?!0000) \d{4} -
    (?: (?:0[1-9]|1[0-2]) - (?:0[1-9]|1\d|2[0-8])
      | (?:0[13-9]|1[0-2]) - (?:29|30)
      | (?:0[13578]|1[02]) - 31 )
    T (?:[01]\d|2[0-3]) : [0-5]\d : [0-5]\d \. \d{3} Z
    """,
    re.ASCII | re.VERBOSE,
)
"""Every day but February 29. Checked before parsing, because nearly all values have
this form and every row has five of them."""


def normalize(value: str) -> str:
    """Return the fixed-width form of an ISO 8601 date-time.

    A value without a time zone is UTC. Anything finer than a millisecond is cut off, so
    that a lower bound made from the result is never too late.

    Raises:
        ValueError: If the text is not a date-time between the years 1 and 9999.
    """
    if FIXED_WIDTH.fullmatch(value):
        return value
    return _render(dt.datetime.fromisoformat(value))


def of(row: object, field: str) -> str | None:
    """Return a date-time field of a row in fixed-width form; None if unreadable."""
    try:
        return normalize(row[field])  # type: ignore[index]
    except (TypeError, KeyError, ValueError):
        return None


def from_milliseconds(milliseconds: int) -> str:
    """Return the moment that many milliseconds after the epoch."""
    return shift(EPOCH, milliseconds=milliseconds)


@functools.lru_cache(maxsize=2)  # many responses have the same second
def from_http_date(text: str | None) -> str | None:
    """Return the moment of an HTTP ``Date`` header; None if it is unreadable."""
    try:
        return _render(parsedate_to_datetime(text or ""))
    except (ValueError, OverflowError):
        return None


def shift(timestamp: str, *, milliseconds: int) -> str:
    """Move a fixed-width timestamp, but not to before the epoch.

    HubSpot has no threads from before 1970, and whether it accepts such a bound is
    unknown.
    """
    try:
        moved = dt.datetime.fromisoformat(timestamp) + dt.timedelta(
            milliseconds=milliseconds
        )
    except OverflowError:
        if milliseconds < 0:
            return EPOCH
        raise
    return max(EPOCH, _render(moved))


def milliseconds_between(earlier: str, later: str) -> int:
    """Return how many milliseconds lie between two fixed-width timestamps."""
    difference = dt.datetime.fromisoformat(later) - dt.datetime.fromisoformat(earlier)
    return difference // dt.timedelta(milliseconds=1)


def seconds(timestamp: str) -> int:
    """Return the whole seconds from the epoch to a fixed-width timestamp."""
    return milliseconds_between(EPOCH, timestamp) // 1000


def _render(moment: dt.datetime) -> str:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    try:
        utc = moment.astimezone(dt.UTC)
    except OverflowError as error:
        raise ValueError(str(error)) from error
    return f"{utc.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
