"""Staying below HubSpot's limit of requests instead of running into it."""

from __future__ import annotations

import contextlib
import math
import threading
import time
import typing as t
from collections import deque

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator, Mapping

_MAX = "X-HubSpot-RateLimit-Max"
_REMAINING = "X-HubSpot-RateLimit-Remaining"
_INTERVAL = "X-HubSpot-RateLimit-Interval-Milliseconds"


class RateLimiter:
    """Decides when the next request may be sent. Safe to use from several threads.

    Every response names the requests that a window allows, those that are left, and the
    window's length (100 to 250 requests in 10 s, depending on the subscription).
    Whether the window rolls or starts anew is unknown, so this one rolls: it counts the
    requests that are in flight or were answered within the window's length. HubSpot
    cannot count more. What HubSpot has counted beyond these was sent by others; the
    most in a window is left to them, because a window that starts anew shows none.

    Requests are spread evenly over the window if there are others, else beyond half of
    the limit.
    """

    LONGEST_WINDOW = 60.0
    """Seconds. A longer window is not HubSpot's."""

    GREATEST_LIMIT = 1_000_000
    """Requests. A greater limit is not HubSpot's."""

    SLACK = 0.05
    """Seconds added to the window, because two clocks never agree."""

    def __init__(
        self,
        logger: logging.Logger,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start without a limit: the first response names it."""
        self._logger = logger
        self._clock = clock
        self._lock = threading.Lock()
        self._limit = math.inf
        self._window = self.LONGEST_WINDOW
        self._others: deque[tuple[float, int]] = deque()
        self._answered: deque[float] = deque()
        self._in_flight = 0
        self._last_sent = -math.inf
        self._has_slowed_down = False

    def share_in_use(self) -> float | None:
        """Return the share of the limit that this run uses now; None if unknown."""
        with self._lock:
            if math.isinf(self._limit):
                return None
            self._forget(self._clock())
            return (len(self._answered) + self._in_flight) / self._limit

    @contextlib.contextmanager
    def acquire(self) -> Iterator[Callable[[Mapping[str, str]], None]]:
        """Wait until one request may be sent.

        Yields:
            A function to call with the headers of the response, if there is one.
        """
        while (delay := self._try_acquire()) > 0:
            time.sleep(delay)
        try:
            yield self._observe
        finally:
            with self._lock:
                self._in_flight -= 1
                self._answered.append(self._clock())

    def _try_acquire(self) -> float:
        """Return 0 if the request may be sent, or the seconds until the next try."""
        with self._lock:
            now = self._clock()
            self._forget(now)
            delay = self._delay(now)
            if delay <= 0:
                self._in_flight += 1
                self._last_sent = now
            elif not self._has_slowed_down:
                self._has_slowed_down = True
                self._logger.info(
                    "Slowing down to stay below HubSpot's limit of %d requests in "
                    "%.0f s",
                    self._limit,
                    self._window,
                )
            return delay

    def _delay(self, now: float) -> float:
        used = len(self._answered) + self._in_flight
        others = max(0, self._others[0][1]) if self._others else 0
        allowed = max(self._limit - others, 1)
        if used < allowed / 2 and not others:
            return 0.0
        if used < allowed:
            return self._last_sent + self._window / allowed - now
        if not self._answered:
            return self._window / allowed
        return max(self._answered[0] + self._window - now, 0.001)

    def _forget(self, now: float) -> None:
        while self._answered and self._answered[0] <= now - self._window:
            self._answered.popleft()
        while self._others and self._others[0][0] <= now - self._window:
            self._others.popleft()

    def _observe(self, headers: Mapping[str, str]) -> None:
        try:
            limit = int(headers[_MAX])
            remaining = int(headers[_REMAINING])
            window = int(headers[_INTERVAL]) / 1000
        except (KeyError, ValueError, OverflowError):
            return
        if not (0 < limit <= self.GREATEST_LIMIT and 0 < window <= self.LONGEST_WINDOW):
            return
        with self._lock:
            self._limit = limit
            self._window = window + self.SLACK
            others = limit - remaining - len(self._answered) - self._in_flight
            # An older count that is not greater would never be the most again.
            while self._others and self._others[-1][1] <= others:
                self._others.pop()
            self._others.append((self._clock(), others))
