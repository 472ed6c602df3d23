"""The part of the account's daily limit that is reserved for other apps."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    import logging

    from tap_hubspot_threads.client import HubSpotClient


class DailyReserve:
    """Tells when a run has to stop because of the account's daily limit.

    HubSpot names the limit, and what is left of it, in its responses; but not to OAuth
    apps.
    """

    def __init__(
        self,
        client: HubSpotClient,
        logger: logging.Logger,
        *,
        percent: float,
        least: int,
    ) -> None:
        """Take what is reserved, in percent of the limit and in requests."""
        self._client = client
        self._logger = logger
        self._percent = percent
        self._least = least
        self._is_reached = False

    @property
    def is_reached(self) -> bool:
        """Whether the run has to stop. That is for good.

        Responses arrive out of order, and a day may begin: it is left to the next run.
        """
        daily = self._client.daily
        if daily is not None and not self._is_reached:
            reserve = daily.limit * self._percent / 100
            self._is_reached = daily.remaining <= max(reserve, self._least)
        return self._is_reached

    def log(self, to_come: int | None, *, requests: float | None, then: str) -> None:
        """Say that the reserve is reached, and what is left to do.

        Args:
            to_come: How many threads that is; None if that is unknown.
            requests: How many requests they will take.
            then: What comes after them.
        """
        left = ""
        if to_come is not None:
            left = f"; threads left to read: {to_come:,}"
        daily = self._client.daily
        a_day = daily.limit * (1 - self._percent / 100) if daily else 0.0
        if requests is not None and a_day:
            left += f", about {requests / a_day:.1f} days at this pace"
        self._logger.warning(
            "The rest of HubSpot's daily limit is reserved (`daily_limit_reserve`), so "
            "`messages` stops here, and the next run continues%s%s",
            left,
            then,
        )
