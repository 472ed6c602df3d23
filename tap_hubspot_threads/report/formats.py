"""How values are written: with units, and short enough to compare."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

NONE = "\N{EN DASH}"
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MINUTES, HOURS, DAYS = 89.5, 48 * 60, 9.95 * 1440
"""Up to how many minutes a duration is in minutes, in hours, and in tenths of a day."""


def duration(minutes: float) -> str:
    """Format minutes with the unit that suits their size."""
    if minutes < 1:
        return "< 1 min"
    if minutes < MINUTES:
        return f"{minutes:.0f} min"
    if minutes < HOURS:
        return f"{minutes / 60:.1f} h"
    return f"{minutes / 1440:,.{int(minutes < DAYS)}f} d"


def count(number: int) -> str:
    """Format a whole number."""
    return f"{number:,.0f}"


def share(fraction: float) -> str:
    """Format a fraction as a percentage."""
    return f"{fraction:.1%}"


def moment(when: dt.datetime) -> str:
    """Format a moment in UTC, to the minute."""
    return f"{when:%Y-%m-%d %H:%M}"


FORMATS: dict[str, Callable[[t.Any], str]] = {
    "count": count,
    "day": lambda day: f"{day:%Y-%m-%d}",
    "hour": lambda hour: f"{hour:02}:00",
    "hours": lambda hours: duration(hours * 60),
    "minutes": duration,
    "moment": moment,
    "share": share,
    "text": str,
    "weekday": lambda weekday: WEEKDAYS[weekday - 1],
}
"""A function for each kind of column."""


def shown(value: t.Any, kind: str) -> str:  # noqa: ANN401
    """Format a value of any kind, also null."""
    return NONE if value is None else FORMATS[kind](value)
