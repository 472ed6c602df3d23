"""The time of an account, which tests set and advance."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

from . import moments

if TYPE_CHECKING:
    from datetime import datetime


class Clock:
    """The present of an account: messages, closings and archivings take it.

    It stands still where a test chose its beginning, and otherwise follows the real
    clock. Every event moves it on by `tick_ms`, so that events have an order; with 0
    they share a millisecond until the clock is advanced.
    """

    def __init__(self, now: str | datetime | None = None) -> None:
        """Begin at `now`, or at the real present, which then goes on."""
        self.tick_ms = 1
        self._runs = now is None
        self._us = time.time_ns() // 1000 if now is None else moments.moment(now)
        self._us -= self._us % moments.MILLISECOND
        self._began = time.monotonic_ns()

    @property
    def us(self) -> int:
        """The present in microseconds since 1970, a whole millisecond."""
        if not self._runs:
            return self._us
        us = self._us + (time.monotonic_ns() - self._began) // 1000
        return us - us % moments.MILLISECOND

    @property
    def now(self) -> datetime:
        """The present as a datetime in UTC."""
        return moments.to_datetime(self.us)

    @property
    def text(self) -> str:
        """The present as HubSpot writes it."""
        return moments.render(self.us)

    def set(self, now: str | datetime) -> None:
        """Move on to a moment; time does not go back, archived threads are gone."""
        us = moments.moment(now)
        if us < self.us:
            message = f"the clock of an account does not go back to {now}"
            raise ValueError(message)
        self._us += us - self.us

    def advance(self, seconds: float = 0, *, hours: float = 0, days: float = 0) -> None:
        """Move on by some time."""
        step = timedelta(seconds=seconds, hours=hours, days=days)
        if step < timedelta():
            message = f"the clock of an account does not go back by {-step}"
            raise ValueError(message)
        self._us += step // timedelta(milliseconds=1) * moments.MILLISECOND

    def tick(self) -> int:
        """Take the moment of an event, later than the event before it."""
        self._us += self.tick_ms * moments.MILLISECOND
        return self.us
