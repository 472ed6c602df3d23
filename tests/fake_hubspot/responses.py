"""Answers of aiohttp that have a Date header only where one was given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web
from typing_extensions import override

from . import moments

if TYPE_CHECKING:
    from .clock import Clock
    from .contract import Contract


class StreamResponse(web.StreamResponse):
    """Sends the account's time, or none, where aiohttp would add this machine's."""

    @override
    async def _prepare_headers(self) -> None:
        is_dated = "Date" in self.headers
        await super()._prepare_headers()
        if not is_dated:
            self.headers.pop("Date", None)


class Response(StreamResponse, web.Response):
    """The same for an answer whose body is known."""


def dated(contract: Contract, clock: Clock) -> dict[str, str]:
    """Give the Date header, if there is one."""
    if contract.date == "missing":
        return {}
    if contract.date == "unreadable":
        return {"Date": "a moment ago"}
    skew = int(contract.date_skew_seconds * moments.SECOND)
    return {"Date": moments.http_date(clock.us + skew)}
