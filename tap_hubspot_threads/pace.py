"""Staying below HubSpot's limit of requests, instead of running into it."""

from __future__ import annotations

import contextlib
import math
import threading
import time
import typing as t
from collections import deque
from functools import partial

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator, Mapping

_MAX = "X-HubSpot-RateLimit-Max"
_REMAINING = "X-HubSpot-RateLimit-Remaining"
_INTERVAL = "X-HubSpot-RateLimit-Interval-Milliseconds"


class _Growth(t.NamedTuple):
    """How many requests of others were counted between two answers."""

    at: float
    seconds: float
    requests: int


class Pace:
    """Says when the next request may be sent; may be used from several threads.

    Every answer tells how many requests a window allows, how many are left in it,
    and how long it is (100 to 250 in ten seconds, by subscription). Whether the
    window rolls or begins anew is unknown, so it is taken to roll: counted are the
    requests that are under way or were answered within its length, which is no fewer
    than HubSpot can count.

    What HubSpot says is gone beyond these, others have used. In a window that has
    just begun anew that shows nothing, so it is also followed by how much more is
    gone from one answer to the next. Where there are others, a tenth of the limit is
    left to them on top, and requests are spread evenly; else from half of the limit.
    """

    LEFT_TO_OTHERS = 0.1

    LONGEST_WINDOW = 60.0
    """Seconds; a longer one is not HubSpot's, and not waited for."""

    GREATEST_LIMIT = 1_000_000
    """Requests; a greater one is not HubSpot's either."""

    SLACK = 0.05
    """Seconds added to the window, for two clocks that do not run alike."""

    def __init__(
        self,
        logger: logging.Logger,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start without a limit: the first answer names it."""
        self._logger = logger
        self._clock = clock
        self._lock = threading.Lock()
        self._limit = math.inf
        self._window = self.LONGEST_WINDOW
        self._others = 0
        self._used: int | None = None
        self._used_at = 0.0
        self._sent = self._sent_by_then = 0
        self._growth: deque[_Growth] = deque()
        self._answered: deque[float] = deque()
        self._under_way = self._most_under_way = 0
        self._last_sent = -math.inf
        self._has_slowed_down = False

    def share_in_use(self) -> float | None:
        """Return how much of the limit this run uses now, from 0; None if unknown."""
        with self._lock:
            if math.isinf(self._limit):
                return None
            since = self._clock() - self._window
            answered = sum(moment > since for moment in self._answered)
            return (answered + self._under_way) / self._limit

    @contextlib.contextmanager
    def turn(self) -> Iterator[Callable[[Mapping[str, str]], None]]:
        """Wait for a turn to send one request, and take the headers of its answer.

        Yields:
            A function to be called with the headers, if there is an answer.
        """
        delay, number = self._take()
        while delay > 0:
            time.sleep(delay)
            delay, number = self._take()
        try:
            yield partial(self._read, number)
        finally:
            with self._lock:
                self._under_way -= 1
                self._answered.append(self._clock())

    def _take(self) -> tuple[float, int]:
        """Take a turn; return the seconds after which to ask again, 0 if it is taken.

        The other value is the number of the request, from 1.
        """
        with self._lock:
            now = self._clock()
            while self._answered and self._answered[0] <= now - self._window:
                self._answered.popleft()
            delay = self._delay(now)
            if delay > 0:
                self._say_so()
                return delay, 0
            self._under_way += 1
            self._most_under_way = max(self._most_under_way, self._under_way)
            self._sent += 1
            self._last_sent = now
            return 0.0, self._sent

    def _delay(self, now: float) -> float:
        used = len(self._answered) + self._under_way
        allowed = self._limit
        if self._others:
            allowed -= self._others + math.ceil(self._limit * self.LEFT_TO_OTHERS)
        allowed = max(allowed, 1)
        if used >= allowed:
            if not self._answered:
                return self._window / allowed  # all are under way
            return max(self._answered[0] + self._window - now, 0.001)
        if used > allowed / 2 or self._others:
            return self._last_sent + self._window / allowed - now
        return 0.0

    def _read(self, number: int, headers: Mapping[str, str]) -> None:
        try:
            limit = int(headers[_MAX])
            remaining = int(headers[_REMAINING])
            window = int(headers[_INTERVAL]) / 1000
        except (KeyError, ValueError, OverflowError):
            return
        if (
            not 0 < limit <= self.GREATEST_LIMIT
            or not 0 < window <= self.LONGEST_WINDOW
        ):
            return
        with self._lock:
            self._limit = limit
            self._window = window + self.SLACK
            used = min(max(0, limit - remaining), limit)
            own = len(self._answered) + self._under_way
            self._others = max(0, used - own, self._used_by_others(used, number))

    def _used_by_others(self, used: int, number: int) -> int:
        """Estimate what others use in a window, by how `used` has grown.

        Args:
            used: How many requests HubSpot had counted at an answer.
            number: Which of the requests sent from here it answers, from 1.
        """
        now = self._clock()
        # Requests that are under way together may be counted in any order, so each
        # count is off by up to as many.
        slack = self._most_under_way - 1
        if number > self._sent_by_then:  # else a later one has been answered already
            if self._used is not None and used >= self._used - slack:
                more = used - self._used - (number - self._sent_by_then)
                self._growth.append(_Growth(now, now - self._used_at, more))
            # Else the window began anew.
            self._used, self._used_at, self._sent_by_then = used, now, number
        while self._growth and self._growth[0].at <= now - self._window:
            self._growth.popleft()
        seconds = max(sum(g.seconds for g in self._growth), self._window / 10)
        requests = max(0, sum(g.requests for g in self._growth) - slack)
        return math.ceil(requests / seconds * self._window)

    def _say_so(self) -> None:
        if not self._has_slowed_down:
            self._has_slowed_down = True
            self._logger.info(
                "Slowing down to stay below HubSpot's limit of %d requests in %.0f s",
                self._limit,
                self._window,
            )
