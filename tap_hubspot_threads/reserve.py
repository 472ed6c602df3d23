"""The part of the account's daily limit that is reserved for other apps."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from tap_hubspot_threads.client import HubSpotClient


class DailyReserve:
    """Tells when a run has to stop because of the account's daily limit.

    HubSpot names the limit, and what is left of it, in its responses; but not to OAuth
    apps.
    """

    def __init__(self, client: HubSpotClient, *, percent: float, least: int) -> None:
        """Take what is reserved, in percent of the limit and in requests."""
        self._client = client
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

    def days_for(self, requests: float) -> float | None:
        """Return in how many days requests can be sent; None if nobody knows."""
        daily = self._client.daily
        a_day = daily.limit * (1 - self._percent / 100) if daily else 0.0
        return requests / a_day if a_day else None
