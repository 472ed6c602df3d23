"""Rate limits, and headers that tell the truth about them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

from .errors import RefusalError, rate_limited

if TYPE_CHECKING:
    from collections.abc import Callable

    from .contract import Contract

_UNLIMITED = 1_000_000


class Quota:
    """Counts the requests of one account and refuses those over a limit."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """Count by a clock."""
        self._monotonic = monotonic
        self._served: list[float] = []
        self._window_began = float("-inf")
        self._today = 0

    def take(self, contract: Contract) -> RefusalError | None:
        """Count a request that is served, or give its refusal."""
        now = self._monotonic()
        self._forget(now, contract)
        lately = len(self._served) - bisect_right(self._served, now - 1)
        if contract.daily_limit and self._left(contract) <= 0:
            return rate_limited("DAILY", "You have reached your daily limit.")
        if contract.quota and self._used(now, contract) >= contract.quota:
            return rate_limited(
                "TEN_SECONDLY_ROLLING",
                "You have reached your ten_secondly_rolling limit.",
            )
        if contract.quota_per_second and lately >= contract.quota_per_second:
            return rate_limited("SECONDLY", "You have reached your secondly limit.")
        if now - self._window_began >= contract.quota_window_seconds:
            self._window_began = now
        self._served.append(now)
        self._today += 1
        return None

    def headers(self, contract: Contract, *, oauth: bool) -> dict[str, str]:
        """Give the headers that every answer carries."""
        if not contract.quota_headers:
            return {}
        now = self._monotonic()
        self._forget(now, contract)
        most = contract.quota or _UNLIMITED
        headers = {
            "X-HubSpot-RateLimit-Max": most,
            "X-HubSpot-RateLimit-Remaining": most - self._used(now, contract),
            "X-HubSpot-RateLimit-Interval-Milliseconds": round(
                contract.quota_window_seconds * 1000
            ),
        }
        if contract.daily_limit and not oauth:
            left = self._left(contract)
            headers["X-HubSpot-RateLimit-Daily"] = contract.daily_limit
            headers["X-HubSpot-RateLimit-Daily-Remaining"] = left
        return {name: str(max(0, value)) for name, value in headers.items()}

    def begin_day(self) -> None:
        """Forget the requests of the day."""
        self._today = 0

    def _left(self, contract: Contract) -> int:
        return contract.daily_limit - contract.daily_used - self._today

    def _used(self, now: float, contract: Contract) -> int:
        if contract.quota_window == "rolling":
            return len(self._served)
        if now - self._window_began >= contract.quota_window_seconds:
            return 0
        return len(self._served) - bisect_left(self._served, self._window_began)

    def _forget(self, now: float, contract: Contract) -> None:
        kept = max(contract.quota_window_seconds, 1.0)
        del self._served[: bisect_right(self._served, now - kept)]
