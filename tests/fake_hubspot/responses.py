"""Answers of aiohttp that have a Date header only where one was given."""

from __future__ import annotations

from aiohttp import web
from typing_extensions import override


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
