"""One line now and then, for whoever looks at the log of a long run."""

from __future__ import annotations

import time
import typing as t

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Callable


class Progress:
    """Says how far a run is, at most every ten seconds.

    The SDK's METRIC lines say the same to machines, every minute.
    """

    INTERVAL = 10.0
    """Seconds."""

    def __init__(
        self,
        logger: logging.Logger,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start the first interval: a short run says nothing."""
        self._logger = logger
        self._clock = clock
        self._told_at = clock()
        self._told_threads = 0
        self._pages = 0

    def page(
        self, threads: int, *, place: str, share: Callable[[], float | None]
    ) -> None:
        """Take note of a page.

        Args:
            threads: How many have been written so far.
            place: Where in the listing it is, as people read it.
            share: Returns how much of HubSpot's limit is in use, from 0 to 1; None
                while it is unknown.
        """
        self._pages += 1
        now = self._clock()
        seconds = now - self._told_at
        if seconds < self.INTERVAL:
            return
        used = share()
        self._logger.info(
            "%s threads written, %s a second; %s pages, now at %s%s",
            f"{threads:,}",
            f"{(threads - self._told_threads) / seconds:,.0f}",
            f"{self._pages:,}",
            place,
            "" if used is None else f"; {used:.0%} of HubSpot's limit in use",
        )
        self._told_at, self._told_threads = now, threads
