"""The log lines that tell a person how far a run is."""

from __future__ import annotations

import re
import time
import typing as t

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from singer_sdk.helpers.types import Record


_PLACE = re.compile(r"[0-9TZ:.-]{1,24}")


class Progress:
    """Logs what is being read, at most every ten seconds.

    The SDK's METRIC lines say the same to machines, every minute.
    """

    INTERVAL = 10.0
    """Seconds."""

    def __init__(
        self,
        logger: logging.Logger,
        *,
        share_in_use: Callable[[], float | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start the first interval.

        Args:
            logger: Where the lines go.
            share_in_use: Returns the share of HubSpot's limit that is in use, from 0 to
                1; None if it is unknown.
            clock: Seconds of a clock that never goes back.
        """
        self._logger = logger
        self._share_in_use = share_in_use
        self._clock = clock
        self._began = self._logged_at = clock()
        self._pass = ""
        self._read = self._written = 0
        self._read_in_pass = self._read_since = 0

    def begin_pass(self, name: str) -> None:
        """Name what is read from now on."""
        self._pass = name
        self._read_in_pass = 0

    def page(self, records: list[Record], written: int, *, order: str) -> None:
        """Count a page, and log if it is time.

        Args:
            records: Its rows.
            written: How many of them were written.
            order: The field that the listing is sorted by.
        """
        self._read += len(records)
        self._written += written
        self._read_in_pass += len(records)
        self._read_since += len(records)
        now = self._clock()
        elapsed = now - self._logged_at
        if elapsed < self.INTERVAL:
            return
        place = str(records[-1][order]) if records else ""
        # An ID that is not a number might be somebody's words.
        place = f"{order} {place}" if _PLACE.fullmatch(place) else "an unnamed place"
        share = self._share_in_use()
        self._logger.info(
            "%s: %s rows read, %s rows a second, now at %s; %s rows written in all%s",
            self._pass,
            f"{self._read_in_pass:,}",
            f"{self._read_since / elapsed:,.0f}",
            place,
            f"{self._written:,}",
            "" if share is None else f"; {share:.0%} of HubSpot's limit in use",
        )
        self._logged_at, self._read_since = now, 0

    def end(self, *facts: str, requests: int) -> None:
        """Log what the stream has done. The facts end the line."""
        summary = (
            f"read {self._read:,} {'row' if self._read == 1 else 'rows'} and wrote "
            f"{self._written:,}, with {requests:,} "
            f"{'request' if requests == 1 else 'requests'} in "
            f"{self._clock() - self._began:.1f} s"
        )
        self._logger.info("Complete: %s", "; ".join((summary, *facts)))


class ThreadProgress(Progress):
    """Logs how many threads have been read, and how many are to come."""

    def __init__(
        self,
        logger: logging.Logger,
        *,
        share_in_use: Callable[[], float | None],
        requests_sent: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start the first interval. `requests_sent` counts those of the stream."""
        super().__init__(logger, share_in_use=share_in_use, clock=clock)
        self._requests_sent = requests_sent
        self.threads = 0
        self._threads_in_pass = 0
        self._total: int | None = None

    def begin(self, name: str, threads: int) -> None:
        """Name what is read from now on, and how many threads that are."""
        self.begin_pass(name)
        self._total, self._threads_in_pass = threads, 0
        self._logger.info("%s: threads to read: %s", name, f"{threads:,}")

    @property
    def to_come(self) -> int | None:
        """How many threads are to come; None if no thread has been read."""
        if self._total is None or not self.threads:
            return None
        return max(0, self._total - self._threads_in_pass)

    def thread(self, rows: int) -> None:
        """Count a thread with its rows, and log if it is time."""
        self.threads += 1
        self._threads_in_pass += 1
        self._read += rows
        self._written += rows
        now = self._clock()
        if now - self._logged_at < self.INTERVAL:
            return
        elapsed, share = now - self._began, self._share_in_use()
        to_come = self.to_come or 0
        self._logger.info(
            "%s: %s threads read, %s to come, about %s left; %.1f requests a second%s",
            self._pass,
            f"{self._threads_in_pass:,}",
            f"{to_come:,}",
            duration(to_come * elapsed / self.threads),
            self._requests_sent() / elapsed,
            "" if share is None else f", {share:.0%} of HubSpot's limit in use",
        )
        self._logged_at = self._clock()


def duration(seconds: float) -> str:
    """Return a time span in words, in its largest units."""
    minutes = round(seconds / 60)
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
