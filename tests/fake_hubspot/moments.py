"""Moments as HubSpot writes them.

A moment is kept as whole microseconds since 1970 in UTC, because orders and bounds
must be exact where texts of mixed precision are not comparable.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from email.utils import format_datetime

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = 1_000
SECOND = 1_000_000
DAY = 86_400 * SECOND

_MINUTE_MS = 60_000
_MINUTES = [f"{hour:02}:{minute:02}:" for hour in range(24) for minute in range(60)]
_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_OFFSETS = (
    timezone(timedelta(hours=2)),
    timezone(timedelta(hours=-5, minutes=-30)),
)


def from_datetime(moment: datetime) -> int:
    """Give the microseconds of a datetime, which must have a time zone."""
    if moment.tzinfo is None:
        message = f"a moment needs a time zone: {moment!r}"
        raise ValueError(message)
    return (moment - EPOCH) // timedelta(microseconds=1)


def to_datetime(us: int) -> datetime:
    """Give a moment as a datetime in UTC."""
    return EPOCH + timedelta(microseconds=us)


def parse(text: str) -> int:
    """Read an RFC 3339 date-time, which has a time zone; ValueError otherwise."""
    if not _RFC3339.fullmatch(text):
        message = f"not an RFC 3339 date-time: {text!r}"
        raise ValueError(message)
    return from_datetime(datetime.fromisoformat(text.upper()))


def moment(value: str | datetime) -> int:
    """Read a moment that a test gave as a text or a datetime."""
    return parse(value) if isinstance(value, str) else from_datetime(value)


def http_date(us: int) -> str:
    """Write a moment as the Date header has it, in whole seconds."""
    return format_datetime(to_datetime(us), usegmt=True)


class _Days(dict[int, str]):
    """The date of each day since 1970, made when it is first asked for."""

    def __missing__(self, day: int) -> str:
        text = self[day] = f"{(date(1970, 1, 1) + timedelta(days=day)).isoformat()}T"
        return text


class _Seconds(dict[int, str]):
    """The end of a time for each millisecond of a minute, made likewise."""

    def __missing__(self, ms: int) -> str:
        text = self[ms] = f"{ms // 1000:02}.{ms % 1000:03}Z"
        return text


_DAYS = _Days()
_SECONDS = _Seconds()


def render_plain(us: int, _: int = 0) -> str:
    """Write a whole millisecond in the usual form, ``2024-03-11T15:06:22.889Z``.

    Every row has up to five of these, so the parts are looked up, not computed.
    """
    minute, ms = divmod(us // MILLISECOND, _MINUTE_MS)
    day, minute = divmod(minute, 1440)
    return f"{_DAYS[day]}{_MINUTES[minute]}{_SECONDS[ms]}"


def render(us: int) -> str:
    """Write a moment with milliseconds, or with microseconds where it has them."""
    text = render_plain(us)
    rest = us % MILLISECOND
    return f"{text[:-1]}{rest:03}Z" if rest else text


def render_short(us: int) -> str:
    """Write a moment without a fraction where that is zero."""
    text = render(us)
    return text if us % SECOND else f"{text[:-5]}Z"


def render_mixed(us: int, choice: int) -> str:
    """Write a moment in one of the forms that are all RFC 3339: four choices."""
    choice %= 4
    if choice == 0:
        return render(us)
    if choice == 1:
        return render_short(us)
    local = to_datetime(us).astimezone(_OFFSETS[choice - 2])
    return local.isoformat(timespec="auto" if us % MILLISECOND else "milliseconds")
